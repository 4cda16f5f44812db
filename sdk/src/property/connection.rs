//! The connection from the client: its two ends, and what TLS knows of them.

use super::table::properties;

properties! {
    /// The client's address and port.
    #[doc(alias = "GetDownstreamRemoteAddress")]
    text source_address = "source"."address";
    /// The client's port.
    #[doc(alias = "GetDownstreamRemotePort")]
    u64 source_port = "source"."port";
    /// The proxy's address and port, as the client reached it.
    #[doc(alias = "GetDownstreamLocalAddress")]
    text destination_address = "destination"."address";
    /// The proxy's port, as the client reached it.
    #[doc(alias = "GetDownstreamLocalPort")]
    u64 destination_port = "destination"."port";
    /// The number of the client's connection.
    #[doc(alias = "GetDownstreamConnectionID")]
    u64 id = "connection"."id" or "connection_id";
    /// Whether the client showed a certificate.
    #[doc(alias = "IsDownstreamConnectionTls")]
    bool mtls = "connection"."mtls";
    /// The server name that the client asked for (SNI).
    #[doc(alias = "GetDownstreamRequestedServerName")]
    text requested_server_name = "connection"."requested_server_name";
    /// Why the proxy ended the connection.
    #[doc(alias = "GetDownstreamTerminationDetails")]
    text termination_details = "connection"."termination_details";
    /// The version of TLS.
    #[doc(alias = "GetDownstreamTlsVersion")]
    text tls_version = "connection"."tls_version";
    /// The subject of the proxy's certificate.
    #[doc(alias = "GetDownstreamSubjectLocalCertificate")]
    text subject_local_certificate = "connection"."subject_local_certificate";
    /// The subject of the peer's certificate.
    #[doc(alias = "GetDownstreamSubjectPeerCertificate")]
    text subject_peer_certificate = "connection"."subject_peer_certificate";
    /// The first DNS name in the proxy's certificate.
    #[doc(alias = "GetDownstreamDnsSanLocalCertificate")]
    text dns_san_local_certificate = "connection"."dns_san_local_certificate";
    /// The first DNS name in the peer's certificate.
    #[doc(alias = "GetDownstreamDnsSanPeerCertificate")]
    text dns_san_peer_certificate = "connection"."dns_san_peer_certificate";
    /// The first URI in the proxy's certificate.
    #[doc(alias = "GetDownstreamUriSanLocalCertificate")]
    text uri_san_local_certificate = "connection"."uri_san_local_certificate";
    /// The first URI in the peer's certificate.
    #[doc(alias = "GetDownstreamUriSanPeerCertificate")]
    text uri_san_peer_certificate = "connection"."uri_san_peer_certificate";
    /// The SHA-256 digest of the peer's certificate.
    #[doc(alias = "GetDownstreamSha256PeerCertificateDigest")]
    text sha256_peer_certificate_digest = "connection"."sha256_peer_certificate_digest";
    /// The peer's certificate.
    text peer_certificate = "connection"."peer_certificate";
    /// Why the transport failed, as TLS says it.
    text transport_failure_reason = "connection"."transport_failure_reason";
}
