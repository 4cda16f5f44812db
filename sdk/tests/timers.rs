//! Several timers over one tick.

use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::timer::Timer;
use sluicegate::{LogLevel, Status, abi::Import};
use sluicegate_host::{Fault, Host, RunningHost};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Default)]
struct Plugin {
    slow: Option<Timer>,
    runs: u32,
}

#[sluicegate::plugin_context(timers)]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.slow = Some(plugin.run_every("slow", ms(250), |plugin: &mut Self, _| {
            plugin.runs += 1;
            info!("slow {}", plugin.runs);
            Ok(())
        })?);
        plugin.run_every("fast", ms(100), |plugin: &mut Self, _| {
            plugin.runs += 1;
            info!("fast {}", plugin.runs);
            Err(Error::new("told to fail"))
        })?;
        plugin.run_after("once", ms(120), |_: &mut Self, plugin| {
            info!("once of {}", plugin.id());
            plugin.run_after("then", ms(30), |_: &mut Self, _| {
                info!("then");
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        info!("tick");
        Ok(())
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        match function {
            0 => {
                let stopped = self.slow.map(|slow| plugin.cancel_timer(slow)).transpose()?;
                info!("stopped {stopped:?}");
            }
            period => plugin.set_tick_period(ms(period.into()))?,
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin);

/// The lines that the timers logged, with the milliseconds that passed before each.
fn run(host: &RunningHost, ticks: usize) -> Vec<(u64, String)> {
    let mut passed = 0;
    let mut lines = Vec::new();
    for _ in 0..ticks {
        let Some(period) = host.tick_period() else { break };
        passed += u64::try_from(period.as_millis()).unwrap();
        host.clear_log();
        host.tick();
        lines
            .extend(host.log().into_iter().filter(|line| line.level == LogLevel::Info).map(|line| (passed, line.text)));
    }
    lines
}

fn texts(lines: &[(u64, String)]) -> Vec<(u64, &str)> {
    lines.iter().map(|(at, text)| (*at, &**text)).collect()
}

#[test]
fn timers_run_at_their_times_and_the_tick_is_the_next_ones() {
    let host = Host::new(&PLUGIN).start();
    assert_eq!(host.tick_period(), Some(ms(100)));
    let lines = run(&host, 7);
    assert_eq!(
        texts(&lines),
        [
            (100, "fast 1"),
            (120, "once of 1"),
            (150, "then"),
            (200, "fast 2"),
            (250, "slow 3"),
            (300, "fast 4"),
            (400, "fast 5"),
        ]
    );
    assert!(host.logged(LogLevel::Error, "fast (context 1): told to fail"), "and goes on");
}

#[test]
fn a_name_is_one_timer_and_a_stopped_one_is_silent() {
    let host = Host::new(&PLUGIN).start();
    assert!(host.start_plugin(), "configured anew");
    host.call_function(0, "");
    assert!(host.logged(LogLevel::Info, "stopped Some(true)"));
    let lines = run(&host, 5);
    assert_eq!(texts(&lines), [(100, "fast 1"), (120, "once of 1"), (150, "then"), (200, "fast 2"), (300, "fast 3")]);
    host.call_function(0, "");
    assert!(host.logged(LogLevel::Info, "stopped Some(false)"));
}

#[test]
fn on_tick_keeps_its_period_beside_the_timers() {
    let host = Host::new(&PLUGIN).start();
    host.call_function(40, "");
    assert_eq!(host.tick_period(), Some(ms(40)));
    let lines = run(&host, 4);
    assert_eq!(texts(&lines), [(40, "tick"), (80, "tick"), (100, "fast 1"), (120, "tick"), (120, "once of 1")]);
}

#[test]
fn a_tick_that_comes_late_runs_each_timer_once() {
    let host = Host::new(&PLUGIN).start();
    host.set_time(sluicegate::time::now().unwrap() + Duration::from_secs(10));
    let lines = run(&host, 2);
    assert_eq!(
        texts(&lines),
        [(100, "fast 1"), (100, "once of 1"), (100, "slow 2"), (130, "then")],
        "then on from there"
    );
}

#[test]
fn a_clock_that_goes_back_loses_no_timer() {
    let host = Host::new(&PLUGIN).start();
    let lines = run(&host, 1);
    assert_eq!(texts(&lines), [(100, "fast 1")]);
    host.set_time(Duration::from_secs(1));
    let lines = run(&host, 2);
    assert_eq!(texts(&lines), [(20, "once of 1"), (50, "then")]);

    host.fail(Import::proxy_get_current_time_nanoseconds, Status::Unimplemented);
    let lines = run(&host, 2);
    assert_eq!(texts(&lines), [(50, "fast 2"), (100, "slow 3")], "nor does one without a clock");
}

#[test]
fn a_host_that_does_not_tick_refuses_the_start() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_set_tick_period_milliseconds, Status::Unimplemented);
    assert!(!host.start_plugin() || host.tick_period().is_some());
    host.call_function(10, "");
    assert!(
        host.log().iter().any(|line| line.text.starts_with("on_foreign_function (context 1): proxy_set_tick_period"))
    );
}

/// The host calls of what a host does that ask for the time.
fn clocks(host: Host, does: impl Fn(&RunningHost)) -> Vec<usize> {
    let host = host.recording().start();
    does(&host);
    let calls = host.recorded();
    let clocks = calls.iter().enumerate().filter(|(_, call)| call.import == Import::proxy_get_current_time_nanoseconds);
    clocks.map(|(at, _)| at).collect()
}

/// Returns the number of runs of the fast timer in ticks in which the host returns this time, each
/// as long as the timers asked for.
fn run_at(host: &RunningHost, ticks: usize, time: u32) -> usize {
    host.clear_log();
    for _ in 0..ticks {
        host.record();
        host.fault(0, Fault::Number(time));
        host.tick();
        assert_eq!(host.recorded()[0].import, Import::proxy_get_current_time_nanoseconds);
    }
    host.log().iter().filter(|line| line.text.starts_with("fast (context 1): ")).count()
}

#[test]
fn a_clock_that_stands_still_loses_no_timer() {
    let host = Host::new(&PLUGIN).start();
    let ran = run_at(&host, 8, 5);
    assert!((3..=8).contains(&ran), "{ran}: {:?}", host.log());
    assert!(!run(&host, 7).is_empty());
}

#[test]
fn a_clock_that_goes_to_its_end_stops_nothing() {
    // Nor one that is not told at first.
    let at_start = clocks(Host::new(&PLUGIN), |_| {});
    let host = at_start.iter().fold(Host::new(&PLUGIN), |host, at| host.fault(*at, Fault::Status(10))).start();
    assert!(!at_start.is_empty() && host.started(), "{:?}", host.log());
    for _ in 0..3 {
        let ran = run_at(&host, 8, u32::MAX);
        assert!((3..=8).contains(&ran), "{ran}: {:?}", host.log());
    }
    // And it goes on as before.
    run(&host, 2);
    let lines = run(&host, 10);
    assert!(lines.iter().any(|(_, text)| text.starts_with("fast")), "{lines:?}");
    assert!(lines.len() < 40, "{lines:?}");
}
