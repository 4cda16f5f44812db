//! Reports as text: one line, or JSON. Numbers are written without the formatting code of the
//! standard library, which a filter may not have otherwise.

use core::fmt::{self, Write};

use super::{Free, HeapReport, Pin};
use crate::stats::Snapshot;

/// A report as JSON. Use its `Display`, or [`write_to`](Json::write_to).
#[derive(Debug, Clone, Copy)]
pub struct Json<'a>(pub(super) &'a HeapReport);

impl Json<'_> {
    /// Writes the JSON.
    ///
    /// # Errors
    ///
    /// Fails if `out` fails.
    pub fn write_to(&self, out: &mut dyn Write) -> fmt::Result {
        let report = self.0;
        out.write_str(if report.walked { "{\"walked\":true" } else { "{\"walked\":false" })?;
        for (name, figure) in [
            (",\"pages\":", report.pages),
            (",\"grows\":", report.grows),
            (",\"retained\":", report.retained),
            (",\"asked\":", report.asked),
        ] {
            out.write_str(name)?;
            number(out, figure as u64)?;
        }
        out.write_str(match (report.walked, report.complete) {
            (false, _) => ",\"complete\":null",
            (true, true) => ",\"complete\":true",
            (true, false) => ",\"complete\":false",
        })?;
        for (name, figure) in [
            (",\"held\":", report.held),
            (",\"live\":", report.live),
            (",\"free\":", report.free),
            (",\"gaps\":", report.gaps),
            (",\"largest\":", report.largest),
            (",\"kept\":", report.kept),
            (",\"kept_blocks\":", report.kept_blocks),
            (",\"empty_pages\":", report.empty),
            (",\"regions\":", report.regions),
        ] {
            out.write_str(name)?;
            if report.walked { number(out, figure as u64)? } else { out.write_str("null")? }
        }
        if !report.walked {
            return out.write_str(",\"quarters\":null,\"classes\":null,\"pins\":null}");
        }
        out.write_str(",\"quarters\":[")?;
        list(out, &report.quarters, |out, quarter| number(out, *quarter as u64))?;
        out.write_str("],\"classes\":[")?;
        let classes = report.classes.iter().enumerate();
        let mut first = true;
        for (class, Free { free, gaps, kept, kept_blocks }) in classes {
            out.write_str(if first { "{\"most\":" } else { ",{\"most\":" })?;
            first = false;
            match Snapshot::most(class) {
                Some(most) => number(out, most as u64)?,
                None => out.write_str("null")?,
            }
            for (name, figure) in
                [(",\"free\":", free), (",\"gaps\":", gaps), (",\"kept\":", kept), (",\"kept_blocks\":", kept_blocks)]
            {
                out.write_str(name)?;
                number(out, *figure as u64)?;
            }
            out.write_str("}")?;
        }
        out.write_str("],\"pins\":[")?;
        list(out, report.pins(), |out, Pin { region, blocks }| {
            out.write_str("{\"region\":")?;
            number(out, u64::from(*region))?;
            out.write_str(",\"blocks\":")?;
            number(out, *blocks as u64)?;
            out.write_str("}")
        })?;
        out.write_str("]}")
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

impl HeapReport {
    /// Writes the line of the display, without the lines of the classes.
    ///
    /// # Errors
    ///
    /// Fails if `out` fails.
    pub fn write_to(&self, out: &mut dyn Write) -> fmt::Result {
        if !self.walked {
            out.write_str("not walked: ")?;
            return figures(out, &[(self.pages, " pages, "), (self.grows, " grows, "), (self.asked, " B asked for")]);
        }
        let [first, second, third, fourth] = self.quarters;
        figures(
            out,
            &[
                (self.live, " B live of "),
                (self.held, " B held, "),
                (self.free, " B free in "),
                (self.gaps, " gaps, the largest "),
                (self.largest, " B, "),
                (self.kept, " B kept in "),
                (self.kept_blocks, " blocks, pages "),
                (self.empty, " empty, "),
                (first, "/"),
                (second, "/"),
                (third, "/"),
                (fourth, " by quarters, "),
                (self.retained, " retained"),
            ],
        )?;
        if self.complete { Ok(()) } else { out.write_str(", not complete") }
    }
}

impl fmt::Display for HeapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)?;
        if !f.alternate() {
            return Ok(());
        }
        for (class, of) in self.classes.iter().enumerate().filter(|(_, of)| of.gaps + of.kept_blocks > 0) {
            match Snapshot::most(class) {
                Some(most) => {
                    f.write_str("\nto ")?;
                    figures(f, &[(most, " B: ")])?;
                }
                None => f.write_str("\nlarger: ")?,
            }
            figures(
                f,
                &[
                    (of.free, " B free in "),
                    (of.gaps, " gaps, "),
                    (of.kept, " B kept in "),
                    (of.kept_blocks, " blocks"),
                ],
            )?;
        }
        Ok(())
    }
}

/// Writes numbers, each with what is to follow it.
fn figures(out: &mut dyn Write, figures: &[(usize, &str)]) -> fmt::Result {
    figures.iter().try_for_each(|(figure, unit)| {
        number(out, *figure as u64)?;
        out.write_str(unit)
    })
}

/// Writes a list's elements, with commas between.
fn list<T>(out: &mut dyn Write, elements: &[T], element: impl Fn(&mut dyn Write, &T) -> fmt::Result) -> fmt::Result {
    for (place, of) in elements.iter().enumerate() {
        if place > 0 {
            out.write_str(",")?;
        }
        element(out, of)?;
    }
    Ok(())
}

/// Writes a number in decimal.
pub(crate) fn number(out: &mut dyn Write, mut value: u64) -> fmt::Result {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.write_str(str::from_utf8(&digits[first..]).unwrap_or_default())
}
