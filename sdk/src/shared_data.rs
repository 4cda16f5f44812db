//! Values that VMs share through the proxy, under keys.
//!
//! The store belongs to the proxy. All VMs of the same `vm_id` see the same values: those of all
//! worker threads, and of all plugins that name that `vm_id`. It lives as long as one of them does.
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate::shared_data;
//!
//! /// Counts over all worker threads.
//! fn count(key: &str) -> Result<()> {
//!     shared_data::update(key, |value| {
//!         let value = value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_le_bytes);
//!         value.wrapping_add(1).to_le_bytes()
//!     })
//! }
//! ```
//!
//! # Nothing can be deleted
//!
//! The ABI has no way to delete a key, and none to list them. An empty value is the least that can
//! be left of one: the key and a few words stay in the proxy until the last VM of its `vm_id` is
//! gone. What other SDKs call removing is that. So a key that a client chooses is a memory leak in
//! the proxy that any client can drive: keep the keys to a fixed few.
//!
//! # Cost
//!
//! Reading is one host call and one block of the host's (0.63 µs in Envoy for 16 bytes); writing is
//! one host call that gives nothing back. In the proxy both take a lock that all worker threads
//! share.

use core::fmt;
use core::ops::Deref;

use crate::abi::{HostBytes, Refused, Status, call};
use crate::error::{Call, Error, Result};

const GET: Call = Call { function: "proxy_get_shared_data", about: "key" };
const SET: Call = Call { function: "proxy_set_shared_data", about: "key" };

/// How often [`update`] tries.
const ATTEMPTS: usize = 16;

/// A CAS number that no value has: hosts count up from 1. Envoy writes a key that is absent
/// whatever number comes with it, so with this one a key is written only if it is absent. In the
/// middle of the numbers, because there are hosts that give the value the number after this one:
/// after `u32::MAX` that would be 0, which compares nothing.
const OF_NONE: u32 = 1 << 31;

/// A value of the store as it was when it was read: its bytes, and the number that tells whether it
/// is still the same.
///
/// # Cost
///
/// None beyond the read: it is the block that the host wrote.
pub struct SharedValue {
    bytes: HostBytes,
    cas: u32,
}

impl SharedValue {
    /// Returns the number of this version of the value, for [`compare_and_set`].
    #[must_use]
    pub const fn cas(&self) -> u32 {
        self.cas
    }

    /// Returns the bytes alone.
    #[must_use]
    pub fn into_bytes(self) -> HostBytes {
        self.bytes
    }
}

impl Deref for SharedValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for SharedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedValue").field("bytes", &self.bytes).field("cas", &self.cas).finish()
    }
}

/// Returns the value of a key: none if it was never set, `Some` of no bytes if it was set to
/// nothing.
///
/// # Errors
///
/// Fails if the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// One host call and one block of the host's (0.63 µs in Envoy).
#[doc(alias = "GetSharedData")]
#[doc(alias = "get_shared_data")]
pub fn get(key: impl AsRef<[u8]>) -> Result<Option<SharedValue>> {
    let key = key.as_ref();
    match call::shared_data(key) {
        Ok((bytes, cas)) => Ok(Some(SharedValue { bytes, cas })),
        Err(Refused::Status(Status::NotFound)) => Ok(None),
        Err(refused) => Err(Error::named(&GET, key, refused, &"")),
    }
}

/// Sets a key, whatever its value is now.
///
/// # Errors
///
/// Fails if the host refuses.
///
/// # Cost
///
/// One host call that gives nothing back; the host copies key and value.
#[doc(alias = "SetSharedData")]
#[doc(alias = "set_shared_data")]
#[doc(alias = "remove_shared_data")]
pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
    let key = key.as_ref();
    call::set_shared_data(key, value.as_ref(), 0).map_err(|status| failed(key, status))
}

/// Sets a key if its value is still the one that [`get`] gave with this number; false if someone
/// else was first.
///
/// # Errors
///
/// Fails if the host refuses, or the number is 0, with which a host would set the key whatever its
/// value is.
///
/// # Cost
///
/// The cost of [`set`].
#[doc(alias = "SetSharedData")]
#[doc(alias = "set_shared_data")]
pub fn compare_and_set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, cas: u32) -> Result<bool> {
    let key = key.as_ref();
    if cas == 0 {
        return Err(Error::not_asked(&SET, key, &"a CAS number of 0 compares nothing"));
    }
    set_if(key, value.as_ref(), cas)
}

/// Replaces the value of a key by what the function makes of it, without losing what another VM
/// writes meanwhile: if one does, the function runs again with the new value, up to 16 times. It
/// gets none if the key was never set.
///
/// # Errors
///
/// Fails if 16 times someone else was first, an error with the status [`Status::CasMismatch`]. If
/// the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// A [`get`] and a [`set`] for each time that the function runs.
pub fn update<V: AsRef<[u8]>>(key: impl AsRef<[u8]>, mut update: impl FnMut(Option<&[u8]>) -> V) -> Result<()> {
    let key = key.as_ref();
    let mut cas_of_none = OF_NONE;
    for _ in 0..ATTEMPTS {
        let written = match get(key)? {
            Some(value) => {
                let updated = update(Some(&value));
                compare_and_set(key, updated, value.cas)?
            }
            None => {
                let written = set_if(key, update(None).as_ref(), cas_of_none)?;
                // If the key is absent all the same next time, this host does compare the number of
                // nothing.
                cas_of_none = 0;
                written
            }
        };
        if written {
            return Ok(());
        }
    }
    Err(failed(key, Status::CasMismatch))
}

fn set_if(key: &[u8], value: &[u8], cas: u32) -> Result<bool> {
    match call::set_shared_data(key, value, cas) {
        Ok(()) => Ok(true),
        // Not found: a host that can delete has done so since.
        Err(Status::CasMismatch | Status::NotFound) => Ok(false),
        Err(status) => Err(failed(key, status)),
    }
}

fn failed(key: &[u8], status: Status) -> Error {
    Error::named(&SET, key, status, &"")
}
