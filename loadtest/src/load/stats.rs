//! Medians and spreads.

use serde::Serialize;

/// The median of a sample, with the bounds above and below which nine of ten values lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) p10: f64,
    pub(super) p90: f64,
}

impl Spread {
    /// Returns the spread of a sample, or `None` for an empty sample.
    pub(super) fn of(sample: &[f64]) -> Option<Self> {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self { median: quantile(&sorted, 0.5)?, p10: quantile(&sorted, 0.1)?, p90: quantile(&sorted, 0.9)? })
    }

    /// Returns the distance between the two bounds, relative to the median.
    pub(super) fn relative_width(&self) -> f64 {
        (self.p90 - self.p10) / self.median.abs()
    }
}

/// Returns the median of a sample, or `None` for an empty sample.
pub(super) fn median(sample: &[f64]) -> Option<f64> {
    Some(Spread::of(sample)?.median)
}

/// Returns a quantile. Between two neighbours it is interpolated by their distances.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let at = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!(spread.median, 3.0);
        assert!((spread.p10 - 1.4).abs() < 1e-9 && (spread.p90 - 4.6).abs() < 1e-9, "{spread:?}");
        assert!((spread.relative_width() - 3.2 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn small_samples_have_a_middle() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[7.0]), Some(Spread { median: 7.0, p10: 7.0, p90: 7.0 }));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
