//! The connection from the client: its two ends, and the TLS facts about them.

use super::table::properties;

properties! {
    /// Returns the client's address and port.
    #[doc(alias = "GetDownstreamRemoteAddress")]
    text source_address = "source"."address";
    /// Returns the client's port.
    #[doc(alias = "GetDownstreamRemotePort")]
    u64 source_port = "source"."port";
    /// Returns the proxy's address and port, as the client reached it.
    #[doc(alias = "GetDownstreamLocalAddress")]
    text destination_address = "destination"."address";
    /// Returns the proxy's port, as the client reached it.
    #[doc(alias = "GetDownstreamLocalPort")]
    u64 destination_port = "destination"."port";
    /// Returns the number of the client's connection.
    #[doc(alias = "GetDownstreamConnectionID")]
    u64 id = "connection"."id" or "connection_id";
    /// Returns whether the client presented a certificate.
    #[doc(alias = "IsDownstreamConnectionTls")]
    bool mtls = "connection"."mtls";
    /// Returns the server name that the client asked for (SNI).
    #[doc(alias = "GetDownstreamRequestedServerName")]
    text requested_server_name = "connection"."requested_server_name";
    /// Returns the reason for which the proxy ended the connection.
    #[doc(alias = "GetDownstreamTerminationDetails")]
    text termination_details = "connection"."termination_details";
    /// Returns the version of TLS.
    #[doc(alias = "GetDownstreamTlsVersion")]
    text tls_version = "connection"."tls_version";
    /// Returns the subject of the proxy's certificate.
    #[doc(alias = "GetDownstreamSubjectLocalCertificate")]
    text subject_local_certificate = "connection"."subject_local_certificate";
    /// Returns the subject of the peer's certificate.
    #[doc(alias = "GetDownstreamSubjectPeerCertificate")]
    text subject_peer_certificate = "connection"."subject_peer_certificate";
    /// Returns the first DNS name in the proxy's certificate.
    #[doc(alias = "GetDownstreamDnsSanLocalCertificate")]
    text dns_san_local_certificate = "connection"."dns_san_local_certificate";
    /// Returns the first DNS name in the peer's certificate.
    #[doc(alias = "GetDownstreamDnsSanPeerCertificate")]
    text dns_san_peer_certificate = "connection"."dns_san_peer_certificate";
    /// Returns the first URI in the proxy's certificate.
    #[doc(alias = "GetDownstreamUriSanLocalCertificate")]
    text uri_san_local_certificate = "connection"."uri_san_local_certificate";
    /// Returns the first URI in the peer's certificate.
    #[doc(alias = "GetDownstreamUriSanPeerCertificate")]
    text uri_san_peer_certificate = "connection"."uri_san_peer_certificate";
    /// Returns the SHA-256 digest of the peer's certificate.
    #[doc(alias = "GetDownstreamSha256PeerCertificateDigest")]
    text sha256_peer_certificate_digest = "connection"."sha256_peer_certificate_digest";
    /// Returns the peer's certificate as PEM. Envoy 1.36 does not have it.
    text peer_certificate = "connection"."peer_certificate";
    /// Returns the reason for which the transport failed, as TLS reports it.
    text transport_failure_reason = "connection"."transport_failure_reason";
}
