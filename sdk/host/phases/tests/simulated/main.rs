//! The table of phases without an Envoy: the simulated host fails a test on the cells that harm and
//! on no others, and the SDK makes no call that harms.

mod filter;
mod raw;
mod script;
mod traffic;

use anyhow::Result;
use sluicegate::abi::Import;
use sluicegate_host::{Host, RunningHost};
use sluicegate_phases::moment::Kind;
use sluicegate_phases::table::Table;
use sluicegate_phases::{CALLS, Call, MOMENTS, Moment, Outcome};

/// The parts of the names of calls that do harm somewhere: they end a stream or let it go on, or
/// use the request's trailers, which Envoy makes for them.
const ACTS: [&str; 5] =
    ["continue_stream", "close_stream", "send_local_response", "request trailers", "without a host"];

/// Cells that harm and that the SDK does not refuse: how the names of the moment and of the call
/// begin, and why nothing is harmed all the same.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("context_create / nothing", "", "a filter is made without a handle: no call can be written there"),
    ("vm_start / the plugin", "", "the handle of a VM has no calls"),
    (
        "request_body / request body (the last part)",
        "get_header_map_size",
        "only the callback for the trailers can ask for their size",
    ),
    (
        "request_body / request body (the last part)",
        "set_header_map_pairs",
        "only the callback for the trailers can replace all of them",
    ),
    (
        "response_trailers / nothing",
        "close_stream",
        "the SDK stops the trailers of a stream that is reset: the stream holds them, and the cell is another one",
    ),
];

/// The calls of the table that are made of these.
fn acts() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(|call| ACTS.iter().any(|act| call.name.contains(act)))
}

fn start(host: Host, moment: &Moment) -> RunningHost {
    let host = host.clusters(["service", "grpc", "nobody"]).cluster_without_hosts("nobody");
    if moment.setting.shows_body() { host.allow_on_headers_stop_iteration().start() } else { host.start() }
}

/// Returns the result of a cell that was played and does harm.
fn harmful(table: &Table, moment: &Moment, call: &Call) -> Option<Outcome> {
    table.worst(&moment.name(), call.name).filter(|outcome| outcome.harms())
}

/// Returns whether the second of two calls does no harm by itself.
fn is_right_alone(table: &Table, moment: &Moment, pair: &Call) -> bool {
    pair.second().is_some_and(|second| harmful(table, moment, second).is_none())
}

#[test]
fn only_calls_that_are_tried_here_harm() -> Result<()> {
    let table = Table::read()?;
    for ((moment, call), outcomes) in &table.cells {
        let tried = acts().any(|act| act.name == call);
        assert!(tried || outcomes.iter().flatten().all(|outcome| !outcome.harms()), "{moment} / {call}");
    }
    Ok(())
}

#[test]
fn the_simulated_host_finds_the_cells_that_harm() -> Result<()> {
    let table = Table::read()?;
    let (mut wrong, mut found) = (Vec::new(), 0);
    for moment in MOMENTS {
        for call in acts() {
            script::begin(&moment.script_with(call.steps, !call.resumes()), call.steps);
            let host = start(Host::new(&raw::EXPORTS), moment);
            traffic::play(&host, moment);
            let cell = format!("{} / {}", moment.name(), call.name);
            let harm = host.harm();
            if !script::was_reached() {
                wrong.push(format!("{cell}: not reached"));
            } else if harm.is_some() != table.harms(moment, call) {
                wrong.push(format!(
                    "{cell}: {:?}, and the simulated host finds {harm:?}",
                    table.outcomes(&moment.name(), call.name)
                ));
            } else if let Some(harm) = harm {
                found += 1;
                // The message says what the table says, of a pair of calls or of the first of them.
                let harms = [Some(call), call.first()].into_iter().flatten();
                let mut harms = harms.filter_map(|call| harmful(&table, moment, call)).peekable();
                let is_told = harms.peek().is_none() || harms.any(|harm_of| harm.contains(harm_of.word()));
                if !is_told || !harm.contains(&format!("`on_{}`", moment.callback)) {
                    wrong.push(format!("{cell}: {harm}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(found > 200, "{found} cells");
    Ok(())
}

#[test]
fn the_sdk_makes_no_call_that_harms() -> Result<()> {
    let table = Table::read()?;
    let (mut wrong, mut tried, mut allowed) = (Vec::new(), 0, vec![false; ALLOWED.len()]);
    for moment in MOMENTS {
        for call in acts().filter(|call| harmful(&table, moment, call).is_some()) {
            let cell = format!("{} / {}", moment.name(), call.name);
            let is_allowed = ALLOWED.iter().position(|(of_moment, of_call, _)| {
                moment.name().starts_with(of_moment) && call.name.starts_with(of_call) //
            });
            let plugin = if moment.kind == Kind::Tcp { &filter::connection::PLUGIN } else { &filter::PLUGIN };
            let play = |steps: &str| {
                script::begin(&moment.script_with(steps, !call.resumes()), steps);
                let host = start(Host::new(plugin), moment);
                traffic::play(&host, moment);
                (asked(&host), host.harm())
            };
            let (asked_without, _) = play("");
            let (asked, harm) = play(call.steps);
            let answers = script::answers();
            tried += 1;
            let Some((last, before)) = answers.split_last() else {
                match is_allowed {
                    Some(at) => allowed[at] = true,
                    None => wrong.push(format!("{cell}: not reached")),
                }
                continue;
            };
            // The calls before it may be right by themselves.
            let most = asked_without + before.iter().filter(|answer| answer.is_ok()).count();
            match (last, is_allowed) {
                _ if harm.is_some() => wrong.push(format!("{cell}: {harm:?}")),
                (Err(_), _) if asked > most => {
                    wrong.push(format!("{cell}: an error, and the host was asked {asked} times"));
                }
                (Err(why), _) if why.is_empty() => wrong.push(format!("{cell}: an error without a word")),
                (Err(_), _) => {}
                // The pair was not made, and the second call alone is right.
                (Ok(()), _) if asked < asked_without + 2 && is_right_alone(&table, moment, call) => {}
                (Ok(()), Some(at)) => allowed[at] = true,
                (Ok(()), None) => wrong.push(format!("{cell}: not refused")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 200, "{tried} cells");
    for (at, (moment, call, why)) in ALLOWED.iter().enumerate() {
        assert!(allowed[at], "{moment} / {call} is refused, so it is not so that {why}");
    }
    Ok(())
}

/// The number of calls to the host that do harm somewhere.
fn asked(host: &RunningHost) -> usize {
    let calls = [
        Import::proxy_continue_stream,
        Import::proxy_close_stream,
        Import::proxy_send_local_response,
        Import::proxy_add_header_map_value,
        Import::proxy_replace_header_map_value,
        Import::proxy_remove_header_map_value,
        Import::proxy_grpc_stream,
    ];
    calls.into_iter().map(|call| host.calls(call)).sum()
}
