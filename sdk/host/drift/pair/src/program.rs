//! Programs: `number|callback:step;step|callback:step`, where a step is an operation and its words
//! with `~` between them.
//!
//! | callback | runs when |
//! |---|---|
//! | `q1`, `h1` | headers of the request, of the response are here |
//! | `b1`, `b2` …, `c1` … | a part of the request's, of the response's body is here: the first, the second … |
//! | `u1`, `t1` | trailers of the request, of the response are here |
//! | `a1`, `a2` … | the call of this number is answered |
//! | `k1`, `k2` … | the plugin ticks for the first, the second time |

use crate::stream::Stream;

/// The header that holds the program.
pub(crate) const HEADER: &str = "x-program";

/// The header of a request that lets the next tick run the programs of all streams.
pub(crate) const TICK: &str = "x-tick";

/// The cluster that programs call.
pub(crate) const SERVICE: &str = "service";

/// Values that are times, and those that are known and long.
const UNTOLD: [&str; 3] = [HEADER, "date", "x-envoy-upstream-service-time"];

/// A map of names and values that a step reads or edits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Map {
    /// The one that the callback is about.
    #[default]
    Own,
    /// The headers of a direction that is held.
    Headers(usize),
    /// The trailers of a direction that is held.
    Trailers(usize),
    /// The trailers of the answer that the callback is about.
    AnswerTrailers,
}

/// The result of a call.
#[derive(Debug)]
pub(crate) enum Called<T> {
    Refused,
    /// The answer comes to the callback for answers, with this token.
    Sent(T),
    /// The answer comes to a closure, which knows the call.
    #[allow(dead_code, reason = "only this SDK has closures")]
    Kept,
}

/// The operations that an SDK gives a callback.
pub(crate) trait Operations {
    /// The SDK's number of a call.
    type Token: PartialEq;

    fn add(&mut self, map: Map, name: &str, value: &str);
    fn replace(&mut self, map: Map, name: &str, value: &str);
    fn remove(&mut self, map: Map, name: &str);
    fn get(&mut self, map: Map, name: &str) -> Option<Vec<u8>>;
    /// Returns all names and values.
    fn pairs(&mut self, map: Map) -> Vec<(Vec<u8>, Vec<u8>)>;
    fn property(&mut self, path: &[&str]) -> Option<Vec<u8>>;
    fn set_property(&mut self, name: &str, value: &str);
    /// Returns what there is of the callback's body, from `start` on.
    fn body(&mut self, start: usize, size: usize) -> Vec<u8>;
    fn append(&mut self, text: &str);
    fn prepend(&mut self, text: &str);
    fn replace_body(&mut self, text: &str);
    fn replace_start(&mut self, size: usize, text: &str);
    fn reply(&mut self, status: u32, body: &str);
    /// Calls the service, and holds the callback's direction until the answer is judged.
    fn call(&mut self, number: u32, holds: bool) -> Called<Self::Token>;
    /// Lets go what callbacks pause. The proxy is told `now` if it holds the direction and nobody
    /// else does.
    fn resume(&mut self, way: usize, now: bool);
}

/// The result of a callback's steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) replied: bool,
    pub(crate) pauses: bool,
    pub(crate) holds: bool,
    /// `true` if the direction goes on by a resume, because a status would lose bytes.
    #[allow(dead_code, reason = "this SDK finds that by itself")]
    pub(crate) resumes: bool,
}

/// Runs a callback's steps, and notes in the trace what they read.
pub(crate) fn run<O: Operations>(stream: &mut Stream<O::Token>, key: &str, operations: &mut O) -> Ran {
    let mut ran = Ran::default();
    let mut map = Map::Own;
    let program = stream.program();
    let steps = program.split('|').find_map(|part| part.strip_prefix(key)?.strip_prefix(':'));
    for step in steps.unwrap_or_default().split(';').filter(|step| !step.is_empty()) {
        let mut words = step.split('~');
        let mut word = || words.next().unwrap_or_default();
        match word() {
            "in" => map = stream.map(word()),
            "add" if stream.takes_edits(map) => operations.add(map, word(), word()),
            "replace" if stream.takes_edits(map) => operations.replace(map, word(), word()),
            "remove" if stream.takes_edits(map) => operations.remove(map, word()),
            "get" if stream.shows(map) => stream.note(operations.get(map, word()).as_deref()),
            "pairs" if stream.shows(map) => {
                for (name, value) in operations.pairs(map) {
                    stream.note(Some(&name));
                    if !UNTOLD.iter().any(|untold| untold.as_bytes() == name) {
                        stream.note(Some(&value));
                    }
                }
            }
            "property" => {
                let path: Vec<_> = word().split('.').collect();
                stream.note(operations.property(&path).as_deref());
            }
            "set-property" => operations.set_property(word(), word()),
            "body" if stream.shows(Map::Own) => stream.note(Some(&operations.body(0, usize::MAX >> 1))),
            "part" if stream.shows(Map::Own) => stream.note(Some(&operations.body(number(word()), number(word())))),
            "append" => operations.append(word()),
            "prepend" => operations.prepend(word()),
            "replace-body" => operations.replace_body(word()),
            "replace-start" => operations.replace_start(number(word()), word()),
            "reply" if stream.may_reply() => {
                operations.reply(word().parse().unwrap_or(500), word());
                stream.replied();
                ran.replied = true;
            }
            "call" => drop(stream.call(number(word()), false, operations)),
            "hold" => ran.holds |= stream.call(number(word()), true, operations),
            "resume" => stream.resume(if word() == "request" { 0 } else { 1 }, operations),
            "pause" => ran.pauses = true,
            _ => {}
        }
    }
    ran
}

fn number<N: std::str::FromStr + Default>(word: &str) -> N {
    word.parse().unwrap_or_default()
}
