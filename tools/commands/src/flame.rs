//! A flame graph of a heap profile: a picture of what lives, by plugin, filter and callback.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

/// Arguments of `flame`.
#[derive(Args)]
pub struct FlameArgs {
    /// A profile as folded stacks: lines `plugin;filter;callback bytes`
    folded: PathBuf,
    /// The picture to write, as SVG
    svg: PathBuf,
}

/// Draws a profile.
///
/// # Errors
///
/// Fails if the profile cannot be read, if a line of it has no bytes at its end, or if the picture
/// cannot be written.
pub fn flame(args: &FlameArgs) -> Result<()> {
    let folded = fs::read_to_string(&args.folded).with_context(|| format!("reading {}", args.folded.display()))?;
    fs::write(&args.svg, picture(&folded)?).with_context(|| format!("writing {}", args.svg.display()))
}

/// A frame of a stack, with the bytes of all stacks that go through it.
#[derive(Default)]
struct Frame {
    bytes: u64,
    inner: BTreeMap<String, Self>,
}

impl Frame {
    fn depth(&self) -> usize {
        self.inner.values().map(|frame| frame.depth() + 1).max().unwrap_or(0)
    }
}

const WIDTH: f64 = 960.0;
const ROW: f64 = 24.0;
const EDGE: f64 = 8.0;
/// The approximate width of a letter.
const LETTER: f64 = 7.0;

/// Returns the picture of folded stacks: the outermost frame at the bottom, as wide as its bytes.
fn picture(folded: &str) -> Result<String> {
    let mut all = Frame::default();
    for line in folded.lines().filter(|line| !line.trim().is_empty()) {
        let (stack, bytes) = line.rsplit_once(' ').with_context(|| format!("no bytes in {line:?}"))?;
        let bytes = bytes.parse::<u64>().with_context(|| format!("no bytes in {line:?}"))?;
        all.bytes += bytes;
        let mut at = &mut all;
        for name in stack.split(';') {
            at = at.inner.entry(name.to_owned()).or_default();
            at.bytes += bytes;
        }
    }
    let height = (all.depth() + 1) as f64 * ROW + 2.0 * EDGE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH + 2.0 * EDGE
    );
    draw(&mut svg, "live", &all, (EDGE, height - EDGE - ROW, WIDTH), 0);
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Draws a frame and those within it, which stand on it.
fn draw(svg: &mut String, name: &str, frame: &Frame, (left, top, width): (f64, f64, f64), depth: usize) {
    const COLOURS: [&str; 4] = ["#d9d9d9", "#fdd0a2", "#fdae6b", "#fd8d3c"];
    let colour = COLOURS[depth.min(COLOURS.len() - 1)];
    let (name, bytes) = (escaped(name), size(frame.bytes));
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<g><title>{name}: {bytes}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
         rx=\"2\" fill=\"{colour}\"/>",
        (width - 1.0).max(0.5),
        ROW - 1.0
    );
    let label = format!("{name}, {bytes}");
    if label.len() as f64 * LETTER < width {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", left + 4.0, top + 16.0);
    }
    svg.push_str("</g>\n");
    let mut at = left;
    for (name, inner) in &frame.inner {
        let width = width * inner.bytes as f64 / frame.bytes.max(1) as f64;
        draw(svg, name, inner, (at, top - ROW, width), depth + 1);
        at += width;
    }
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_wide_as_its_bytes() {
        let svg = picture("a;F<T>;headers 3000000\na;F<T>;body 1000000\nb;G;log 4000\n").unwrap();
        for part in [
            "<title>live: 3.8 MiB</title><rect x=\"8.0\"",
            "<title>F&lt;T&gt;: 3.8 MiB</title>",
            "<title>headers: 2.9 MiB</title><rect x=\"247.8\" y=\"8.0\" width=\"718.3\"",
            "<title>log: 3.9 KiB</title>",
        ] {
            assert!(svg.contains(part), "{part} in\n{svg}");
        }
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
        assert!(!svg.contains("<text x=\"967.0\""), "what is too narrow has no label");
    }

    #[test]
    fn a_line_without_bytes_is_an_error() {
        assert!(picture("a;b;c").is_err());
        assert!(picture("a;b;c many").is_err());
    }

    /// The picture in the guide is what this makes of the profile beside it.
    #[test]
    fn the_picture_in_the_guide_is_of_the_profile_beside_it() {
        let docs = sluicegate_workspace::root().join("docs");
        let [folded, svg] = ["heap.folded", "heap.svg"].map(|name| fs::read_to_string(docs.join(name)).unwrap());
        assert_eq!(picture(&folded).unwrap(), svg, "cargo flame docs/heap.folded docs/heap.svg");
    }
}
