//! Configurations with which the examples do what they are about. Most of these do not start
//! without one.

pub(crate) const CONFIGURATIONS: [(&str, &str); 8] = [
    ("access_rules", "[]"),
    ("header_batch", r#"{"request": [{"remove": "x-debug"}, {"set": "x-env", "to": "p"}]}"#),
    ("http_routing", "\u{1}"),
    ("json_fields", r#"{"/id": "x-id", "/name": "x-name"}"#),
    ("memory_report", r#"{"tiers": ["gold", "silver"], "memory": {"total": "1MiB"}}"#),
    ("rate_limit", r#"{"header": "x-plan", "plans": {"free": {"rate": 1000, "burst": 3000}}}"#),
    ("shared_queue_receiver", "tcp_data_hashes"),
    ("shared_queue_sender", "http"),
];
