//! What operations took.

use serde::Serialize;

/// The dearest operation.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Worst {
    /// In instructions.
    pub cost: u64,
    /// What it was.
    pub operation: String,
}

/// Instructions of a trace's operations.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Costs {
    /// The dearest operation of all, those before the load proper included.
    pub worst: Worst,
    /// The dearest that was refused.
    pub worst_refused: Worst,
    /// The dearest of those that open, enter, leave or close a region.
    pub worst_region: Worst,
    /// The dearest request of the load proper: all of its operations together.
    pub worst_request: u64,
    /// In a thousand operations of the load proper one takes more.
    pub p999: u64,
    /// The mean of those that were served.
    pub mean: f64,
    /// The mean of those that were refused; zero if none was.
    pub mean_refused: f64,
    /// How many were.
    pub refused: usize,
    /// All operations together, those before the load proper included.
    pub total: u64,
    #[serde(skip)]
    request: u64,
    /// Those of the load proper that were served.
    #[serde(skip)]
    served: Vec<u32>,
    #[serde(skip)]
    sum_refused: u64,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Served,
    Refused,
    /// It was none of a block but of a region.
    Region,
}

impl Costs {
    pub(super) fn add(&mut self, cost: u64, fate: Fate, operation: impl FnOnce() -> String) {
        self.request += cost;
        self.total += cost;
        let dearest = match fate {
            Fate::Served => &mut self.worst,
            Fate::Refused => &mut self.worst_refused,
            Fate::Region => &mut self.worst_region,
        };
        if cost > dearest.cost {
            *dearest = Worst { cost, operation: operation() };
        }
        match fate {
            Fate::Served => self.served.push(u32::try_from(cost).unwrap_or(u32::MAX)),
            Fate::Refused => {
                self.refused += 1;
                self.sum_refused += cost;
            }
            Fate::Region => {}
        }
    }

    pub(super) fn request(&mut self) {
        self.worst_request = self.worst_request.max(self.request);
        self.request = 0;
    }

    /// The load proper begins: only the worst operation of what was before counts.
    pub(super) fn measure(&mut self) {
        self.served.clear();
        (self.request, self.worst_request) = (0, 0);
        (self.refused, self.sum_refused) = (0, 0);
    }

    pub(super) fn finish(mut self) -> Self {
        let mut served = std::mem::take(&mut self.served);
        if !served.is_empty() {
            let at = served.len() - 1 - served.len() / 1000;
            self.p999 = u64::from(*served.select_nth_unstable(at).1);
            self.mean = served.iter().map(|&cost| f64::from(cost)).sum::<f64>() / served.len() as f64;
        }
        if self.refused > 0 {
            self.mean_refused = self.sum_refused as f64 / self.refused as f64;
        }
        self
    }

    /// The dearest of all operations, refused ones and those of regions included.
    #[must_use]
    pub fn dearest(&self) -> &Worst {
        [&self.worst, &self.worst_refused, &self.worst_region].into_iter().max_by_key(|w| w.cost).unwrap_or(&self.worst)
    }
}
