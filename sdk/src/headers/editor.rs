//! Single edits of a map that the host holds.

use crate::ToValue;
use crate::abi::{MapType, call};
use crate::error::{Error, Result};

/// Edits a map at the host, entry by entry.
///
/// # Cost
///
/// One host call that returns nothing for each edit (0.1 to 0.2 µs in Envoy).
#[derive(Clone, Copy, Debug)]
pub struct MapEditor {
    map: MapType,
}

impl MapEditor {
    pub(crate) const fn new(map: MapType) -> Self {
        Self { map }
    }

    /// Appends an entry, beside any of the same name.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    pub fn add(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value
            .with_value(|value| call::add_map_value(self.map, name.as_ref(), value))
            .map_err(|status| Error::host("proxy_add_header_map_value", self.map, status))
    }

    /// Sets the value of a name, whether it is there or not.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    pub fn replace(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value
            .with_value(|value| call::replace_map_value(self.map, name.as_ref(), value))
            .map_err(|status| Error::host("proxy_replace_header_map_value", self.map, status))
    }

    /// Removes all entries of a name; none is fine too.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Result<()> {
        call::remove_map_value(self.map, name.as_ref())
            .map_err(|status| Error::host("proxy_remove_header_map_value", self.map, status))
    }
}
