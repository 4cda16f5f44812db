//! Live bytes by callback, as gauges of the proxy.

use core::cell::RefCell;

use alloc::vec::Vec;

use super::{Site, names, take};
use crate::ToValue;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::metric::Gauge;

/// The figures of a site that the proxy was given.
struct Told {
    site: Site,
    gauge: Gauge,
    bytes: u64,
}

crate::__vm_local! {
    static TOLD: RefCell<Vec<Told>> = RefCell::new(Vec::new());
}

/// Tells the proxy the live bytes of each callback: the gauges `sluicegate_heap_live` with the tags
/// `plugin` and `callback`. Differences are added, so each gauge is the sum over all VMs and
/// filters.
///
/// # Errors
///
/// Fails if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// As [`take`], and one host call for each callback whose bytes have changed. The first time of a
/// callback its gauge is defined.
pub fn publish() -> Result<()> {
    let profile = take();
    // Out of the cell: a host may call back within a host call.
    let mut told =
        TOLD.with(|told| told.try_borrow_mut().map_or_else(|_| Vec::new(), |mut told| core::mem::take(&mut *told)));
    let done = profile.sites().try_for_each(|live| {
        if told.iter().any(|told| told.site == live.site) {
            return Ok(());
        }
        told.try_reserve(1).map_err(|_| Error::out_of_memory(size_of::<Told>()))?;
        told.push(Told { site: live.site, gauge: define(&live.site)?, bytes: 0 });
        Ok(())
    });
    let done = done.and_then(|()| {
        told.iter_mut().try_for_each(|told| {
            let now = profile.sites().find(|live| live.site == told.site).map_or(0, |live| live.bytes);
            if now != told.bytes {
                told.gauge.add(now.wrapping_sub(told.bytes).cast_signed())?;
                told.bytes = now;
            }
            Ok(())
        })
    });
    TOLD.with(|cell| {
        if let Ok(mut cell) = cell.try_borrow_mut() {
            *cell = told;
        }
    });
    done
}

fn define(site: &Site) -> Result<Gauge> {
    let (mut plugin, mut callback) = (Buffer::new(), Buffer::new());
    names::with(|names| match names(site.plugin()) {
        Some(name) => plugin.append(name.as_bytes()),
        None => site.plugin().with_value(|number| plugin.append(number)),
    })?;
    for byte in site.callback().unwrap_or("none").bytes() {
        callback.append(&[if byte == b'_' { b'-' } else { byte }])?;
    }
    Gauge::with_tags("sluicegate_heap_live", &[("plugin", plugin.written()), ("callback", callback.written())])
}
