//! The outcomes: as a file of lines with tabs, and as tables of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sluicegate_workspace as workspace;

use crate::judge::Outcome;
use crate::moment::Kind;
use crate::{CALLS, Call, MOMENTS, Moment};

/// Stands in place of an outcome where a call was not reached.
const UNREACHED: &str = "-";
/// The lines in docs/flow.md between which the tables are.
const MARKS: [&str; 2] = ["<!-- made by cargo matrix: begin -->\n", "<!-- made by cargo matrix: end -->\n"];

/// The outcomes of all cells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    /// The versions of Envoy, oldest first.
    pub versions: Vec<String>,
    /// For each moment and call the outcome in each version; `None` where the call was not reached.
    pub cells: BTreeMap<(String, String), Vec<Option<Outcome>>>,
}

/// Returns the path of the committed file, which the simulated host reads as well.
#[must_use]
pub fn file() -> PathBuf {
    workspace::root().join("sdk/host/src/model/phases.tsv")
}

/// Returns the path of the page of the documentation with the tables.
#[must_use]
pub fn page() -> PathBuf {
    workspace::root().join("docs/flow.md")
}

/// Returns the page's text with these tables in place of the old ones.
///
/// # Errors
///
/// When the page has no place for them.
pub fn placed(page: &str, tables: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let (before, rest) = page.split_once(begin).context("docs/flow.md has no mark where the tables begin")?;
    let (_, after) = rest.split_once(end).context("docs/flow.md has no mark where the tables end")?;
    Ok([before, begin, "\n", tables, "\n", end, after].concat())
}

/// A column of the documentation's table: its title, and each call with the word for it.
const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    (
        "request headers",
        &[("get_header_map_pairs request headers", "read"), ("replace_header_map_value request headers", "edit")],
    ),
    ("request body", &[("get_buffer_bytes request body", "read"), ("set_buffer_bytes request body", "edit")]),
    (
        "request trailers",
        &[("get_header_map_pairs request trailers", "read"), ("replace_header_map_value request trailers", "edit")],
    ),
    (
        "response headers",
        &[("get_header_map_pairs response headers", "read"), ("replace_header_map_value response headers", "edit")],
    ),
    ("response body", &[("get_buffer_bytes response body", "read"), ("set_buffer_bytes response body", "edit")]),
    (
        "response trailers",
        &[("get_header_map_pairs response trailers", "read"), ("replace_header_map_value response trailers", "edit")],
    ),
    ("reply", &[("send_local_response", "yes")]),
    ("resume the request", &[("continue_stream request", "yes")]),
    ("resume the response", &[("continue_stream response", "yes")]),
    ("reset", &[("close_stream request", "yes")]),
    ("call a service", &[("http_call", "yes")]),
];

impl Table {
    /// Reads the committed file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no table.
    pub fn read() -> Result<Self> {
        Self::read_at(&file())
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no table.
    pub fn read_at(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("cannot read the table of phases")?;
        Self::parse(&text)
    }

    /// Parses a file.
    ///
    /// # Errors
    ///
    /// When it is no table.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(|line| line.split('\t'));
        let (mut versions, mut moments) = (lines.next().context("no versions")?, lines.next().context("no moments")?);
        ensure!(versions.next() == Some("envoy") && moments.next() == Some("call"), "the first lines have no titles");
        let moments: Vec<_> = moments.collect();
        let mut table = Self { versions: versions.map(str::to_owned).collect(), cells: BTreeMap::new() };
        for mut line in lines {
            let call = line.next().unwrap_or_default();
            let cells: Vec<_> = line.collect();
            ensure!(cells.len() == moments.len(), "{call} has {} cells", cells.len());
            for (moment, cell) in moments.iter().zip(cells) {
                table.cells.insert(((*moment).to_owned(), call.to_owned()), table.outcomes_in(cell)?);
            }
        }
        Ok(table)
    }

    /// One word stands for all versions.
    fn outcomes_in(&self, cell: &str) -> Result<Vec<Option<Outcome>>> {
        let parse = |word: &str| if word == UNREACHED { Ok(None) } else { word.parse().map(Some) };
        let outcomes: Result<Vec<_>, String> = cell.split('|').map(parse).collect();
        let mut outcomes = outcomes.map_err(anyhow::Error::msg)?;
        if outcomes.len() == 1 {
            outcomes.resize(self.versions.len(), outcomes[0]);
        }
        ensure!(outcomes.len() == self.versions.len(), "{cell} is of other versions");
        Ok(outcomes)
    }

    /// Returns the file's text: a line for each call, a column for each moment. Versions that agree
    /// share a word.
    #[must_use]
    pub fn to_text(&self) -> String {
        let moments: Vec<_> = MOMENTS.iter().map(Moment::name).filter(|name| self.has(name)).collect();
        let mut text = format!("envoy\t{}\ncall\t{}\n", self.versions.join("\t"), moments.join("\t"));
        for call in CALLS {
            let cells: Vec<_> = moments.iter().map(|moment| self.cell(moment, call.name)).collect();
            if cells.iter().any(|cell| cell != UNREACHED) {
                // Writing into a string does not fail.
                let _ = writeln!(text, "{}\t{}", call.name, cells.join("\t"));
            }
        }
        text
    }

    fn has(&self, moment: &str) -> bool {
        CALLS.iter().any(|call| !self.outcomes(moment, call.name).is_empty())
    }

    fn cell(&self, moment: &str, call: &str) -> String {
        let word = |outcome: &Option<Outcome>| outcome.map_or(UNREACHED, Outcome::word);
        let mut words: Vec<_> = self.outcomes(moment, call).iter().map(word).collect();
        if words.is_empty() {
            words.push(UNREACHED);
        }
        if words.windows(2).all(|pair| pair[0] == pair[1]) {
            words.truncate(1);
        }
        words.join("|")
    }

    /// Takes the outcomes of another table, whose versions are some of this one's.
    ///
    /// # Errors
    ///
    /// When the other table has another version.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let places = self.places_of(other)?;
        for (cell, outcomes) in &other.cells {
            let mine = self.cells.entry(cell.clone()).or_default();
            mine.resize(self.versions.len(), None);
            for (place, outcome) in places.iter().zip(outcomes) {
                mine[*place] = *outcome;
            }
        }
        Ok(())
    }

    /// Returns whether a pair of calls says more in a version than each call by itself; other rows
    /// always do.
    #[must_use]
    pub fn says_more(&self, version: &str, moment: &Moment, call: &Call) -> bool {
        let name = moment.name();
        call.says_more(moment.kind, |call| self.outcome_in(version, &name, call.name).is_some_and(Outcome::harms))
    }

    /// Returns whether a cell harms in any version. A pair of calls that was not played harms if
    /// one of its calls does.
    #[must_use]
    pub fn harms(&self, moment: &Moment, call: &Call) -> bool {
        let name = moment.name();
        self.versions.iter().any(|version| {
            let harms = |call: &Call| self.outcome_in(version, &name, call.name).is_some_and(Outcome::harms);
            let is_played = self.outcome_in(version, &name, call.name).is_some();
            let parts = [call.first(), call.second()];
            harms(call) || !is_played && parts.into_iter().flatten().any(harms)
        })
    }

    /// Drops what was played of pairs of calls that say no more than each call by itself.
    pub fn drop_pairs(&mut self) {
        for (at, version) in self.versions.clone().iter().enumerate() {
            for moment in MOMENTS {
                for call in CALLS.iter().filter(|call| !self.says_more(version, moment, call)).collect::<Vec<_>>() {
                    let cell = self.cells.get_mut(&(moment.name(), call.name.to_owned()));
                    if let Some(outcome) = cell.and_then(|outcomes| outcomes.get_mut(at)) {
                        *outcome = None;
                    }
                }
            }
        }
    }

    /// Returns a line for each cell of another table that is not the same here.
    ///
    /// # Errors
    ///
    /// When the other table has another version.
    pub fn differences(&self, other: &Self) -> Result<Vec<String>> {
        let places = self.places_of(other)?;
        let word = |outcome: Option<Outcome>| outcome.map_or(UNREACHED, Outcome::word);
        let mut lines = Vec::new();
        for ((moment, call), outcomes) in &other.cells {
            let mine = self.outcomes(moment, call);
            for (place, outcome) in places.iter().zip(outcomes) {
                let here = mine.get(*place).copied().flatten();
                if here != *outcome {
                    let (version, here, there) = (&self.versions[*place], word(here), word(*outcome));
                    lines.push(format!("{moment} / {call}: {here} is {there} in Envoy {version}"));
                }
            }
        }
        Ok(lines)
    }

    /// Where each version of another table is among this one's.
    fn places_of(&self, other: &Self) -> Result<Vec<usize>> {
        let place = |version| self.versions.iter().position(|mine| mine == version);
        other.versions.iter().map(|version| place(version).with_context(|| format!("no version {version}"))).collect()
    }

    /// Returns the outcomes of a cell, one for each version.
    #[must_use]
    pub fn outcomes(&self, moment: &str, call: &str) -> &[Option<Outcome>] {
        self.cells.get(&(moment.to_owned(), call.to_owned())).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the outcome of a cell in one version.
    #[must_use]
    pub fn outcome_in(&self, version: &str, moment: &str, call: &str) -> Option<Outcome> {
        let place = self.versions.iter().position(|mine| mine == version)?;
        self.outcomes(moment, call).get(place).copied().flatten()
    }

    /// Returns the worst outcome of a cell in any version.
    #[must_use]
    pub fn worst(&self, moment: &str, call: &str) -> Option<Outcome> {
        self.outcomes(moment, call).iter().flatten().max().copied()
    }

    /// Returns the tables of the documentation: the calls that work in each moment, and those that
    /// do harm.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let titles: Vec<_> = COLUMNS.iter().map(|(title, _)| *title).collect();
        let mut text = format!("| callback | the stream holds | {} |\n", titles.join(" | "));
        text += &format!("|---|---|{}\n", "---|".repeat(COLUMNS.len()));
        let mut rows: Vec<(&str, String, Vec<String>)> = Vec::new();
        for moment in MOMENTS.iter().filter(|moment| moment.kind == Kind::Http) {
            let cells: Vec<_> = COLUMNS.iter().map(|(_, calls)| self.summary(&moment.name(), calls)).collect();
            match rows.last_mut() {
                Some((callback, holds, same)) if *callback == moment.callback && *same == cells => {
                    *holds += &format!("; {}", moment.holds);
                }
                _ => rows.push((moment.callback, moment.holds.to_owned(), cells)),
            }
        }
        for (callback, holds, cells) in rows {
            let _ = writeln!(text, "| `on_{callback}` | {holds} | {} |", cells.join(" | "));
        }
        text += &format!(
            "\nThese calls harm the stream or the proxy, in Envoy {}:\n\n| call | in | outcome |\n|---|---|---|\n",
            self.versions.join(" or ")
        );
        for call in CALLS {
            let mut harms: BTreeMap<Outcome, Vec<String>> = BTreeMap::new();
            for moment in MOMENTS {
                if let Some(outcome) = self.worst(&moment.name(), call.name).filter(|outcome| outcome.harms()) {
                    harms.entry(outcome).or_default().push(format!("{} ({})", moment.callback, moment.holds));
                }
            }
            for (outcome, moments) in harms.iter().rev() {
                let all = moments.len() == MOMENTS.len();
                let moments = if all { "every callback".to_owned() } else { moments.join(", ") };
                let _ = writeln!(text, "| `{}` | {moments} | {outcome} |", call.name);
            }
        }
        text
    }

    /// A cell of the documentation: the words of the calls that work everywhere.
    fn summary(&self, moment: &str, calls: &[(&str, &str)]) -> String {
        if calls.iter().any(|(call, _)| self.worst(moment, call).is_some_and(Outcome::harms)) {
            return "**never**".to_owned();
        }
        let works = |call: &str| self.outcomes(moment, call).iter().all(|outcome| *outcome == Some(Outcome::Works));
        let words: Vec<_> = calls.iter().filter(|(call, _)| works(call)).map(|(_, word)| *word).collect();
        if words.is_empty() { "–".to_owned() } else { words.join(", ") }
    }
}
