//! The header maps that a filter sees and edits.

use sluicegate::abi::{MapType, Status};

use super::{Abi, State};
use crate::map::Map;

impl State {
    /// Whether the filter sees a map: that of an answer, or one that has not gone on. Later only
    /// the log does.
    pub(super) fn shows(&self, map: u32) -> bool {
        self.answer.maps.contains_key(&map)
            || self.streams.get(&self.effective).is_some_and(|stream| stream.visible.contains(&map))
    }

    /// A map to look into: also those that went on, for the log.
    fn read_map(&self, map: u32) -> Result<&Map, Status> {
        if let Some(map) = self.answer.maps.get(&map) {
            return Ok(map);
        }
        // The log has no trailers of the request.
        let shown = if self.logging { map != MapType::HttpRequestTrailers as u32 } else { self.shows(map) };
        if !shown {
            return Err(Status::BadArgument);
        }
        let stream = self.streams.get(&self.effective).ok_or(Status::BadArgument)?;
        stream.maps.get(&map).ok_or(Status::BadArgument)
    }

    /// The first value of a name. ABI 0.1.0 has an empty value in place of a name that is not
    /// there.
    pub(crate) fn value(&self, map: u32, name: &[u8]) -> Result<Vec<u8>, Status> {
        let found = match self.read_map(map) {
            // To the log a map that does not exist is one without the name.
            Err(_) if self.logging && map <= MapType::HttpCallResponseTrailers as u32 => None,
            read => read?.get(name),
        };
        match found {
            Some(value) => Ok(value.to_vec()),
            None if self.abi == Abi::V0_1_0 => Ok(Vec::new()),
            None => Err(Status::NotFound),
        }
    }

    /// A map of the effective stream, or of the answer that is being delivered, to edit.
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

    /// All pairs of a map: none, without an error, where there is no map. That is Envoy's way.
    pub(crate) fn pairs(&self, map: u32) -> Result<Vec<u8>, Status> {
        if map > MapType::HttpCallResponseTrailers as u32 {
            return Err(Status::BadArgument);
        }
        Ok(self.read_map(map).map(Map::encode).unwrap_or_default())
    }
}
