//! The kinds of contexts, and what their attributes take.

/// A kind of context.
pub(crate) struct Kind {
    /// The trait.
    pub(crate) name: &'static str,
    /// The attribute.
    pub(crate) attribute: &'static str,
    /// The marker that the attribute implements, in `sluicegate::__named`.
    pub(crate) marker: &'static str,
    /// The marker of a context that `plugin!` need not name, because the context has no callbacks;
    /// in `sluicegate::__named`.
    pub(crate) unnamed: Option<&'static str>,
    /// The callbacks that may be left out, and then are not exported.
    pub(crate) callbacks: &'static [&'static str],
    /// The context above: the associated type's name.
    pub(crate) parent: Option<&'static str>,
    /// The arguments that the attribute takes.
    pub(crate) arguments: &'static [&'static str],
}

pub(crate) const VM: Kind = Kind {
    name: "VmContext",
    attribute: "vm_context",
    marker: "VmAttribute",
    unnamed: Some("UnnamedVm"),
    callbacks: &["on_vm_start"],
    parent: None,
    arguments: &[],
};

pub(crate) const PLUGIN: Kind = Kind {
    name: "PluginContext",
    attribute: "plugin_context",
    marker: "PluginAttribute",
    unnamed: Some("UnnamedPlugin"),
    callbacks: &[
        "on_configure",
        "on_validate_configuration",
        "on_foreign_function",
        "on_tick",
        "on_queue_ready",
        "on_http_call_response",
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[CALLS, TIMERS, TASKS],
    parent: Some("Vm"),
};

pub(crate) const HTTP: Kind = Kind {
    name: "HttpFilter",
    attribute: "http_filter",
    marker: "HttpAttribute",
    unnamed: None,
    callbacks: &[
        "on_request_headers",
        "on_request_body",
        "on_complete_request_body",
        "on_request_trailers",
        "on_request_metadata",
        "on_response_headers",
        "on_response_body",
        "on_complete_response_body",
        "on_response_trailers",
        "on_response_metadata",
        "on_http_call_response",
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[STATELESS, CALLS, TASKS],
    parent: Some("Plugin"),
};

pub(crate) const TCP: Kind = Kind {
    name: "TcpFilter",
    attribute: "tcp_filter",
    marker: "TcpAttribute",
    unnamed: None,
    callbacks: &[
        "on_new_connection",
        "on_downstream_data",
        "on_upstream_data",
        "on_downstream_close",
        "on_upstream_close",
        "on_http_call_response",
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[CALLS, TASKS],
    parent: Some("Plugin"),
};

/// The argument of a filter that keeps nothing, and its mark in the list of callbacks.
pub(crate) const STATELESS: &str = "stateless";

/// The argument of a context that takes the answers to its calls in closures, and the callbacks
/// that bring them.
pub(crate) const CALLS: &str = "calls";
pub(crate) const ANSWERS: &[&str] = &["on_http_call_response", "on_grpc_event"];

/// The argument of a plugin that starts timers, and the callback that drives them.
pub(crate) const TIMERS: &str = "timers";
pub(crate) const TICKS: &[&str] = &["on_tick"];

/// The argument of a context that runs tasks, which await answers and ticks.
pub(crate) const TASKS: &str = "tasks";

/// A body comes to a filter in parts or whole: the callback for the parts, and the one for the
/// whole.
pub(crate) const BODIES: [(&str, &str); 2] =
    [("on_request_body", "on_complete_request_body"), ("on_response_body", "on_complete_response_body")];

/// Callbacks of which the dispatcher knows whether a filter has them, by a constant.
pub(crate) const MARKS: [(&str, &str); 6] = [
    ("on_request_body", "REQUEST_BODY"),
    ("on_response_body", "RESPONSE_BODY"),
    ("on_complete_request_body", "COMPLETE_REQUEST"),
    ("on_complete_response_body", "COMPLETE_RESPONSE"),
    ("on_request_trailers", "REQUEST_TRAILERS"),
    ("on_response_trailers", "RESPONSE_TRAILERS"),
];

/// Callbacks of a plugin, or for an answer, from which a stream that was paused may be let go.
pub(crate) const RESUMES: &[&str] =
    &["on_http_call_response", "on_grpc_event", "on_tick", "on_queue_ready", "on_foreign_function"];

/// What a filter says of upgrades, and the mark in the list of callbacks of one that says it: the
/// dispatcher then looks at the heads of both messages.
pub(crate) const UPGRADES: &str = "UPGRADES";
pub(crate) const UPGRADES_MARK: &str = "upgrades";
