//! The differences of an older Envoy from the newest one, which the simulation follows.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

/// The versions that the file is about.
pub(crate) const VERSIONS: &[&str] = &["1.36.4"];

/// The scenarios that differ in one version of Envoy, each with the lines that differ: those of
/// Envoy after `-`, those of the simulation after `+`.
///
/// A `*` in a line stands for any text. A scenario that harms the newest Envoy and not this one has
/// no lines.
#[derive(Default)]
pub(crate) struct Otherwise(BTreeMap<String, Vec<String>>);

impl Otherwise {
    /// Reads what differs in a version.
    ///
    /// # Errors
    ///
    /// When the file has another form.
    pub(crate) fn of(version: &str) -> Result<Self> {
        let (mut scenarios, mut current) = (BTreeMap::<String, Vec<String>>::new(), None);
        for line in include_str!("by_version.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if line.starts_with("- ") || line.starts_with("+ ") {
                let (of, name): &(&str, &str) = current.as_ref().context("lines of no scenario")?;
                if *of == version {
                    scenarios.entry((*name).to_owned()).or_default().push(line.to_owned());
                }
                continue;
            }
            let (title, reason) = line.split_once(": ").with_context(|| format!("{line:?} has no reason"))?;
            let (of, name) = title.split_once(' ').with_context(|| format!("{line:?} names no scenario"))?;
            ensure!(VERSIONS.contains(&of) && !reason.is_empty(), "{line:?} is of no version, or has no reason");
            if of == version {
                scenarios.insert(name.to_owned(), Vec::new());
            }
            current = Some((of, name));
        }
        Ok(Self(scenarios))
    }

    /// Returns the scenarios.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns whether these are the lines of a scenario that differ.
    pub(crate) fn is(&self, scenario: &str, lines: &[String]) -> bool {
        let wanted = self.0.get(scenario).map(Vec::as_slice).unwrap_or_default();
        wanted.len() == lines.len() && wanted.iter().zip(lines).all(|(wanted, line)| is_like(line, wanted))
    }

    /// Returns whether a scenario that harms the newest Envoy does not harm this one.
    pub(crate) fn is_harmless(&self, scenario: &str) -> bool {
        self.0.contains_key(scenario)
    }
}

/// Returns whether a line is what a pattern with at most one `*` says.
fn is_like(line: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
        None => line == pattern,
    }
}
