//! The cost of operations.

use serde::Serialize;

/// The most expensive operation.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Worst {
    /// Its instructions.
    pub cost: u64,
    /// Its kind.
    pub operation: String,
}

/// The instructions of a trace's operations.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Costs {
    /// The most expensive operation, including those before the load proper.
    pub worst: Worst,
    /// The most expensive refused operation.
    pub worst_refused: Worst,
    /// The most expensive operation that opens, enters, leaves or closes a region.
    pub worst_region: Worst,
    /// The most expensive request of the load proper: all of its operations together.
    pub worst_request: u64,
    /// The number of instructions that one in a thousand operations of the load proper exceeds.
    pub p999: u64,
    /// The mean of the served operations.
    pub mean: f64,
    /// The mean of the refused operations, or zero if there are none.
    pub mean_refused: f64,
    /// The number of refused operations.
    pub refused: usize,
    /// The sum over all operations, including those before the load proper.
    pub total: u64,
    #[serde(skip)]
    request: u64,
    /// The served operations of the load proper.
    #[serde(skip)]
    served: Vec<u32>,
    #[serde(skip)]
    sum_refused: u64,
}

/// The result of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Served,
    Refused,
    /// The operation was one of a region, and not of a block.
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

    /// Begins the load proper. Of the operations before it only the worst one counts.
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

    /// Returns the most expensive operation, including refused ones and those of regions.
    #[must_use]
    pub fn dearest(&self) -> &Worst {
        [&self.worst, &self.worst_refused, &self.worst_region].into_iter().max_by_key(|w| w.cost).unwrap_or(&self.worst)
    }
}
