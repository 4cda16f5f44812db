//! The figures: a table for people, a file for programs.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sluicegate_envoy::usage::WasmMemory;

use super::picture::{self, Bar};
use super::stats::{Spread, median};
use super::variant::HEADERS_SEEN;

/// The relative spread above which the report warns.
const WIDE: f64 = 0.25;

/// The results of one variant.
pub(super) struct Measured {
    pub(super) name: String,
    /// The CPU time of a request in µs, for each slice of each repetition, or `None` if the system
    /// does not provide it.
    pub(super) cpu_us: Option<Vec<Vec<f64>>>,
    pub(super) rss_kib: Option<u64>,
    pub(super) wasm: Option<WasmMemory>,
    pub(super) module_bytes: u64,
}

/// The result of a run. Its fields are those of the file.
#[derive(Serialize)]
pub(super) struct Report {
    envoy: String,
    repetitions: u32,
    requests: u32,
    connections: u32,
    request_headers: usize,
    variants: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// The median of the CPU time of a request, in µs.
    cpu_us: Option<f64>,
    /// The median of the CPU time that the filter adds, in µs.
    cpu_us_added: Option<f64>,
    cpu_us_added_p10: Option<f64>,
    cpu_us_added_p90: Option<f64>,
    ratio_to_by_hand: Option<f64>,
    rss_kib: Option<u64>,
    /// The linear memory of the largest VM.
    wasm_bytes: Option<u64>,
    /// The number of VMs.
    vms: Option<usize>,
    module_bytes: u64,
    #[serde(skip)]
    added: Option<Spread>,
}

impl Report {
    /// Makes the report. The first of the measured variants is the Envoy without a filter.
    pub(super) fn new(envoy: &str, repetitions: u32, requests: u32, connections: u32, measured: &[Measured]) -> Self {
        let base = measured.first().and_then(|base| base.cpu_us.as_deref());
        let mut variants: Vec<_> = measured.iter().map(|measured| Row::new(measured, base)).collect();
        let by_hand = variants.iter().find(|row| row.name == "by-hand").and_then(|row| row.cpu_us_added);
        for row in variants.iter_mut().skip(1) {
            row.ratio_to_by_hand = row.cpu_us_added.zip(by_hand).map(|(added, by_hand)| added / by_hand);
        }
        Self { envoy: envoy.to_owned(), repetitions, requests, connections, request_headers: HEADERS_SEEN, variants }
    }

    /// Draws the time that each filter adds. Variants without figures are left out.
    pub(super) fn draw(&self, path: &Path) -> Result<()> {
        let bars = self.variants.iter().filter_map(|row| {
            let (added, ratio) = (row.added?, row.ratio_to_by_hand?);
            Some(Bar { name: &row.name, added: added.median, range: (added.p10, added.p90), ratio })
        });
        let title = format!("CPU time that a filter adds to a request, Envoy {}", self.envoy);
        picture::draw(path, &title, &bars.collect::<Vec<_>>())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "Envoy {}, one worker; {} repetitions of {} requests with {} headers each over {} connections; medians",
            self.envoy, self.repetitions, self.requests, self.request_headers, self.connections
        )];
        if self.variants.iter().all(|row| row.cpu_us.is_none()) {
            notes.push("n/a: CPU time and memory of a process are read from /proc, which this system lacks".to_owned());
            return notes;
        }
        notes.push(
            "CPU time of the whole process; client and proxy share the machine, so compare within a run only".into(),
        );
        let wide = self.variants.iter().filter(|row| row.added.is_some_and(|added| added.relative_width() > WIDE));
        let wide: Vec<_> = wide.map(|row| row.name.as_str()).collect();
        if !wide.is_empty() {
            let percent = WIDE * 100.0;
            notes.push(format!(
                "noisy: p10 to p90 is wider than {percent:.0} % of the median for {}; repeat on a quieter machine",
                wide.join(", ")
            ));
        }
        notes
    }
}

impl Row {
    fn new(measured: &Measured, base: Option<&[Vec<f64>]>) -> Self {
        let cpu = measured.cpu_us.as_deref();
        // Both slices are of one turn: a machine that slows down slows down both.
        let difference = |(cpu, base): (&Vec<f64>, &Vec<f64>)| {
            median(&cpu.iter().zip(base).map(|(cpu, base)| cpu - base).collect::<Vec<_>>())
        };
        let added = cpu.zip(base).map(|(cpu, base)| cpu.iter().zip(base).filter_map(difference).collect::<Vec<_>>());
        let added = added.as_deref().and_then(Spread::of);
        Self {
            name: measured.name.clone(),
            cpu_us: cpu.and_then(|cpu| median(&cpu.iter().filter_map(|slices| median(slices)).collect::<Vec<_>>())),
            cpu_us_added: added.map(|added| added.median),
            cpu_us_added_p10: added.map(|added| added.p10),
            cpu_us_added_p90: added.map(|added| added.p90),
            ratio_to_by_hand: None,
            rss_kib: measured.rss_kib,
            wasm_bytes: measured.wasm.map(|wasm| wasm.largest),
            vms: measured.wasm.map(|wasm| wasm.vms),
            module_bytes: measured.module_bytes,
            added: added.filter(|added| added.median != 0.0),
        }
    }

    fn cells(&self) -> [String; 7] {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.digits$}"))
        };
        let is_base = self.module_bytes == 0;
        let dash = |text: String| if is_base { "-".to_owned() } else { text };
        let spread = self.added.map(|added| format!("{:.2} ({:.2} – {:.2})", added.median, added.p10, added.p90));
        [
            self.name.clone(),
            number(self.cpu_us, 2),
            dash(spread.unwrap_or_else(|| "n/a".to_owned())),
            dash(number(self.ratio_to_by_hand, 2)),
            number(self.rss_kib.map(|kib| kib as f64 / 1024.0), 1),
            dash(number(self.wasm_bytes.map(|bytes| bytes as f64 / 1024.0), 0)),
            dash(self.module_bytes.to_string()),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "variant",
            "CPU µs/request",
            "added µs (p10 – p90)",
            "× by hand",
            "RSS MiB",
            "wasm KiB per VM",
            "module bytes",
        ]);
        table.add_rows(self.variants.iter().map(Row::cells));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{table}")?;
        write!(f, "{}", self.notes().join("\n"))
    }
}

/// The file for programs. It is opened before the run, so that a path that cannot be written fails
/// early.
pub(crate) struct JsonFile {
    path: PathBuf,
    file: File,
    /// True if we created the file and it is empty. It is removed if there is nothing to write.
    blank: bool,
}

impl JsonFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let existed = path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, blank: !existed })
    }

    pub(crate) fn write(mut self, report: &impl Serialize) -> Result<()> {
        let text = format!("{}\n", serde_json::to_string_pretty(report).context("cannot express the report")?);
        // A pipe or a terminal has no length to set.
        let _ = self.file.set_len(0);
        self.file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.blank = false;
        Ok(())
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        if self.blank {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
