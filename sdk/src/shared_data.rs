//! Values that VMs share through the proxy, under keys.
//!
//! The store belongs to the proxy. All VMs of the same `vm_id` see the same values, across all
//! worker threads and all plugins that name the `vm_id`. The store lives as long as one of these
//! VMs.
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
//! The ABI cannot delete a key, and cannot list the keys. A key with an empty value is the smallest
//! remainder: the key and a few words stay in the proxy until the last VM of its `vm_id` is gone.
//! Other SDKs call this removing. So a key that a client chooses is a memory leak in the proxy that
//! any client can drive: limit the keys to a small fixed set.
//!
//! # Cost
//!
//! Reading is one host call and one block, which the host allocates (0.63 µs in Envoy for 16
//! bytes). Writing is one host call that returns nothing. In the proxy both take a lock that all
//! worker threads share.

use core::fmt;
use core::ops::Deref;

use crate::abi::{HostBytes, Refused, Status, call};
use crate::error::{Call, Error, Result};

const GET: Call = Call { function: "proxy_get_shared_data", about: "key" };
const SET: Call = Call { function: "proxy_set_shared_data", about: "key" };

/// The number of attempts of [`update`].
const ATTEMPTS: usize = 16;

/// A CAS number that no value has: hosts count up from 1. Envoy writes an absent key whatever
/// number is passed, so with this number a key is written only if it is absent. The number lies in
/// the middle, because some hosts give the value the next number: after `u32::MAX` that would be 0,
/// which compares nothing.
const OF_NONE: u32 = 1 << 31;

/// A value of the store as it was when it was read: its bytes, and the number of this version of
/// the value.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::shared_data;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     shared_data::set("key", "value")?;
///     let value = shared_data::get("key")?.expect("it is set");
///     assert_eq!(&*value, b"value");
///     assert!(shared_data::compare_and_set("key", "other", value.cas())?);
///     info!("plugin {} was first", plugin.id());
///     Ok(())
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
///
/// # Cost
///
/// None beyond the read: the value is the block that the host wrote.
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

    /// Returns the bytes, without the number.
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

/// Returns the value of a key, or `None` if the key was never set. A key that was set to an empty
/// value returns `Some` of no bytes.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::shared_data;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     let leader = shared_data::get("leader")?;
///     assert!(leader.is_none());
///     shared_data::set("leader", plugin.id().to_string())
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
///
/// # Errors
///
/// Fails if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// One host call and one block, which the host allocates (0.63 µs in Envoy).
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

/// Sets a key, and replaces any value that it has.
///
/// # Errors
///
/// Fails if the host refuses.
///
/// # Cost
///
/// One host call that returns nothing. The host copies key and value.
#[doc(alias = "SetSharedData")]
#[doc(alias = "set_shared_data")]
#[doc(alias = "remove_shared_data")]
pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
    let key = key.as_ref();
    call::set_shared_data(key, value.as_ref(), 0).map_err(|status| failed(key, status))
}

/// Sets a key if its value is still the version that [`get`] returned with this number. Returns
/// `false` if another VM changed the value before.
///
/// # Errors
///
/// Fails without a host call if the number is 0, with which a host would set the key without
/// comparing. Fails if the host refuses.
///
/// # Cost
///
/// The cost of [`set`].
#[doc(alias = "SetSharedData")]
#[doc(alias = "set_shared_data")]
pub fn compare_and_set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, cas: u32) -> Result<bool> {
    let key = key.as_ref();
    if cas == 0 {
        return Err(Error::not_asked(&SET, key, &"the CAS number 0 means no comparison"));
    }
    set_if(key, value.as_ref(), cas)
}

/// Replaces the value of a key by the result of a function, without losing a value that another VM
/// writes meanwhile. If another VM writes, the function runs again with the new value, up to 16
/// times in all. The function gets `None` if the key was never set.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::shared_data;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     shared_data::update("starts", |count| {
///         let count = count.and_then(|count| count.try_into().ok()).map_or(0, u64::from_le_bytes);
///         (count + 1).to_le_bytes()
///     })?;
///     info!("plugin {} has started", plugin.id());
///     Ok(())
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
///
/// # Errors
///
/// Fails with the status [`Status::CasMismatch`] if another VM wrote first 16 times. Fails if the
/// host refuses, or if the SDK is out of memory.
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
                // If the key is still absent next time, this host compares the number even for an
                // absent key.
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
        // `NotFound`: a host that can delete has deleted the key since.
        Err(Status::CasMismatch | Status::NotFound) => Ok(false),
        Err(status) => Err(failed(key, status)),
    }
}

fn failed(key: &[u8], status: Status) -> Error {
    Error::named(&SET, key, status, &"")
}
