//! The upstream that the request went to. Envoy knows it when the response's headers are here.

use super::table::properties;

properties! {
    /// The upstream's address and port.
    #[doc(alias = "GetUpstreamAddress")]
    text address = "upstream"."address";
    /// The upstream's port.
    #[doc(alias = "GetUpstreamPort")]
    u64 port = "upstream"."port";
    /// The proxy's address and port, as the upstream sees it.
    #[doc(alias = "GetUpstreamLocalAddress")]
    text local_address = "upstream"."local_address";
    /// The locality of the endpoint, as a protobuf message; no bytes if none is configured.
    message locality = "upstream"."locality";
    /// How many endpoints the cluster has.
    u64 num_endpoints = "upstream"."num_endpoints";
    /// How often the request was tried, the first time included.
    u64 request_attempt_count = "upstream"."request_attempt_count";
    /// How long the request waited for a connection.
    duration cx_pool_ready_duration = "upstream"."cx_pool_ready_duration";
    /// The version of TLS.
    #[doc(alias = "GetUpstreamTlsVersion")]
    text tls_version = "upstream"."tls_version";
    /// The subject of the proxy's certificate.
    #[doc(alias = "GetUpstreamSubjectLocalCertificate")]
    text subject_local_certificate = "upstream"."subject_local_certificate";
    /// The subject of the peer's certificate.
    #[doc(alias = "GetUpstreamSubjectPeerCertificate")]
    text subject_peer_certificate = "upstream"."subject_peer_certificate";
    /// The first DNS name in the proxy's certificate.
    #[doc(alias = "GetUpstreamDnsSanLocalCertificate")]
    text dns_san_local_certificate = "upstream"."dns_san_local_certificate";
    /// The first DNS name in the peer's certificate.
    #[doc(alias = "GetUpstreamDnsSanPeerCertificate")]
    text dns_san_peer_certificate = "upstream"."dns_san_peer_certificate";
    /// The first URI in the proxy's certificate.
    #[doc(alias = "GetUpstreamUriSanLocalCertificate")]
    text uri_san_local_certificate = "upstream"."uri_san_local_certificate";
    /// The first URI in the peer's certificate.
    #[doc(alias = "GetUpstreamUriSanPeerCertificate")]
    text uri_san_peer_certificate = "upstream"."uri_san_peer_certificate";
    /// The SHA-256 digest of the peer's certificate.
    #[doc(alias = "GetUpstreamSha256PeerCertificateDigest")]
    text sha256_peer_certificate_digest = "upstream"."sha256_peer_certificate_digest";
    /// The peer's certificate.
    text peer_certificate = "upstream"."peer_certificate";
    /// Why the transport failed, as TLS says it.
    #[doc(alias = "GetUpstreamTransportFailureReason")]
    text transport_failure_reason = "upstream"."transport_failure_reason";
}
