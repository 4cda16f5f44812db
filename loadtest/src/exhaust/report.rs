//! The results for the uploads and for the memory: a table for people, a file for programs.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::picture::{self, Line};
use super::sampler::Sample;
use super::{Answers, ExhaustArgs};

/// The result of a run. Its fields are those of the file.
#[derive(Serialize)]
pub(super) struct Report {
    envoy: String,
    uploads: u32,
    upload_kib: u32,
    giant_mib: u32,
    filters: Vec<Row>,
}

/// The results of one filter.
#[derive(Serialize)]
pub(super) struct Row {
    name: String,
    #[serde(flatten)]
    answers: Answers,
    burst_ms: u128,
    /// The time after the burst at which everything was served again, or `None` if it was not.
    served_after_ms: Option<u128>,
    vm_failures: usize,
    samples: Vec<Sample>,
}

impl Row {
    pub(super) fn new(
        name: &str,
        answers: Answers,
        burst: Duration,
        served_after: Option<Duration>,
        vm_failures: usize,
        samples: Vec<Sample>,
    ) -> Self {
        let served_after_ms = served_after.map(|after| after.as_millis());
        let samples = thinned(&samples);
        Self { name: name.to_owned(), answers, burst_ms: burst.as_millis(), served_after_ms, vm_failures, samples }
    }

    /// Checks the promises of a filter with a budget.
    pub(super) fn check(&self) -> Result<()> {
        let Self { name, answers, served_after_ms, vm_failures, .. } = self;
        ensure!(*vm_failures == 0, "{name}: the VM failed {vm_failures} times");
        ensure!(answers.served > 0, "{name}: nothing was served: {answers:?}");
        let wrong = answers.unfiltered + answers.other + answers.lost + answers.too_large;
        ensure!(wrong == 0, "{name}: {wrong} uploads got neither 200 nor 503: {answers:?}");
        let refused = |status| [413, 503].contains(&status);
        ensure!(answers.giant.is_none_or(refused), "{name}: the giant got {:?}", answers.giant);
        ensure!(served_after_ms.is_some(), "{name}: no full service after the burst");
        Ok(())
    }

    /// Returns the maximum of the resident memory or of the linear memory, in MiB.
    fn most(&self, of: impl Fn(&Sample) -> u64) -> f64 {
        self.samples.iter().map(of).max().unwrap_or_default() as f64 / 1024.0
    }
}

/// The greatest number of samples in a report. Each is the maximum within a part of the time.
const SAMPLES: usize = 120;

fn thinned(samples: &[Sample]) -> Vec<Sample> {
    let most = |of: &[Sample]| {
        of.iter().copied().reduce(|a, b| Sample {
            at: a.at,
            rss_kib: a.rss_kib.max(b.rss_kib),
            wasm_kib: a.wasm_kib.max(b.wasm_kib),
        })
    };
    samples.chunks(samples.len().div_ceil(SAMPLES).max(1)).filter_map(most).collect()
}

impl Report {
    pub(super) fn new(envoy: &str, args: &ExhaustArgs, filters: Vec<Row>) -> Self {
        let (uploads, upload_kib, giant_mib) = (args.uploads, args.size, args.giant);
        Self { envoy: envoy.to_owned(), uploads, upload_kib, giant_mib, filters }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.filters.iter()
    }

    pub(super) fn draw(&self, path: &Path) -> Result<()> {
        let points = |row: &Row, of: fn(&Sample) -> u64| {
            row.samples.iter().map(|sample| (sample.at as f64 / 1e3, of(sample) as f64 / 1024.0)).collect()
        };
        let lines = self.filters.iter().flat_map(|row| {
            [
                Line { name: format!("{}: Envoy's memory", row.name), pale: false, points: points(row, |s| s.rss_kib) },
                Line { name: format!("{}: linear memory", row.name), pale: true, points: points(row, |s| s.wasm_kib) },
            ]
        });
        // An Envoy without a filter has no linear memory.
        let lines = lines.filter(|line| line.points.iter().any(|point| point.1 > 0.0));
        let Self { envoy, uploads, upload_kib, giant_mib, .. } = self;
        let title = format!("{uploads} uploads of {upload_kib} KiB at once and one of {giant_mib} MiB, Envoy {envoy}");
        picture::draw(path, &title, &lines.collect::<Vec<_>>())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "filter",
            "200",
            "unfiltered",
            "503",
            "413",
            "other",
            "lost",
            "giant",
            "VM failures",
            "burst s",
            "served again ms",
            "Envoy MiB",
            "linear MiB",
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in &self.filters {
            let answers = &row.answers;
            table.add_row([
                row.name.clone(),
                answers.served.to_string(),
                answers.unfiltered.to_string(),
                answers.unavailable.to_string(),
                answers.too_large.to_string(),
                answers.other.to_string(),
                answers.lost.to_string(),
                answers.giant.map_or_else(|| "lost".into(), |status| status.to_string()),
                row.vm_failures.to_string(),
                format!("{:.1}", row.burst_ms as f64 / 1e3),
                row.served_after_ms.map_or_else(|| "never".into(), |after| after.to_string()),
                format!("{:.0}", row.most(|sample| sample.rss_kib)),
                format!("{:.1}", row.most(|sample| sample.wasm_kib)),
            ]);
        }
        writeln!(f, "{table}")?;
        write!(
            f,
            "Envoy {}, one worker; {} uploads of {} KiB at once, and one of {} MiB; memory is the most at any moment",
            self.envoy, self.uploads, self.upload_kib, self.giant_mib
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answers: Answers, served_after: Option<Duration>, vm_failures: usize) -> Row {
        let samples =
            vec![Sample { at: 0, rss_kib: 2048, wasm_kib: 128 }, Sample { at: 25, rss_kib: 1024, wasm_kib: 192 }];
        Row::new("ours", answers, Duration::from_secs(2), served_after, vm_failures, samples)
    }

    #[test]
    fn a_broken_promise_is_an_error() {
        let good = Answers { served: 3, unavailable: 2045, giant: Some(413), ..Answers::default() };
        let soon = Some(Duration::from_millis(7));
        row(good.clone(), soon, 0).check().unwrap();
        for (row, reason) in [
            (row(good.clone(), soon, 1), "the VM failed 1 times"),
            (row(good.clone(), None, 0), "no full service"),
            (row(Answers { served: 0, ..good.clone() }, soon, 0), "nothing was served"),
            (row(Answers { lost: 1, ..good.clone() }, soon, 0), "1 uploads"),
            (row(Answers { unfiltered: 2, ..good.clone() }, soon, 0), "2 uploads"),
            (row(Answers { giant: Some(200), ..good }, soon, 0), "the giant got"),
        ] {
            let error = row.check().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn what_is_thinned_out_keeps_its_peaks() {
        let sample = |at| Sample { at, rss_kib: if at == 777 { 9000 } else { 100 }, wasm_kib: at };
        let thin = thinned(&(0..1000).map(sample).collect::<Vec<_>>());
        assert!((100..=SAMPLES).contains(&thin.len()), "{}", thin.len());
        assert_eq!(thin.iter().filter(|sample| sample.rss_kib == 9000).count(), 1);
        assert_eq!(thin.last().map(|sample| sample.wasm_kib), Some(999));
        assert!(thinned(&[]).is_empty());
    }

    #[test]
    fn the_table_has_the_most_of_the_memory() {
        let answers = Answers { served: 3, unavailable: 5, ..Answers::default() };
        let report = Report {
            envoy: "1.40.0".into(),
            uploads: 8,
            upload_kib: 1024,
            giant_mib: 0,
            filters: vec![row(answers, None, 0)],
        };
        let text = report.to_string();
        for part in ["ours", "never", "lost", " 2.0 ", " 0.2"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
