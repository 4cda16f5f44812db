//! The memory of a VM as gauges of the proxy: `sluicegate_memory_live`, `_peak`, `_pages` and
//! `_retained`, with the tag `plugin`.
//!
//! A proxy has a VM for each worker thread, and all of them share a gauge. So each VM adds the
//! differences between its figures, and a gauge is the sum over all VMs. When the last plugin of a
//! VM is deleted, the VM subtracts its share. What a VM that trapped has told stays in the gauges.
//!
//! A stream's callback looks at one number: whether linear memory grew. The other figures are read
//! each time that it did, every 64th stream, and after the plugin's own callbacks.

use core::cell::Cell;

use crate::abi::{MetricType, call};
use crate::buffer::Buffer;

/// The metrics by their kinds and names: the figures of [`Figures`], and those of budgets.
const METRICS: &[(MetricType, &[u8])] = &[
    (MetricType::Gauge, b"live"),
    (MetricType::Gauge, b"peak"),
    (MetricType::Gauge, b"pages"),
    (MetricType::Gauge, b"retained"),
    #[cfg(feature = "budget")]
    (MetricType::Gauge, b"held"),
    #[cfg(feature = "budget")]
    (MetricType::Counter, b"grows"),
    #[cfg(feature = "budget")]
    (MetricType::Counter, b"shed"),
    #[cfg(feature = "budget")]
    (MetricType::Counter, b"refused"),
];

/// The positions of the figures in bytes, which not every allocator knows.
const BYTES: core::ops::Range<usize> = 0..2;

/// The changes that are told to the proxy every 64th stream: 4 KiB of bytes, and any change of the
/// others.
#[cfg(feature = "metrics")]
const STEPS: [usize; 4] = [4096, 4096, 1, 1];

/// The figures of a VM: live bytes, their peak, pages, and the blocks that outlive their stream.
pub(crate) type Figures = [usize; 4];

/// The figures of this VM that the proxy has.
struct Told {
    /// The numbers of the metrics. A metric that the host refused, or whose figure is not known,
    /// has none.
    numbers: Cell<[Option<u32>; METRICS.len()]>,
    /// `true` once the metrics were defined, or the host refused.
    defined: Cell<bool>,
    /// `true` if the VM has had a stream or a tick. A VM that is started for a trial has neither.
    serves: Cell<bool>,
    /// `true` if the configuration turns the gauges off.
    off: Cell<bool>,
    /// The pages at the last look, or 0 before the first.
    pages: Cell<usize>,
    /// The share of this VM in the gauges.
    share: Cell<Figures>,
    /// The plugins of the VM.
    plugins: Cell<usize>,
}

crate::__vm_local! {
    static TOLD: Told = Told {
        numbers: Cell::new([None; METRICS.len()]),
        defined: Cell::new(false),
        serves: Cell::new(false),
        off: Cell::new(false),
        pages: Cell::new(0),
        share: Cell::new([0; 4]),
        plugins: Cell::new(0),
    };
}

/// Returns the pages of linear memory.
#[cfg(target_arch = "wasm32")]
#[inline]
fn pages() -> usize {
    core::arch::wasm32::memory_size::<0>()
}

/// Returns the pages of the program's allocator: a native program has no linear memory.
#[cfg(not(target_arch = "wasm32"))]
fn pages() -> usize {
    sluicegate_alloc::usage().pages
}

/// Returns the figures now.
#[cfg(feature = "budget")]
fn figures(_: &Figures) -> Figures {
    let (live, peak) = crate::budget::live_and_peak();
    [live, peak, pages(), sluicegate_alloc::usage().retained]
}

/// Returns the figures now. Live bytes are exact if the allocator counts them, and else what it
/// knows without counting.
#[cfg(not(feature = "budget"))]
fn figures(share: &Figures) -> Figures {
    let usage = sluicegate_alloc::usage();
    let counted = sluicegate_alloc::live();
    let live = if counted > 0 { counted } else { usage.live };
    let [_, peak, ..] = *share;
    [live, peak.max(live), pages(), usage.retained]
}

/// Defines the metrics at the start of a VM, if its memory is known. The first plugin of a VM is
/// the same one in all worker threads.
#[cfg(feature = "metrics")]
pub(crate) fn start() {
    if pages() > 0 {
        define();
    }
}

/// Defines the metrics, once in a VM, with the name of the plugin whose callback runs.
#[cold]
fn define() {
    if TOLD.with(|told| told.defined.replace(true)) {
        return;
    }
    let plugin = call::property(b"plugin_name").ok();
    let plugin: &[u8] = plugin.as_deref().filter(|name| !name.is_empty()).unwrap_or(b"unnamed");
    // A control byte would forge a line of the metrics that the proxy publishes.
    if plugin.iter().any(u8::is_ascii_control) {
        return;
    }
    let [live, ..] = figures(&[0; 4]);
    let counts = cfg!(feature = "budget") || live > 0;
    let mut numbers = [None; METRICS.len()];
    for (place, (number, (kind, name))) in numbers.iter_mut().zip(METRICS).enumerate() {
        if counts || !BYTES.contains(&place) {
            *number = defined(*kind, name, plugin);
            if number.is_none() {
                // A host that refuses one has no metrics.
                break;
            }
        }
    }
    TOLD.with(|told| told.numbers.set(numbers));
}

fn defined(kind: MetricType, name: &[u8], plugin: &[u8]) -> Option<u32> {
    let mut full = Buffer::new();
    for part in [b"sluicegate_memory_", name, b"_plugin=", plugin] {
        full.push(part).ok()?;
    }
    call::define_metric(kind, full.written()).ok()
}

/// Notes that the VM serves: from here on its figures are told.
#[cfg(feature = "metrics")]
pub(crate) fn serve() {
    TOLD.with(|told| told.serves.set(true));
}

/// Tells the proxy all figures if memory grew in a stream's callback.
///
/// **Cost:** five instructions, and more only if memory grew.
#[cfg(feature = "metrics")]
#[inline]
pub(crate) fn after_stream() {
    if pages() != TOLD.with(|told| told.pages.get()) {
        grown();
    }
}

#[cfg(feature = "metrics")]
#[cold]
#[inline(never)]
fn grown() {
    serve();
    tell(&[1; 4]);
}

/// Tells the proxy all figures that have changed, after a callback of the plugin.
#[cfg(feature = "metrics")]
pub(crate) fn after_plugin() {
    if TOLD.with(|told| told.serves.get()) {
        tell(&[1; 4]);
    }
}

/// Tells the proxy the figures that have changed by a step: every 64th stream.
#[cfg(feature = "metrics")]
#[cold]
pub(crate) fn look() {
    tell(&STEPS);
}

/// Tells the proxy all figures that have changed.
#[cfg(feature = "budget")]
pub(crate) fn tell_all() {
    define();
    tell(&[1; 4]);
}

/// Adds to each gauge by how much its figure has changed, if that is a step. If the host refuses an
/// update, the update is lost, and the filter goes on.
#[inline(never)]
fn tell(steps: &Figures) {
    TOLD.with(|told| told.pages.set(pages()));
    if TOLD.with(|told| told.off.get()) {
        return;
    }
    let share = TOLD.with(|told| told.share.get());
    add(&figures(&share), steps);
}

fn add(figures: &Figures, steps: &Figures) {
    let numbers = TOLD.with(|told| told.numbers.get());
    for (place, ((number, now), step)) in numbers.into_iter().zip(figures).zip(steps).enumerate() {
        let mut share = TOLD.with(|told| told.share.get());
        let Some(last) = share.get_mut(place) else { continue };
        let before = core::mem::replace(last, *now);
        if before.abs_diff(*now) >= *step {
            // Noted before the call: a host may call back within it.
            TOLD.with(|told| told.share.set(share));
            increment(number, difference(*now, before));
        }
    }
}

fn difference(now: usize, before: usize) -> i64 {
    now.wrapping_sub(before).cast_signed() as i64
}

fn increment(number: Option<u32>, by: i64) {
    if let (Some(number), true) = (number, by != 0) {
        let _ = call::increment_metric(number, by);
    }
}

/// Adds to the gauge of held bytes, and to the counters of grows, shed streams and refused blocks.
#[cfg(feature = "budget")]
pub(crate) fn tell_budget(held: (usize, usize), counted: [u64; 3]) {
    let [.., of_held, grows, shed, refused] = TOLD.with(|told| told.numbers.get());
    let (now, before) = held;
    increment(of_held, difference(now, before));
    for (number, by) in [grows, shed, refused].into_iter().zip(counted) {
        increment(number, by.cast_signed());
    }
}

/// Subtracts the share of this VM from the gauges.
fn take_back() {
    add(&[0; 4], &[1; 4]);
    TOLD.with(|told| told.pages.set(0));
}

/// Turns the gauges off or on, as the configuration says.
#[cfg(feature = "budget")]
pub(crate) fn turn_off(off: bool) {
    if off {
        take_back();
    }
    TOLD.with(|told| told.off.set(off));
}

/// Notes that the VM has a plugin more.
pub(crate) fn plugin_created() {
    TOLD.with(|told| told.plugins.set(told.plugins.get().saturating_add(1)));
}

/// Notes that a plugin is gone. The VM ends with its last plugin, as far as the guest can see.
pub(crate) fn plugin_deleted() {
    let left = TOLD.with(|told| told.plugins.get().saturating_sub(1));
    TOLD.with(|told| told.plugins.set(left));
    if left == 0 {
        take_back();
        TOLD.with(|told| told.serves.set(false));
    }
}
