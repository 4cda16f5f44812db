//! The lines that the modules log, compared as a whole with their levels: a part of a line may be a
//! part of another line.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_envoy::Proxy;

use super::PATIENCE;

/// A line of a module's: its level, as Envoy writes it, whose it is, such as ` receiver`, and the
/// text.
fn said(line: &str) -> Option<(&str, &str, &str)> {
    let (head, tail) = line.split_once("] wasm log")?;
    let level = head.split('[').find_map(|part| part.strip_suffix(']').filter(|part| LEVELS.contains(part)))?;
    let (name, text) = tail.split_once(": ")?;
    Some((level, name, text))
}

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warning", "error", "critical"];

/// The texts of a level, in the order of the log.
pub(super) fn texts(proxy: &Proxy, level: &str) -> Vec<String> {
    let log = proxy.log();
    let lines = log.lines().filter_map(said).filter(|(of, ..)| *of == level);
    lines.map(|(_, _, text)| text.to_owned()).collect()
}

/// When a line was written: the time since midnight.
pub(super) fn time_of(proxy: &Proxy, text: &str) -> Option<Duration> {
    let log = proxy.log();
    let line = log.lines().find(|line| said(line).is_some_and(|(_, _, said)| said == text))?;
    let (_, time) = line.split_once(' ')?;
    let (time, _) = time.split_once(']')?;
    let mut parts = time.split([':', '.']).map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Duration::from_secs((hours * 60 + minutes) * 60 + seconds) + Duration::from_millis(parts.next()??))
}

/// Waits until the log has each of these lines, of this level, whoever's they are.
pub(super) fn wait_for_lines<T: AsRef<str>>(proxy: &Proxy, level: &str, lines: &[T]) -> Result<()> {
    wait(proxy, lines, |line| said(line).filter(|(of, ..)| *of == level).map(|(_, _, text)| text.to_owned()))
}

/// As [`wait_for_lines`] at the level info, with whose each is in front: `receiver: …`.
pub(super) fn wait_for_lines_of<T: AsRef<str>>(proxy: &Proxy, lines: &[T]) -> Result<()> {
    wait(proxy, lines, |line| {
        let (level, name, text) = said(line)?;
        (level == "info").then(|| format!("{}: {text}", name.trim_start()))
    })
}

fn wait<T: AsRef<str>>(proxy: &Proxy, lines: &[T], text: impl Fn(&str) -> Option<String>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = proxy.log();
        let found: Vec<_> = log.lines().filter_map(&text).collect();
        let missing = lines.iter().map(AsRef::as_ref).find(|line| !found.iter().any(|found| found == line));
        let Some(missing) = missing else { return Ok(()) };
        ensure!(Instant::now() < deadline, "no line `{missing}` in:\n{log}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_line_is_told_by_its_level_and_its_owner() {
    let line =
        "[2026-01-01 00:00:00.000][7][info][wasm] [source/extensions/common/wasm/context.cc:1170] wasm log: a: b";
    assert_eq!(said(line), Some(("info", "", "a: b")));
    let line = line.replace("[info]", "[critical]").replace("log: ", "log receiver: ");
    assert_eq!(said(&line), Some(("critical", " receiver", "a: b")));
    assert_eq!(said("[2026-01-01 00:00:00.000][7][info][main] [server.cc:1] wasm"), None);
}
