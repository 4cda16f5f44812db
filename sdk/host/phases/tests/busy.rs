//! Plays cells while Envoy gets hardly any time, as on a busy machine: no outcome changes.

use std::fs;
use std::process::{self, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sluicegate_envoy::Envoy;
use sluicegate_phases::run::{self, Envoys, Job};
use sluicegate_phases::table::Table;
use sluicegate_phases::{CALLS, MOMENTS, call, judge};

/// Cells of which each needs its traffic in order: parts of messages, ticks, answers, metadata.
const CELLS: &[(&str, &str)] = &[
    ("request_body / nothing", "close_stream request"),
    ("request_headers / request headers", "continue_stream request"),
    ("request_body / request body", "get_buffer_bytes request body"),
    ("request_body / request body (the last part)", "add_header_map_value request trailers"),
    ("response_body / response headers", "set_buffer_bytes response body"),
    ("request_metadata / a reply", "close_stream request"),
    ("http_call_response / nothing", "continue_stream request"),
    ("grpc_receive / request headers", "send_local_response"),
    ("tick / request body", "continue_stream request twice"),
];

/// The children of this process that are Envoys and serve.
fn envoys() -> Vec<u32> {
    let read = |file: String| fs::read_to_string(file).unwrap_or_default();
    let is_ours = |pid: &u32| {
        let stat = read(format!("/proc/{pid}/stat"));
        let parent = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
        parent == Some(process::id())
    };
    let serves = |pid: &u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks.into_iter().any(|task| read(format!("{}/comm", task.path().display())).starts_with("wrk:"))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(is_ours).filter(serves).collect()
}

/// Stops these processes for longer than any cell takes by itself, and lets them go on for a
/// moment.
fn stop_for_a_while(pids: &[u32]) {
    let signal = |name: &str| {
        for pid in pids {
            // The shell has the command in itself.
            let _ = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).output();
        }
    };
    signal("STOP");
    sleep(Duration::from_millis(120));
    signal("CONT");
    sleep(Duration::from_millis(1));
}

#[test]
fn a_busy_machine_changes_no_outcome() -> Result<()> {
    let table = Table::read()?;
    let envoy = Envoy::provision()?;
    let module = run::build()?;
    let mut cells = Vec::new();
    for (moment, call) in CELLS {
        let moment = MOMENTS.iter().find(|each| each.name() == *moment).context("no such moment")?;
        cells.push((moment, CALLS.iter().find(|each| each.name == *call).context("no such call")?));
    }
    let jobs: Vec<Job> = cells
        .iter()
        .flat_map(|(moment, call)| {
            let job = |steps: &str| {
                let (steps, releases) = (steps.to_owned(), !call.resumes());
                Job { moment, steps, releases, probes: false, alone: false }
            };
            [job(call::NOTHING.steps), job(call.steps)]
        })
        .collect();
    let over = AtomicBool::new(false);
    let (played, stops) = scope(|scope| {
        let stopper = scope.spawn(|| {
            let mut stops = 0;
            while !over.load(Ordering::Relaxed) {
                let pids = envoys();
                stop_for_a_while(&pids);
                stops += pids.len();
            }
            stops
        });
        let played = Envoys { envoy: &envoy, module: &module, at_a_time: 1 }.play(&jobs, |_| {});
        over.store(true, Ordering::Relaxed);
        (played, stopper.join().expect("the stopper does not panic"))
    });
    assert!(stops > 10, "Envoy was stopped {stops} times");
    let version = table.versions.iter().find(|version| **version == envoy.version).or(table.versions.last());
    let version = version.context("a table of no version")?;
    for ((moment, call), pair) in cells.into_iter().zip(played?.chunks(2)) {
        let outcome = judge::judge(call, &pair[0], &pair[1], true);
        let wanted = table.outcome_in(version, &moment.name(), call.name);
        assert_eq!(
            outcome.as_ref().map(|(outcome, _)| *outcome),
            wanted,
            "{} / {}: {outcome:?}",
            moment.name(),
            call.name
        );
    }
    Ok(())
}
