//! The committed table of phases: what the documentation shows is made of it, and a sample of it is
//! what an Envoy does.

use anyhow::{Context as _, Result, ensure};
use sluicegate_loadtest::Envoy;
use sluicegate_phases::call::Effect;
use sluicegate_phases::run::{self, Job};
use sluicegate_phases::table::{self, Table};
use sluicegate_phases::{CALLS, MOMENTS, judge};

/// Cells of every outcome.
const SAMPLE: &[(&str, &str)] = &[
    ("request_headers / nothing", "continue_stream request"),
    ("request_headers / nothing", "continue_stream response"),
    ("request_headers / request headers", "continue_stream request"),
    ("request_headers / nothing", "send_local_response"),
    ("response_headers / nothing", "continue_stream request"),
    ("response_body / nothing", "send_local_response"),
    ("response_headers / a reply", "send_local_response"),
    ("response_trailers / nothing", "close_stream request"),
    ("log / nothing", "send_local_response"),
    ("log / nothing", "add_header_map_value response headers"),
    ("request_headers / a reply (no body)", "close_stream request"),
    ("request_body / request body (the last part)", "add_header_map_value request trailers"),
    ("request_body / request body (the last part)", "get_header_map_pairs request trailers"),
    ("tick / nothing (the response on its way)", "continue_stream request"),
    ("http_call_response / nothing", "continue_stream request"),
    ("request_headers / nothing", "http_call and grpc_stream without a host"),
    ("request_metadata / a reply", "close_stream request"),
    ("response_metadata / response headers", "send_local_response"),
    ("request_headers / request headers (CONNECT)", "continue_stream request"),
    ("request_body / request body (an upgrade)", "continue_stream request"),
    ("log / an entry of an access log", "get_header_map_pairs response headers"),
];

#[test]
fn the_table_holds_every_cell() -> Result<()> {
    let text = std::fs::read_to_string(table::file())?;
    let table = Table::parse(&text)?;
    assert_eq!(table.to_text(), text);
    for moment in MOMENTS {
        for call in CALLS {
            let outcomes = table.outcomes(&moment.name(), call.name);
            // Of a pair of calls there may be nothing to say.
            let wanted = table.versions.iter().map(|version| table.says_more(version, moment, call));
            let played = (0..table.versions.len()).map(|at| outcomes.get(at).is_some_and(Option::is_some));
            assert!(played.eq(wanted), "{} / {}: {outcomes:?}", moment.name(), call.name);
        }
    }
    Ok(())
}

#[test]
fn the_documentation_shows_the_table() -> Result<()> {
    let page = std::fs::read_to_string(table::page())?;
    let wanted = table::placed(&page, &Table::read()?.to_markdown())?;
    assert!(page == wanted, "docs/flow.md shows another table: `cargo matrix --render` writes it");
    Ok(())
}

#[test]
fn a_sample_is_what_envoy_does() -> Result<()> {
    let table = Table::read()?;
    let envoy = Envoy::provision()?;
    let version =
        table.versions.iter().position(|version| *version == envoy.version).unwrap_or(table.versions.len() - 1);
    let module = run::build()?;
    let mut jobs = Vec::new();
    let mut cells = Vec::new();
    for (moment, call) in SAMPLE {
        let moment = MOMENTS.iter().find(|each| each.name() == *moment).context("no such moment")?;
        let call = CALLS.iter().find(|each| each.name == *call).context("no such call")?;
        for steps in ["", call.steps] {
            let (steps, releases) = (steps.to_owned(), !call.resumes());
            let is_risky = !steps.is_empty() && call.effect == Effect::Serves;
            jobs.push(Job { moment, steps, releases, marks: Vec::new(), probes: is_risky, alone: is_risky });
        }
        cells.push((moment, call));
    }
    let played = run::play(&envoy, &module, &jobs, |_| {})?;
    for ((moment, call), pair) in cells.into_iter().zip(played.chunks(2)) {
        let (outcome, why) = judge::judge(call, &pair[0], &pair[1], true).context("not reached")?;
        let wanted = table.outcomes(&moment.name(), call.name)[version];
        ensure!(
            wanted == Some(outcome),
            "{} / {}: {outcome} ({why}), and the table says {wanted:?}",
            moment.name(),
            call.name
        );
    }
    Ok(())
}
