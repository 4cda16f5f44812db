//! The upstream that the request went to. Envoy knows it when the response's headers have come.

use super::table::properties;

properties! {
    /// Returns the upstream's address and port.
    #[doc(alias = "GetUpstreamAddress")]
    text address = "upstream"."address";
    /// Returns the upstream's port.
    #[doc(alias = "GetUpstreamPort")]
    u64 port = "upstream"."port";
    /// Returns the proxy's address and port, as the upstream sees it.
    #[doc(alias = "GetUpstreamLocalAddress")]
    text local_address = "upstream"."local_address";
    /// Returns the locality of the endpoint, as a protobuf message. It has no bytes if none is
    /// configured.
    message locality = "upstream"."locality";
    /// Returns the number of endpoints of the cluster.
    u64 num_endpoints = "upstream"."num_endpoints";
    /// Returns the number of attempts of the request, including the first.
    u64 request_attempt_count = "upstream"."request_attempt_count";
    /// Returns the time for which the request waited for a connection.
    duration cx_pool_ready_duration = "upstream"."cx_pool_ready_duration";
    /// Returns the version of TLS.
    #[doc(alias = "GetUpstreamTlsVersion")]
    text tls_version = "upstream"."tls_version";
    /// Returns the subject of the proxy's certificate.
    #[doc(alias = "GetUpstreamSubjectLocalCertificate")]
    text subject_local_certificate = "upstream"."subject_local_certificate";
    /// Returns the subject of the peer's certificate.
    #[doc(alias = "GetUpstreamSubjectPeerCertificate")]
    text subject_peer_certificate = "upstream"."subject_peer_certificate";
    /// Returns the first DNS name in the proxy's certificate.
    #[doc(alias = "GetUpstreamDnsSanLocalCertificate")]
    text dns_san_local_certificate = "upstream"."dns_san_local_certificate";
    /// Returns the first DNS name in the peer's certificate.
    #[doc(alias = "GetUpstreamDnsSanPeerCertificate")]
    text dns_san_peer_certificate = "upstream"."dns_san_peer_certificate";
    /// Returns the first URI in the proxy's certificate.
    #[doc(alias = "GetUpstreamUriSanLocalCertificate")]
    text uri_san_local_certificate = "upstream"."uri_san_local_certificate";
    /// Returns the first URI in the peer's certificate.
    #[doc(alias = "GetUpstreamUriSanPeerCertificate")]
    text uri_san_peer_certificate = "upstream"."uri_san_peer_certificate";
    /// Returns the SHA-256 digest of the peer's certificate.
    #[doc(alias = "GetUpstreamSha256PeerCertificateDigest")]
    text sha256_peer_certificate_digest = "upstream"."sha256_peer_certificate_digest";
    /// Returns the peer's certificate as PEM. Envoy 1.36 does not have it.
    text peer_certificate = "upstream"."peer_certificate";
    /// Returns the reason for which the transport failed, as TLS reports it.
    #[doc(alias = "GetUpstreamTransportFailureReason")]
    text transport_failure_reason = "upstream"."transport_failure_reason";
}
