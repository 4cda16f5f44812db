//! The kinds of contexts, with the arguments of their attributes.

/// A kind of context.
pub(crate) struct Kind {
    /// The name of the trait.
    pub(crate) name: &'static str,
    /// The name of the attribute.
    pub(crate) attribute: &'static str,
    /// The marker that the attribute implements, in `sluicegate::__named`.
    pub(crate) marker: &'static str,
    /// The marker of a context that `plugin!` need not name, because the context has no callbacks.
    /// It is in `sluicegate::__named`.
    pub(crate) unnamed: Option<&'static str>,
    /// The optional callbacks. A callback that the author leaves out is not exported.
    pub(crate) callbacks: &'static [&'static str],
    /// The name of the associated type that is the context above.
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

/// The argument of a filter that keeps no state, and its mark in the list of callbacks.
pub(crate) const STATELESS: &str = "stateless";

/// The argument of a context that takes the responses to its calls in closures, and the callbacks
/// that deliver them.
pub(crate) const CALLS: &str = "calls";
pub(crate) const ANSWERS: &[&str] = &["on_http_call_response", "on_grpc_event"];

/// The argument of a plugin that starts timers, and the callback that drives them.
pub(crate) const TIMERS: &str = "timers";
pub(crate) const TICKS: &[&str] = &["on_tick"];

/// The argument of a context that runs tasks, which await responses and ticks.
pub(crate) const TASKS: &str = "tasks";

/// The callbacks for a body: a filter has the one for parts or the one for the whole.
pub(crate) const BODIES: [(&str, &str); 2] =
    [("on_request_body", "on_complete_request_body"), ("on_response_body", "on_complete_response_body")];

/// The callbacks that the dispatcher knows by a constant of the filter.
pub(crate) const MARKS: [(&str, &str); 6] = [
    ("on_request_body", "REQUEST_BODY"),
    ("on_response_body", "RESPONSE_BODY"),
    ("on_complete_request_body", "COMPLETE_REQUEST"),
    ("on_complete_response_body", "COMPLETE_RESPONSE"),
    ("on_request_trailers", "REQUEST_TRAILERS"),
    ("on_response_trailers", "RESPONSE_TRAILERS"),
];

/// The callbacks of a plugin, or for a response, that may resume a paused stream.
pub(crate) const RESUMES: &[&str] =
    &["on_http_call_response", "on_grpc_event", "on_tick", "on_queue_ready", "on_foreign_function"];

/// The constant in which a filter declares upgrades, and its mark in the list of callbacks. With
/// the mark, the dispatcher looks at the heads of both messages.
pub(crate) const UPGRADES: &str = "UPGRADES";
pub(crate) const UPGRADES_MARK: &str = "upgrades";
