//! A picture of the memory over time.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A line of the picture.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) pale: bool,
    /// The points: seconds and MiB.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: u32 = 860;
const HEIGHT: u32 = 490;
/// The edges of the area with the lines.
const LEFT: i32 = 80;
const RIGHT: i32 = 830;
const TOP: i32 = 170;
const BOTTOM: i32 = 440;
/// The number of values on an axis.
const STEPS: i32 = 5;

const COLORS: [RGBColor; 3] = [RGBColor(0x1f, 0x77, 0xb4), RGBColor(0xd6, 0x5f, 0x1e), RGBColor(0x77, 0x77, 0x77)];

/// Draws the lines, two for each filter, into an SVG file. The axis of memory is logarithmic,
/// because the filters differ by orders of magnitude.
pub(super) fn draw(path: &Path, title: &str, lines: &[Line]) -> Result<()> {
    let area = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", path.display());
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|point| point.0).fold(0.1, f64::max);
    let most = points().map(|point| point.1).fold(10.0, f64::max).log10().ceil();
    let least = points().map(|point| point.1).filter(|mib| *mib > 0.0).fold(1.0, f64::min).log10().floor();
    #[allow(clippy::cast_possible_truncation, reason = "within the picture")]
    let place = |(at, mib): (f64, f64)| {
        let height = (mib.max(f64::MIN_POSITIVE).log10().max(least) - least) / (most - least);
        let x = LEFT + (f64::from(RIGHT - LEFT) * at / last) as i32;
        (x, BOTTOM - (f64::from(BOTTOM - TOP) * height) as i32)
    };
    let text = |size: i32, at: HPos| TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(at, VPos::Center));

    area.fill(&WHITE).map_err(|error| failed(&error))?;
    area.draw(&Text::new(title, (20, 22), text(16, HPos::Left))).map_err(|error| failed(&error))?;
    #[allow(clippy::cast_possible_truncation, reason = "powers of ten")]
    for power in least as i32..=most as i32 {
        let value = 10_f64.powi(power);
        let (_, y) = place((0.0, value));
        let line = PathElement::new([(LEFT, y), (RIGHT, y)], RGBColor(0xdd, 0xdd, 0xdd).stroke_width(1));
        area.draw(&line).map_err(|error| failed(&error))?;
        let label = Text::new(format!("{value} MiB"), (LEFT - 8, y), text(13, HPos::Right));
        area.draw(&label).map_err(|error| failed(&error))?;
    }
    for step in 0..=STEPS {
        let at = last * f64::from(step) / f64::from(STEPS);
        let (x, y) = (place((at, 1.0)).0, BOTTOM + 18);
        let label = Text::new(format!("{at:.1} s"), (x, y), text(13, HPos::Center));
        area.draw(&label).map_err(|error| failed(&error))?;
    }
    for ((index, line), row) in lines.iter().enumerate().zip(0..) {
        let color = COLORS[index / 2 % COLORS.len()];
        let style = color.mix(if line.pale { 0.45 } else { 1.0 }).stroke_width(2);
        let y = 46 + row * 20;
        let places: Vec<_> = line.points.iter().map(|point| place(*point)).collect();
        area.draw(&PathElement::new(places, style)).map_err(|error| failed(&error))?;
        area.draw(&PathElement::new([(20, y), (56, y)], style)).map_err(|error| failed(&error))?;
        let label = Text::new(line.name.as_str(), (66, y), text(14, HPos::Left));
        area.draw(&label).map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.svg");
        let line = |name: &str, pale| Line { name: name.to_owned(), pale, points: vec![(0.0, 70.0), (2.5, 2100.0)] };
        draw(&path, "a title", &[line("ours", false), line("ours, inside", true), line("theirs", false)]).unwrap();
        let picture = std::fs::read_to_string(&path).unwrap();
        for text in ["a title", "ours", "ours, inside", "theirs", "10000 MiB", "2.5 s"] {
            assert!(picture.contains(text), "{text}");
        }
        draw(&folder.path().join("nothing.svg"), "", &[]).unwrap();
    }
}
