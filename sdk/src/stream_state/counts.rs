//! The counts of a stream: the holders of each direction, the calls without a response, and rare
//! facts about its bodies.

use core::cell::Cell;

use super::place;
use crate::abi::StreamType;

/// The number of bits for the holders of one direction. Those of the second direction follow.
const HOLDERS: u32 = 10;
/// The largest number of holders of a direction.
pub(super) const MOST_HOLDERS: u32 = (1 << HOLDERS) - 1;
/// The first bit of the calls.
const CALLS: u32 = 2 * HOLDERS;
/// The number of calls from which on they are not counted any more.
const MANY_CALLS: u32 = 7;
/// The first bit of the marks.
const MARKS: u32 = CALLS + 3;

// Marks of a direction, which are shifted left by one for the second direction.
/// The headers were resumed between callbacks, and the parts of the body that had come follow them.
pub(super) const LATE: u32 = 1 << MARKS;
/// The message was resumed at its trailers. The proxy may show its last part and its trailers once
/// more.
pub(super) const REPEATS: u32 = 1 << (MARKS + 2);
/// The filter lets the body pass in parts.
pub(super) const IN_PARTS: u32 = 1 << (MARKS + 4);
/// The message has ended, and a callback paused it there. No callback for the message follows.
pub(super) const AT_END: u32 = 1 << (MARKS + 6);
/// A call of the callback that runs has failed within its host call.
const CALL_FAILED: u32 = 1 << 31;

/// The counts of a stream in one word. A state of these counts and its bits is two words, so a
/// callback that begins one makes one store.
pub(super) struct Counts(Cell<u32>);

impl Counts {
    pub(super) const fn new() -> Self {
        Self(Cell::new(0))
    }

    fn field(&self, first: u32, most: u32) -> u32 {
        self.0.get() >> first & most
    }

    /// Returns the number of holders of a direction.
    pub(super) fn holders(&self, direction: StreamType) -> u32 {
        self.field(HOLDERS * place(direction), MOST_HOLDERS)
    }

    /// Returns whether anybody holds a direction.
    pub(super) fn holds(&self) -> bool {
        self.field(0, (1 << CALLS) - 1) > 0
    }

    /// Counts one more holder. Returns `false` if there are too many.
    #[must_use]
    pub(super) fn hold(&self, direction: StreamType) -> bool {
        let has_room = self.holders(direction) < MOST_HOLDERS;
        if has_room {
            self.0.set(self.0.get() + (1 << (HOLDERS * place(direction))));
        }
        has_room
    }

    /// Counts one holder less.
    pub(super) fn release(&self, direction: StreamType) {
        if self.holders(direction) > 0 {
            self.0.set(self.0.get() - (1 << (HOLDERS * place(direction))));
        }
    }

    /// Returns the number of calls that have no response yet.
    pub(super) fn calls(&self) -> u32 {
        self.field(CALLS, MANY_CALLS)
    }

    /// Counts a call.
    pub(super) fn ask(&self) {
        if self.calls() < MANY_CALLS {
            self.0.set(self.0.get() + (1 << CALLS));
        }
    }

    /// Counts the last response to a call. If there were too many calls to count, the number stays.
    pub(super) fn answered(&self) {
        if (1..MANY_CALLS).contains(&self.calls()) {
            self.0.set(self.0.get() - (1 << CALLS));
        }
    }

    pub(super) fn mark(&self, marks: u32) {
        self.0.set(self.0.get() | marks);
    }

    #[inline]
    pub(super) fn is_marked(&self, marks: u32) -> bool {
        self.0.get() & marks != 0
    }

    /// Returns the directions that are paused at their end: a bit for each.
    pub(super) fn at_end(&self) -> u32 {
        (self.0.get() / AT_END) & 3
    }

    /// Notes whether a call of the callback that runs has failed within its host call.
    pub(super) fn set_call_failed(&self, failed: bool) {
        let others = self.0.get() & !CALL_FAILED;
        self.0.set(if failed { others | CALL_FAILED } else { others });
    }

    /// Returns whether a call of the callback that runs has failed within its host call.
    pub(super) fn call_failed(&self) -> bool {
        self.0.get() & CALL_FAILED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [StreamType; 2] = [StreamType::HttpRequest, StreamType::HttpResponse];

    #[test]
    fn no_count_reaches_into_another() {
        let counts = Counts::new();
        for direction in BOTH {
            for held in 0..MOST_HOLDERS {
                assert_eq!(counts.holders(direction), held);
                assert!(counts.hold(direction));
            }
            assert!(!counts.hold(direction));
        }
        for asked in 0..MANY_CALLS {
            assert_eq!(counts.calls(), asked);
            counts.ask();
        }
        counts.ask();
        let marks = (LATE * 3) | (REPEATS * 3) | (IN_PARTS * 3) | (AT_END * 3);
        assert!(!counts.is_marked(marks) && !counts.call_failed());
        counts.mark(marks);
        assert!(!counts.call_failed());
        counts.set_call_failed(true);
        assert_eq!(BOTH.map(|direction| counts.holders(direction)), [MOST_HOLDERS; 2]);
        assert_eq!((counts.calls(), counts.call_failed()), (MANY_CALLS, true));

        counts.set_call_failed(false);
        for direction in BOTH {
            for _ in 0..=MOST_HOLDERS {
                counts.release(direction);
            }
            assert_eq!(counts.holders(direction), 0);
        }
        assert_eq!((counts.holds(), counts.calls(), counts.call_failed()), (false, MANY_CALLS, false));
    }

    #[test]
    fn few_calls_are_counted_down_and_many_stay_many() {
        let counts = Counts::new();
        counts.answered();
        assert_eq!(counts.calls(), 0);
        counts.ask();
        counts.ask();
        counts.answered();
        assert_eq!(counts.calls(), 1);
        (0..MANY_CALLS).for_each(|_| counts.ask());
        counts.answered();
        assert_eq!((counts.calls(), counts.holds()), (MANY_CALLS, false));
    }
}
