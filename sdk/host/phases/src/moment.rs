//! The callbacks, and what the stream holds in them: for each a script of the filter and traffic
//! that leads there.

mod answers;
mod between;
mod build;
mod end;
mod metadata;
mod request;
mod response;
mod tcp;
mod traffic;
mod tunnels;

/// A callback, reached with a stream that holds something.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The callback, without `proxy_on_`.
    pub callback: &'static str,
    /// The data that the stream holds.
    pub holds: &'static str,
    /// The kind of the stream: HTTP or TCP.
    pub kind: Kind,
    /// The special settings of the proxy.
    pub setting: Setting,
    /// The moves of the peers, one after the other.
    pub steps: &'static [Step],
    script: Script,
}

/// The actions of the tracer: around the call, in the callback of the moment, and in others.
#[derive(Clone, Copy, Debug)]
struct Script {
    /// Which run of the callback makes the call, as `#2`; every run if this is empty.
    run: &'static str,
    /// The steps before the call.
    before: &'static str,
    /// The steps after the call.
    after: &'static str,
    /// The lines of other callbacks.
    lines: &'static str,
    /// The direction that a tick lets go on, unless the call is itself a resume.
    releases: Option<Way>,
}

/// A direction that a stream can be held in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Request,
    Response,
    Downstream,
}

/// Which proxy a filter is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An HTTP connection manager.
    Http,
    /// A TCP proxy.
    Tcp,
}

/// The special settings of the proxy of a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setting {
    /// Nothing.
    Plain,
    /// A filter that holds headers back sees the body.
    Shown,
    /// The peers speak HTTP/2 with metadata; a filter that holds headers back sees the body.
    Metadata,
    /// The route allows upgrades and tunnels.
    Tunnel,
    /// The route answers by itself.
    Direct,
    /// The plugin is no filter, but writes the access log.
    Logger,
    /// The listener is removed while the proxy runs, and the plugin with it.
    Unloaded,
}

/// A move of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The client sends the head of a request with a chunked body.
    Request,
    /// The client sends a request without a body.
    Get,
    /// The client sends a part of the request's body.
    Part(&'static str),
    /// The end of the request's body, with trailers.
    Trailers,
    /// The end of the request's body, without trailers.
    End,
    /// The upstream sends the head of a response with a chunked body.
    Response,
    /// The upstream sends a response without a body.
    Empty,
    /// The upstream sends a part of the response's body.
    Back(&'static str),
    /// The end of the response's body, with trailers.
    BackTrailers,
    /// The end of the response's body, without trailers.
    BackEnd,
    /// The called service answers with a body and trailers.
    Answer,
    /// The called gRPC service answers a message and is done.
    GrpcAnswer,
    /// The client closes its connection.
    Leave,
    /// Time passes, for a tick.
    Tick,
    /// The client connects.
    Connect,
    /// The client sends bytes.
    FromClient(&'static str),
    /// The upstream sends bytes.
    FromUpstream(&'static str),
    /// The upstream closes its connection.
    CloseUpstream,
    /// The client asks for another protocol.
    Upgrade,
    /// The upstream goes over to it.
    Switch,
    /// The client asks for a tunnel, by `CONNECT`.
    Tunnel,
    /// The upstream grants a tunnel.
    Grant,
    /// The proxy's listener is removed.
    Unload,
    /// The client sends metadata.
    Metadata,
    /// The upstream sends metadata.
    BackMetadata,
}

impl Setting {
    /// Returns whether a filter that holds headers back sees the body.
    #[must_use]
    pub fn shows_body(self) -> bool {
        matches!(self, Self::Shown | Self::Metadata)
    }
}

impl Moment {
    /// Returns the name of the moment, for a file.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} / {}", self.callback, self.holds)
    }

    /// Returns the tracer's script with these steps as the call, for the stream with the number 2
    /// and its plugin with the number 1. Without `releases` the script resumes nothing that was
    /// held.
    #[must_use]
    pub fn script_with(&self, steps: &str, releases: bool) -> String {
        let Script { run, before, after, lines, .. } = self.script;
        let steps: Vec<_> = [before, steps, after].into_iter().filter(|part| !part.is_empty()).collect();
        let of_call = format!("{}{run}: {}", self.callback, steps.join("; "));
        let of_tick = self.script.releases.map(|way| {
            let resume = if releases { format!("; resume {}", way as u8) } else { String::new() };
            format!("tick: tick 0; effective 2{resume}")
        });
        let all = [of_call.as_str()].into_iter().chain(lines.lines()).chain(of_tick.as_deref());
        all.filter_map(|line| self.line(line)).collect::<Vec<_>>().join("\n")
    }

    /// A line of the script, for the context that its callback is of.
    fn line(&self, line: &str) -> Option<String> {
        let (key, steps) = line.trim().split_once(": ")?;
        let (callback, run) = key.split_once('#').map_or((key, String::new()), |(key, run)| (key, format!("#{run}")));
        // Nothing but the plugin is there.
        let is_plugin = matches!(self.setting, Setting::Logger | Setting::Unloaded) || OF_PLUGINS.contains(&callback);
        let context = if is_plugin { 1 } else { 2 };
        Some(format!("{callback}@{context}{run}: {steps}"))
    }
}

/// The callbacks of a plugin's context.
const OF_PLUGINS: &[&str] = &[
    "vm_start",
    "configure",
    "tick",
    "queue_ready",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
];

/// The moments by what they are of.
const PARTS: &[&[Moment]] = &[
    request::MOMENTS,
    response::MOMENTS,
    metadata::MOMENTS,
    end::MOMENTS,
    answers::MOMENTS,
    between::MOMENTS,
    tunnels::MOMENTS,
    tcp::MOMENTS,
];

/// All moments, in the order of the table.
pub const MOMENTS: &[Moment] = &ALL;

static ALL: [Moment; count()] = {
    let mut all = [PARTS[0][0]; count()];
    let (mut part, mut at, mut next) = (0, 0, 0);
    while part < PARTS.len() {
        if at < PARTS[part].len() {
            all[next] = PARTS[part][at];
            (at, next) = (at + 1, next + 1);
        } else {
            (part, at) = (part + 1, 0);
        }
    }
    all
};

const fn count() -> usize {
    let (mut part, mut count) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
}
