//! Looks up the effect of a host call in a callback, in the table that real Envoys made:
//! `phases.tsv`, which `cargo matrix` writes.
//!
//! A [`State`] notes the calls that do harm in some callback. When the callback has returned, its
//! status tells what the stream holds, and each call is looked up. A stream can be in a state for
//! which the table has no moment. Then the rules of [`flow`](crate::drive::flow) decide.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use crate::model::act::Act;
use crate::model::direction::{Part, Way};
use crate::model::state::State;
use crate::model::stream::Stream;

/// The committed table.
struct Table {
    versions: Vec<&'static str>,
    /// The outcomes of the calls of each moment, as they are in the file.
    moments: HashMap<&'static str, HashMap<&'static str, &'static str>>,
}

/// Stands in place of an outcome where a call was not played.
const UNPLAYED: &str = "-";
/// The outcomes that harm.
const HARMS: [&str; 4] = ["hangs", "doubles", "corrupts", "dies"];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("phases.tsv")));

impl Table {
    fn parse(text: &'static str) -> Self {
        let mut lines = text.lines().map(|line| line.split('\t'));
        let versions = lines.next().map(|line| line.skip(1).collect()).unwrap_or_default();
        let names: Vec<_> = lines.next().map(|line| line.skip(1).collect()).unwrap_or_default();
        let mut moments: HashMap<_, _> = names.iter().map(|name| (*name, HashMap::new())).collect();
        for mut line in lines {
            let call = line.next().unwrap_or_default();
            for (name, cell) in names.iter().zip(line) {
                moments.entry(*name).or_default().insert(call, cell);
            }
        }
        Self { versions, moments }
    }

    fn has(&self, moment: &str) -> bool {
        self.moments.contains_key(moment)
    }

    /// Returns `true` if the call was played in this moment.
    fn has_cell(&self, moment: &str, call: &str) -> bool {
        self.moments.get(moment).and_then(|calls| calls.get(call)).is_some_and(|cell| *cell != UNPLAYED)
    }

    /// Returns the harm of a call in words, or `None` if the call does no harm in any Envoy.
    fn harm(&self, moment: &str, call: &str) -> Option<String> {
        self.harm_of_pair(moment, call, call)
    }

    /// Returns the harm of two calls, by the row for both. Where that was not played, the second
    /// call counts.
    fn harm_of_pair(&self, moment: &str, pair: &str, second: &str) -> Option<String> {
        let calls = self.moments.get(moment)?;
        // One word stands for all versions.
        let words = |call| calls.get(call).into_iter().flat_map(|cell| cell.split('|').cycle());
        let of_pair = words(pair).zip(words(second)).map(|(word, second)| if word == UNPLAYED { second } else { word });
        let harms = self.versions.iter().zip(of_pair).filter(|(_, word)| HARMS.contains(word));
        let harms: Vec<_> = harms.map(|(version, word)| format!("Envoy {version} {word}")).collect();
        (!harms.is_empty()).then(|| harms.join(", "))
    }
}

/// A callback that has returned.
#[derive(Clone, Copy)]
pub(crate) struct Returned<'a> {
    callback: &'a str,
    context: u32,
    /// True if the context is that of the stream that is judged.
    is_own: bool,
    /// True if the context is a plugin's, which acts on an entry of the access log as on a stream.
    of_plugin: bool,
    status: u32,
    /// True if nothing of the message follows.
    is_last: bool,
}

/// The relation of a callback to a stream.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    /// The callback is for a part of the stream's own messages.
    Own(Way),
    /// The stream has ended.
    Ended,
    /// The callback is a plugin's or another stream's, or delivers a response, and comes at any
    /// time. To a stream all of these are alike.
    Between,
    /// The stream begins, or has a callback that the table does not know.
    Else,
}

/// The callbacks that come at any time.
const BETWEEN: [&str; 7] = [
    "tick",
    "http_call_response",
    "queue_ready",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
];

impl<'a> Returned<'a> {
    pub(crate) fn new(callback: &'a str, arguments: &[u32], status: u32) -> Self {
        let callback = callback.strip_prefix("proxy_on_").unwrap_or(callback);
        let is_last = (callback.ends_with("_headers") || callback.ends_with("_body")) && arguments.get(2) == Some(&1);
        let context = arguments.first().copied().unwrap_or_default();
        Self { callback, context, is_own: true, of_plugin: false, status, is_last }
    }

    fn place(&self) -> Place {
        if !self.is_own {
            return Place::Between;
        }
        match self.callback {
            "request_headers" | "request_body" | "request_metadata" | "request_trailers" => Place::Own(Way::Request),
            "response_headers" | "response_body" | "response_metadata" | "response_trailers" => {
                Place::Own(Way::Response)
            }
            "log" | "done" | "delete" => Place::Ended,
            _ => Place::Else,
        }
    }

    /// Returns the part of a direction that the filter holds, now that the callback has returned.
    fn held(&self, stream: &Stream, way: Way) -> Option<Part> {
        let flow = stream.flow(way);
        // The status of a callback for metadata decides nothing.
        if self.place() != Place::Own(way) || self.callback.ends_with("_metadata") {
            return flow.stopped;
        }
        let is_headers = self.callback.ends_with("_headers");
        if self.status == 0 || is_headers && self.status == 2 {
            return None;
        }
        Some(match flow.stopped {
            _ if !flow.gone => Part::Headers,
            Some(Part::Body) => Part::Body,
            _ if self.callback.ends_with("_body") => Part::Body,
            _ => Part::Trailers,
        })
    }

    /// Returns the parts that the stream holds by the table's names, the closest first. Returns
    /// nothing if the table does not know such a stream.
    fn holds(&self, stream: &Stream, act: Act) -> Vec<&'static str> {
        if self.of_plugin {
            return vec!["an entry of an access log"];
        }
        let was_answered = stream.replies > 0;
        let of_response = self.held(stream, Way::Response);
        let mut holds = Vec::new();
        match self.place() {
            Place::Own(Way::Response) if was_answered && of_response.is_none() => {
                holds.push("a reply of an earlier callback");
            }
            Place::Ended if was_answered => holds.push("a reply"),
            Place::Between if was_answered && of_response.is_some() => holds.push("a reply that is held"),
            Place::Between if was_answered => return holds,
            _ => {}
        }
        // The direction of the call says more than the other direction.
        let [first, second] = match act.way() {
            Some(Way::Request) => [Way::Request, Way::Response],
            _ => [Way::Response, Way::Request],
        };
        for way in [first, second] {
            if let Some(part) = self.held(stream, way) {
                holds.extend(part.names(way));
            }
        }
        holds.push(match self.place() {
            Place::Between => match (stream.flow(Way::Request), stream.flow(Way::Response)) {
                (_, response) if response.begun && !response.ended => "nothing (the response on its way)",
                (request, response) if request.ended && !response.begun => "nothing",
                (request, response) if request.gone && !response.begun => "nothing (the request on its way)",
                _ => return holds,
            },
            _ => "nothing",
        });
        holds
    }

    /// The first moment of the table that is like this one, and what the stream holds in it.
    fn moment(&self, stream: &Stream, holds: &[&'static str]) -> Option<(String, &'static str)> {
        let others: &[&str] = if self.place() == Place::Between { &BETWEEN } else { &[] };
        let own = Some(self.callback).filter(|_| self.is_own || others.contains(&self.callback));
        let callbacks = own.into_iter().chain(others.iter().copied());
        let last = if self.callback.ends_with("_headers") { "no body" } else { "the last part" };
        let request = &stream.came[Way::Request as usize];
        let kind = match (request.get(b":method"), request.get(b"upgrade")) {
            (Some(b"CONNECT"), _) => Some("CONNECT"),
            (_, Some(_)) => Some("an upgrade"),
            _ => Some(last).filter(|_| self.is_last),
        };
        for held in holds {
            for callback in callbacks.clone() {
                let whole = format!("{callback} / {held}");
                let of_kind = kind.map(|kind| format!("{whole} ({kind})"));
                if let Some(moment) = of_kind.into_iter().chain([whole]).find(|moment| TABLE.has(moment)) {
                    return Some((moment, held));
                }
            }
        }
        None
    }

    /// Returns the harm of a call that followed others of the same callback. The outer `None` means
    /// that the table does not know the call.
    fn verdict(&self, stream: &Stream, before: &[Act], act: Act) -> Option<Option<String>> {
        let pair = before.last().and_then(|before| act.name_after(*before));
        if let Some(pair) = pair.filter(|_| before.len() == 1) {
            // A pair is a row of what the stream held before both, unless each call is judged by
            // itself.
            let (moment, held) = self.moment(stream, &self.holds(stream, act))?;
            if TABLE.has_cell(&moment, pair) {
                return Some(self.told(&moment, held, pair, &act.name()));
            }
        }
        let is_answered = before.contains(&Act::Reply);
        let holds = if is_answered { vec!["a reply"] } else { self.holds(stream, act) };
        let (moment, held) = self.moment(stream, &holds)?;
        let pair = pair.filter(|pair| before.len() > 1 && TABLE.has_cell(&moment, pair));
        let single = act.name();
        Some(self.told(&moment, held, pair.unwrap_or(&single), &single))
    }

    /// Says what a call harms, by the row for it and the one before it if there is one.
    fn told(&self, moment: &str, held: &str, call: &str, single: &str) -> Option<String> {
        let harm = TABLE.harm_of_pair(moment, call, single)?;
        Some(format!("`{call}` in `on_{}`, when the stream holds {held}: {harm}", self.callback))
    }
}

/// The row of a gRPC stream that fails at once behind a call that did.
const BEHIND_FAILURE: &str = "http_call and grpc_stream without a host";

/// Says what a gRPC stream harms that fails at once behind a call that did, in the callback that
/// the proxy entered the VM with. What a stream holds makes no difference.
pub(crate) fn stream_behind_failure(callback: &str) -> Option<String> {
    let callback = callback.strip_prefix("proxy_on_").unwrap_or(callback);
    let is_of_callback = |moment: &&&str| moment.split_once(" / ").is_some_and(|(of, _)| of == callback);
    let harm = TABLE.moments.keys().filter(is_of_callback).find_map(|moment| TABLE.harm(moment, BEHIND_FAILURE))?;
    Some(format!("`{BEHIND_FAILURE}` in `on_{callback}`: {harm}"))
}

/// Looks up what a callback called, and notes the first call that harms. Gives the calls of which
/// the table knows.
pub(crate) fn judge(state: &mut State, returned: &Returned<'_>, acts: &[(u32, Act)]) {
    let mut before: BTreeMap<u32, Vec<Act>> = BTreeMap::new();
    let own = returned.context;
    for (context, act) in acts {
        // To another stream any callback is like a plugin's.
        let (is_own, of_plugin) = (*context == own, state.plugins.contains_key(context));
        let returned = Returned { is_own, of_plugin, ..*returned };
        let before = before.entry(*context).or_default();
        let verdict = state.streams.get(context).and_then(|stream| returned.verdict(stream, before, *act));
        if !matches!(act, Act::Trailers(_)) {
            before.push(*act);
        }
        let Some(harm) = verdict else { continue };
        state.judged.push((*context, *act));
        if let Some(why) = harm {
            state.harm(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use sluicegate::abi::Import;

    use super::*;

    /// Each call that does harm needs an [`Act`].
    #[test]
    fn every_call_that_harms_is_judged() {
        let ways = [Way::Request, Way::Response];
        let of_maps = [
            Import::proxy_get_header_map_pairs,
            Import::proxy_get_header_map_value,
            Import::proxy_get_header_map_size,
            Import::proxy_set_header_map_pairs,
            Import::proxy_add_header_map_value,
            Import::proxy_replace_header_map_value,
            Import::proxy_remove_header_map_value,
        ];
        let acts = ways.into_iter().flat_map(|way| [Act::Resume(way), Act::Close(way)]).chain([Act::Reply]);
        let acts: Vec<_> = acts.chain(of_maps.map(Act::Trailers)).collect();
        let pairs = acts.iter().flat_map(|act| acts.iter().filter_map(|before| act.name_after(*before)));
        let judged = acts.iter().map(|act| act.name()).chain(pairs.map(str::to_owned));
        let judged: Vec<_> = judged.chain([BEHIND_FAILURE.to_owned()]).collect();
        assert!(TABLE.moments.len() > 90);
        for (moment, calls) in &TABLE.moments {
            for (call, cell) in calls {
                let harms = TABLE.harm(moment, call).is_some();
                assert!(!harms || judged.iter().any(|judged| judged == call), "{moment} / {call}: {cell}");
            }
        }
        for call in judged {
            assert!(TABLE.moments.values().all(|calls| calls.contains_key(&*call)), "the table has no row {call}");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        let moment = HashMap::from([("a", "lost|dies"), ("b", "dies"), ("c", "works|refused")]);
        let table = Table { versions: vec!["1", "2"], moments: HashMap::from([("m", moment)]) };
        let harm = |call| table.harm("m", call);
        assert_eq!(harm("a").as_deref(), Some("Envoy 2 dies"));
        assert_eq!(harm("b").as_deref(), Some("Envoy 1 dies, Envoy 2 dies"));
        assert_eq!([harm("c"), harm("d")], [None, None]);
        let moment = HashMap::from([("pair", "works|-"), ("second", "dies")]);
        let table = Table { versions: vec!["1", "2"], moments: HashMap::from([("m", moment)]) };
        assert_eq!(table.harm_of_pair("m", "pair", "second").as_deref(), Some("Envoy 2 dies"));
    }
}
