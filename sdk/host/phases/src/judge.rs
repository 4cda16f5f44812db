//! The outcome of a cell: what the peers received, beside what they receive without the call.

use std::fmt;
use std::str::FromStr;

use crate::call::{Call, Effect};
use crate::run::Observed;
use crate::wire::{self, Messages};

/// The outcome of a host call.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// The effect is seen at the client, at the upstream, at the service, in the log or in what the
    /// call returns.
    Works,
    /// The host returns a status other than OK.
    Refused,
    /// The host returns OK, and nothing comes of it.
    Lost,
    /// The stream ends without the call, and does not end with it.
    Hangs,
    /// The request is sent twice, the client gets two heads, or the filter's stream is completed
    /// twice.
    Doubles,
    /// The client or the upstream receives bytes that are no valid HTTP, or another body than it
    /// should.
    Corrupts,
    /// Envoy ends, or does not serve the next client.
    Dies,
}

impl Outcome {
    /// All of them, the best first.
    pub const ALL: [Self; 7] =
        [Self::Works, Self::Refused, Self::Lost, Self::Hangs, Self::Doubles, Self::Corrupts, Self::Dies];

    /// Returns whether a filter must not make the call.
    #[must_use]
    pub fn harms(self) -> bool {
        self >= Self::Hangs
    }

    /// Returns the word for the outcome.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Hangs => "hangs",
            Self::Doubles => "doubles",
            Self::Corrupts => "corrupts",
            Self::Dies => "dies",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.word() == word);
        found.ok_or_else(|| format!("no outcome is called {word:?}"))
    }
}

/// Returns the text of a call's own line in the log, or `None` if the call was not reached.
#[must_use]
pub fn result<'a>(observed: &'a Observed, call: &Call) -> Option<&'a str> {
    let last = call.step();
    observed.lines.iter().find_map(|line| {
        let (step, result) = line.strip_prefix("  ")?.split_once(" -> ")?;
        // Names differ from place to place.
        let (said, wanted): (Vec<_>, Vec<_>) = (step.split(' ').collect(), last.split(' ').collect());
        let same = said.len() == wanted.len()
            && said.iter().zip(&wanted).all(|(said, wanted)| said == wanted || NAMED.contains(wanted));
        same.then_some(result)
    })
}

/// The placeholders for names in a call's steps.
const NAMED: &[&str] = &["CELL", "SERVICE", "GRPC"];

/// Returns the outcome of a call, and its reason in words. Returns `None` if the call was not
/// reached.
#[must_use]
pub fn judge(call: &Call, without: &Observed, with: &Observed, http: bool) -> Option<(Outcome, String)> {
    if with.died {
        return Some((Outcome::Dies, "Envoy ended".to_owned()));
    }
    if !with.serves {
        return Some((Outcome::Dies, "the next client is not served".to_owned()));
    }
    let result = result(with, call)?;
    let status = result.split(' ').next().unwrap_or_default();
    let refused = (status != "0").then(|| (Outcome::Refused, format!("status {status}")));
    if call.effect == Effect::Serves {
        // The traffic ended with the call.
        return Some(refused.unwrap_or((Outcome::Works, String::new())));
    }
    if http && is_completed_twice(with) {
        return Some((Outcome::Doubles, "the stream is completed twice".to_owned()));
    }
    if http && let Some(harm) = harm(call, without, with) {
        return Some(harm);
    }
    if refused.is_some() {
        return refused;
    }
    let works = seen(call.effect, without, with, result);
    Some(if works { (Outcome::Works, String::new()) } else { (Outcome::Lost, String::new()) })
}

/// Returns whether the filter's stream was logged twice, or had a callback after its last one.
fn is_completed_twice(observed: &Observed) -> bool {
    let mut of_stream = observed.lines.iter().filter(|line| line.starts_with("2 "));
    let logged = of_stream.clone().filter(|line| line.starts_with("2 log ")).count();
    logged > 1 || of_stream.any(|line| line.starts_with("2 delete ")) && of_stream.next().is_some()
}

/// Returns whether a call had its effect.
fn seen(effect: Effect, without: &Observed, with: &Observed, result: &str) -> bool {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let upstream = |observed: &Observed| observed.received.upstream.iter().map(|bytes| text(bytes)).collect::<String>();
    let (client, service) = (text(&with.received.client), text(&with.received.service));
    match effect {
        Effect::Returns(wanted) => result.strip_prefix('0').is_some_and(|rest| rest.contains(wanted)),
        Effect::Logs(wanted) => with.lines.iter().any(|line| line.contains(wanted)),
        Effect::Upstream(wanted) => upstream(with).contains(wanted),
        Effect::NotUpstream(gone) => {
            upstream(without).contains(gone) && !upstream(with).is_empty() && !upstream(with).contains(gone)
        }
        Effect::Client(wanted) => client.contains(wanted),
        Effect::NotClient(gone) => {
            text(&without.received.client).contains(gone) && !client.is_empty() && !client.contains(gone)
        }
        Effect::Service(wanted) => service.contains(wanted),
        Effect::GoesOn => sum(with) > sum(without),
        Effect::Ends => sum(with) < sum(without) || with.received.client_ended && !without.received.client_ended,
        Effect::Status | Effect::Serves => true,
    }
}

/// Returns the number of bytes that went on to a peer.
fn sum(observed: &Observed) -> usize {
    observed.received.client.len() + observed.received.upstream.iter().map(Vec::len).sum::<usize>()
}

/// Returns the fault in the bytes that the peers of an HTTP stream received.
fn harm(call: &Call, without: &Observed, with: &Observed) -> Option<(Outcome, String)> {
    let client = wire::read(&with.received.client, with.received.client_ended);
    let client_without = wire::read(&without.received.client, without.received.client_ended);
    let upstream: Vec<Messages> = with.received.upstream.iter().map(|bytes| wire::read(bytes, false)).collect();
    let upstream_without: Vec<Messages> =
        without.received.upstream.iter().map(|bytes| wire::read(bytes, false)).collect();
    let requests: usize = upstream.iter().map(|messages| messages.heads.len()).sum();
    if requests > 1 || upstream.len() > 1 {
        return Some((Outcome::Doubles, format!("{requests} requests over {} connections", upstream.len())));
    }
    if client.heads.len() > 1 || client.invalid.as_ref().is_some_and(|wrong| wrong.contains("HTTP/1.1 ")) {
        return Some((Outcome::Doubles, format!("{} response heads", client.heads.len())));
    }
    for messages in upstream.iter().chain([&client]) {
        if let Some(wrong) = &messages.invalid {
            return Some((Outcome::Corrupts, wrong.clone()));
        }
    }
    let edits_body = call.steps.starts_with("write ");
    let body = |messages: Option<&Messages>| {
        let body = messages.and_then(|messages| messages.bodies.first());
        body.map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default()
    };
    // The data in a tunnel may be cut short, or be more, but never differ.
    let is_other = |messages: &Messages, body: &str, wanted: &str| {
        body != wanted && !(messages.tunnel && (wanted.starts_with(body) || body.starts_with(wanted)))
    };
    let same_head = |a: &Messages, b: &Messages| {
        a.heads.first().and_then(|head| head.lines().next()) == b.heads.first().and_then(|head| head.lines().next())
    };
    if client.complete && client_without.complete && same_head(&client, &client_without) {
        let (mut body, wanted) = (body(Some(&client)), body(Some(&client_without)));
        if edits_body {
            body = body.replace("cell", "");
        }
        if is_other(&client, &body, &wanted) {
            return Some((Outcome::Corrupts, format!("the client got {body:?} for {wanted:?}")));
        }
    }
    if let (Some(first), Some(first_without)) = (upstream.first(), upstream_without.first())
        && first.complete
        && first_without.complete
    {
        let (mut body, wanted) = (body(Some(first)), body(Some(first_without)));
        if edits_body {
            body = body.replace("cell", "");
        }
        if is_other(first, &body, &wanted) {
            return Some((Outcome::Corrupts, format!("the upstream got {body:?} for {wanted:?}")));
        }
    }
    // A client that still sends its request may wait a second for the connection's end: the
    // response counts.
    (!client.complete && client_without.complete && !with.received.client_ended).then(|| {
        (Outcome::Hangs, format!("the client got {:?} and no end", String::from_utf8_lossy(&with.received.client)))
    })
}
