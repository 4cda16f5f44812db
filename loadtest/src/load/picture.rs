//! A picture of the figures: a bar for the time that each filter adds, with the range of eight in
//! ten repetitions.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A bar.
pub(super) struct Bar<'a> {
    pub(super) name: &'a str,
    /// The CPU time in µs that the filter adds to a request: the median, and the range of eight in
    /// ten repetitions.
    pub(super) added: f64,
    pub(super) range: (f64, f64),
    pub(super) ratio: f64,
}

const WIDTH: u32 = 860;
const ROW: i32 = 40;
const TOP: i32 = 50;
/// The places where the bars begin and end, with room for names and figures beside them.
const LEFT: i32 = 190;
const RIGHT: i32 = 640;

const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const OTHERS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

/// Draws the bars into an SVG file.
pub(super) fn draw(path: &Path, title: &str, bars: &[Bar<'_>]) -> Result<()> {
    let rows = i32::try_from(bars.len())?;
    let area = SVGBackend::new(path, (WIDTH, u32::try_from(TOP + rows * ROW + 20)?)).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", path.display());
    let most = bars.iter().map(|bar| bar.range.1.max(bar.added)).fold(f64::EPSILON, f64::max);
    #[allow(clippy::cast_possible_truncation, reason = "between LEFT and RIGHT")]
    let x = |value: f64| LEFT + (f64::from(RIGHT - LEFT) * value.max(0.0) / most) as i32;
    let text = |size: i32, at: HPos| TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(at, VPos::Center));

    area.fill(&WHITE).map_err(|error| failed(&error))?;
    area.draw(&Text::new(title, (20, 22), text(16, HPos::Left))).map_err(|error| failed(&error))?;
    for (row, bar) in (0..).zip(bars) {
        let middle = TOP + row * ROW + ROW / 2;
        let color = if bar.name.starts_with("sluicegate") { OURS } else { OTHERS };
        let ((low, high), end) = (bar.range, x(bar.added));
        let body = Rectangle::new([(LEFT, middle - 11), (end, middle + 11)], color.filled());
        let whisker = PathElement::new([(x(low), middle), (x(high), middle)], BLACK.stroke_width(2));
        let figures = format!("{:.2} µs, {:.2} × by hand", bar.added, bar.ratio);
        area.draw(&body).map_err(|error| failed(&error))?;
        area.draw(&whisker).map_err(|error| failed(&error))?;
        area.draw(&Text::new(bar.name, (LEFT - 10, middle), text(15, HPos::Right))).map_err(|error| failed(&error))?;
        let beside = (x(high).max(end) + 12, middle);
        area.draw(&Text::new(figures, beside, text(14, HPos::Left))).map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_stands_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        let bars = [
            Bar { name: "by-hand", added: 4.0, range: (3.5, 4.4), ratio: 1.0 },
            Bar { name: "sluicegate-arena", added: 4.1, range: (3.9, 4.2), ratio: 1.025 },
        ];
        draw(&path, "a title", &bars).unwrap();
        let picture = std::fs::read_to_string(&path).unwrap();
        for text in ["a title", "by-hand", "sluicegate-arena", "4.10 µs, 1.02 × by hand"] {
            assert!(picture.contains(text), "{text}");
        }
        assert!(draw(&folder.path().join("no/such/folder.svg"), "", &bars).is_err());
    }
}
