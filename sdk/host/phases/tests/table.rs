//! The committed table of phases: what the documentation shows is made of it, and a sample of it is
//! what an Envoy does.

use anyhow::{Context as _, Result, ensure};
use sluicegate_envoy::Envoy;
use sluicegate_phases::play::Play;
use sluicegate_phases::run::{self, Envoys};
use sluicegate_phases::table::{self, Table};
use sluicegate_phases::{CALLS, Call, MOMENTS, Moment};

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
    let module = run::build()?;
    let is_wanted = |moment: &str, call: &str| SAMPLE.contains(&(moment, call));
    let calls = |moment: &Moment| CALLS.iter().filter(|call| is_wanted(&moment.name(), call.name)).collect();
    let wanted: Vec<(&Moment, Vec<&Call>)> = MOMENTS.iter().map(|moment| (moment, calls(moment))).collect();
    let wanted: Vec<_> = wanted.into_iter().filter(|(_, calls)| !calls.is_empty()).collect();
    let envoys = Envoys { envoy: &envoy, module: &module, at_a_time: 2 };
    let outcomes = Play::new(envoys, false).outcomes(&wanted, &table)?;
    assert_eq!(outcomes.len(), SAMPLE.len(), "each cell of the sample is one of the table's");
    let newest = table.versions.last().context("a table of no version")?;
    let version = if table.versions.contains(&envoy.version) { &envoy.version } else { newest };
    for ((moment, call), outcome) in outcomes {
        let wanted = table.outcome_in(version, &moment, &call);
        ensure!(wanted == outcome, "{moment} / {call}: {outcome:?}, and the table says {wanted:?}");
    }
    Ok(())
}
