//! Numbers as decimal digits, without the formatting code, and without a way to panic.

use core::mem::MaybeUninit;
use core::slice;

/// The number of digits of the longest number, and a sign.
const PLACES: usize = u64::MAX.ilog10() as usize + 2;

/// Passes the digits of a number to a function, behind a sign if the number is negative. `is_small`
/// says that the number is a `u32`.
#[inline]
pub(crate) fn with_decimal<R>(is_negative: bool, magnitude: u64, is_small: bool, with: impl FnOnce(&[u8]) -> R) -> R {
    let mut places = [MaybeUninit::uninit(); PLACES];
    #[allow(clippy::cast_possible_truncation, reason = "it is small")]
    let (left, mut start) = if is_small {
        (magnitude as u32, PLACES)
    } else {
        // SAFETY: there are places for all digits of any number.
        unsafe { put_low(magnitude, &mut places) }
    };
    // SAFETY: there are places for all digits of any number, and these are the digits that are
    // left.
    start = unsafe { put_all(left, start, &mut places) };
    if is_negative {
        // SAFETY: there is one place more than the longest number has digits.
        start = unsafe { put(b'-', start, &mut places) };
    }
    // SAFETY: `start` is a place.
    let first = unsafe { places.as_ptr().add(start) };
    // SAFETY: all places from `start` to the end are written.
    with(unsafe { slice::from_raw_parts(first.cast(), PLACES - start) })
}

/// Writes a byte before a place, and returns the place of the byte.
///
/// # Safety
///
/// The place is at most [`PLACES`], and not the first one.
#[inline]
unsafe fn put(byte: u8, place: usize, places: &mut [MaybeUninit<u8>; PLACES]) -> usize {
    let before = place - 1;
    // SAFETY: by the contract the place is less than the length.
    unsafe { places.get_unchecked_mut(before) }.write(byte);
    before
}

/// Writes the digits of a number before a place, at least one, and returns the place of the first.
///
/// # Safety
///
/// The place is at most [`PLACES`], and there are places before it for the digits.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "digits")]
unsafe fn put_all(number: u32, place: usize, places: &mut [MaybeUninit<u8>; PLACES]) -> usize {
    let (mut left, mut place) = (number, place);
    // Two digits at a time.
    while left >= 100 {
        let low = left % 100;
        left /= 100;
        // SAFETY: by the contract there are places for all digits.
        place = unsafe { put(b'0' + (low % 10) as u8, place, places) };
        // SAFETY: by the contract there are places for all digits.
        place = unsafe { put(b'0' + (low / 10) as u8, place, places) };
    }
    if left >= 10 {
        // SAFETY: by the contract there are places for all digits.
        place = unsafe { put(b'0' + (left % 10) as u8, place, places) };
        left /= 10;
    }
    // SAFETY: by the contract there are places for all digits.
    unsafe { put(b'0' + left as u8, place, places) }
}

/// Writes the last digits of a number. Returns the number of the other digits, and the place of the
/// first digit that was written.
///
/// # Safety
///
/// There are places for all digits of the number.
#[inline(never)]
#[allow(clippy::cast_possible_truncation, reason = "a digit; and what is left is no more")]
unsafe fn put_low(number: u64, places: &mut [MaybeUninit<u8>; PLACES]) -> (u32, usize) {
    let (mut left, mut place) = (number, PLACES);
    while left > u64::from(u32::MAX) {
        // SAFETY: the number has this digit.
        place = unsafe { put(b'0' + (left % 10) as u8, place, places) };
        left /= 10;
    }
    (left as u32, place)
}
