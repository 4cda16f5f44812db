//! Reads of a map that no snapshot keeps.

use super::HeaderMap;
use crate::abi::{HostBytes, MapType, Refused, Status, call};
use crate::error::{Error, Result};

/// Fetches a whole map.
pub(crate) fn fetch(map: MapType) -> Result<HeaderMap> {
    let block = call::map(map).map_err(|refused| Error::host("proxy_get_header_map_pairs", map, refused))?;
    HeaderMap::decode(map, block)
}

/// Returns the first value of a name, or `None` if there is none. Envoy refuses a single value of a
/// map that it shows as empty: one that does not exist, or that has gone on.
pub(crate) fn fetch_value(map: MapType, name: &[u8]) -> Result<Option<HostBytes>> {
    match call::map_value(map, name) {
        Ok(value) => Ok(Some(value)),
        Err(Refused::Status(Status::NotFound | Status::BadArgument)) => Ok(None),
        Err(refused) => Err(Error::host("proxy_get_header_map_value", map, refused)),
    }
}
