//! The header maps that a filter sees and edits.

use sluicegate::abi::{MapType, Status};

use crate::model::map::Map;
use crate::model::state::State;
use crate::model::version::Abi;

impl State {
    /// Returns whether the filter sees a map: a map of a call's response, or one that has not gone
    /// on. Maps that went on are visible to the log only.
    pub(super) fn shows(&self, map: u32) -> bool {
        self.answer.maps.contains_key(&map)
            || self.streams.get(&self.effective).is_some_and(|stream| stream.visible.contains(&map))
    }

    /// Returns a map to read. The log reads maps that went on, too.
    fn read_map(&self, map: u32) -> Result<&Map, Status> {
        if let Some(map) = self.answer.maps.get(&map) {
            return Ok(map);
        }
        // The log does not see the request's trailers.
        let shown = if self.logging { map != MapType::HttpRequestTrailers as u32 } else { self.shows(map) };
        if !shown {
            return Err(Status::BadArgument);
        }
        let stream = self.streams.get(&self.effective).ok_or(Status::BadArgument)?;
        stream.maps.get(&map).ok_or(Status::BadArgument)
    }

    /// Returns the first value of `name`.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if the map has no such header. In ABI 0.1.0 this returns an
    /// empty value instead. Fails with [`Status::BadArgument`] if the filter does not see the map.
    pub(crate) fn value(&self, map: u32, name: &[u8]) -> Result<Vec<u8>, Status> {
        let found = match self.read_map(map) {
            // For the log, a map that does not exist is a map without the name.
            Err(_) if self.logging && map <= MapType::HttpCallResponseTrailers as u32 => None,
            read => read?.get(name),
        };
        match found {
            Some(value) => Ok(value.to_vec()),
            None if self.abi == Abi::V0_1_0 => Ok(Vec::new()),
            None => Err(Status::NotFound),
        }
    }

    /// Returns a map to edit: of the effective stream, or of the response that is being delivered.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] if the filter does not see the map.
    pub(crate) fn map(&mut self, map: u32) -> Result<&mut Map, Status> {
        if let Some(map) = self.answer.maps.get_mut(&map) {
            return Ok(map);
        }
        let stream = self.streams.get_mut(&self.effective).ok_or(Status::BadArgument)?;
        if !stream.visible.contains(&map) {
            return Err(Status::BadArgument);
        }
        stream.maps.get_mut(&map).ok_or(Status::BadArgument)
    }

    /// Returns all pairs of a map, encoded. Like Envoy, this returns no pairs if there is no such
    /// map.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] if the number is not that of a map.
    pub(crate) fn pairs(&self, map: u32) -> Result<Vec<u8>, Status> {
        if map > MapType::HttpCallResponseTrailers as u32 {
            return Err(Status::BadArgument);
        }
        Ok(self.read_map(map).map(Map::encode).unwrap_or_default())
    }
}
