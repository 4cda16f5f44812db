//! A profile in the format of pprof: the protobuf message `perftools.profiles.Profile`. It is not
//! compressed with gzip. Every reader accepts this.
//!
//! Each site is a sample with a stack of three frames, with the callback innermost, and two values:
//! live blocks and live bytes. Equal names share a location and a function.

use core::fmt;

use super::text::{NO_CALLBACK, NO_FILTER, NO_PLUGIN};
use super::{Live, Names, Profile};

/// Fields of `Profile`.
const SAMPLE_TYPE: u32 = 1;
const SAMPLE: u32 = 2;
const LOCATION: u32 = 4;
const FUNCTION: u32 = 5;
const STRING_TABLE: u32 = 6;
const PERIOD_TYPE: u32 = 11;
const PERIOD: u32 = 12;
const DEFAULT_SAMPLE_TYPE: u32 = 14;

/// The first strings, of which the empty one must be first; then three for each site.
const STRINGS: [&str; 6] = ["", "inuse_objects", "count", "inuse_space", "bytes", "space"];
const OBJECTS: u64 = 1;
const COUNT: u64 = 2;
const INUSE: u64 = 3;
const BYTES: u64 = 4;
const SPACE: u64 = 5;

/// Frames of a stack: callback, filter, plugin.
const FRAMES: usize = 3;

/// Where the bytes go.
type Out<'a> = dyn FnMut(&[u8]) -> fmt::Result + 'a;

impl Profile {
    /// Writes the profile for pprof: `go tool pprof FILE`, or <https://speedscope.app>.
    ///
    /// # Errors
    ///
    /// Fails if `out` fails.
    pub fn pprof(&self, names: &Names<'_>, out: &mut Out<'_>) -> fmt::Result {
        for (kind, unit) in [(OBJECTS, COUNT), (INUSE, BYTES)] {
            Message::new().number(1, kind).number(2, unit).write(SAMPLE_TYPE, out)?;
        }
        for (place, live) in self.sites().enumerate() {
            let mut stack = Message::new();
            for frame in 0..FRAMES {
                stack = stack.varint(self.first(place, frame, names));
            }
            let values = Message::new().varint(live.blocks).varint(live.bytes);
            Message::new().bytes(1, stack.written()).bytes(2, values.written()).write(SAMPLE, out)?;
        }
        for place in 0..self.sites().count() {
            for frame in 0..FRAMES {
                let id = id(place, frame);
                if self.first(place, frame, names) == id {
                    let line = Message::new().number(1, id);
                    Message::new().number(1, id).bytes(4, line.written()).write(LOCATION, out)?;
                    let name = STRINGS.len() as u64 + id - 1;
                    Message::new().number(1, id).number(2, name).number(3, name).write(FUNCTION, out)?;
                }
            }
        }
        for text in STRINGS {
            string(text.as_bytes(), out)?;
        }
        for live in self.sites() {
            for frame in 0..FRAMES {
                name(live, frame, names, |name| string(name.as_bytes(), out))?;
            }
        }
        Message::new().number(1, SPACE).number(2, BYTES).write(PERIOD_TYPE, out)?;
        let end = Message::new().number(PERIOD, self.interval as u64).number(DEFAULT_SAMPLE_TYPE, INUSE);
        out(end.written())
    }

    /// Returns the number of a frame: that of the first one with its name.
    fn first(&self, place: usize, frame: usize, names: &Names<'_>) -> u64 {
        let Some(live) = self.sites().nth(place) else { return id(place, frame) };
        let same = |other: &Live| match frame {
            0 => other.site.callback == live.site.callback,
            1 => other.site.filter == live.site.filter,
            _ => {
                other.site.plugin == live.site.plugin || {
                    let (other, own) = (names(other.site.plugin), names(live.site.plugin));
                    own.is_some() && other == own
                }
            }
        };
        id(self.sites().position(same).unwrap_or(place), frame)
    }
}

/// Returns the number of a frame, from one on.
const fn id(place: usize, frame: usize) -> u64 {
    (place * FRAMES + frame + 1) as u64
}

/// Calls `with` with the name of a frame.
fn name<T>(live: &Live, frame: usize, names: &Names<'_>, with: impl FnOnce(&str) -> T) -> T {
    match frame {
        0 => with(live.site.callback.unwrap_or(NO_CALLBACK)),
        1 => with(live.site.filter.unwrap_or(NO_FILTER)),
        _ => match names(live.site.plugin) {
            Some(name) => with(name),
            None if live.site.plugin == 0 => with(NO_PLUGIN),
            None => {
                let mut text = *b"plugin 0000000000";
                let mut rest = live.site.plugin;
                for digit in text.iter_mut().rev().take(10) {
                    *digit = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
                // Without the zeros in front.
                let zeros = text[7..16].iter().take_while(|digit| **digit == b'0').count();
                text.copy_within(7 + zeros.., 7);
                with(str::from_utf8(&text[..17 - zeros]).unwrap_or(NO_PLUGIN))
            }
        },
    }
}

/// Writes an entry of the table of strings.
fn string(text: &[u8], out: &mut Out<'_>) -> fmt::Result {
    out(Message::new().varint(u64::from(STRING_TABLE << 3 | 2)).varint(text.len() as u64).written())?;
    out(text)
}

/// A small message, or a part of one: no message here is larger but for texts.
struct Message {
    bytes: [u8; 64],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
        self
    }

    /// Adds a field that is a number.
    fn number(self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field << 3)).varint(value)
    }

    /// Adds a field that is a message, or packed numbers.
    fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut message = self.varint(u64::from(field << 3 | 2)).varint(value.len() as u64);
        for byte in value {
            message.byte(*byte);
        }
        message
    }

    /// Writes the message as a field of the profile.
    fn write(&self, field: u32, out: &mut Out<'_>) -> fmt::Result {
        out(Self::new().varint(u64::from(field << 3 | 2)).varint(self.len as u64).written())?;
        out(self.written())
    }
}
