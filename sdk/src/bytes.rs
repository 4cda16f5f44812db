//! Bytes that are usually text, and values that are written as bytes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};
use core::ops::Deref;
use core::str::Utf8Error;

use crate::abi::with_decimal;

/// A name or value as the proxy holds it: bytes that are usually text, and never checked.
///
/// The type is a view: two words, copied freely, and valid as long as the snapshot that it points
/// into. Comparing and searching need no conversion. [`to_str`](Self::to_str) converts to text and
/// may fail. [`display`](Self::display) converts with loss, for log lines.
///
/// ```
/// # use sluicegate::ByteStr;
/// let agent = ByteStr::new(b"curl/8.5 \xff");
/// assert!(agent.starts_with(b"curl/"));
/// assert!(agent.to_str().is_err());
/// assert_eq!(agent.display().to_string(), "curl/8.5 \u{fffd}");
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ByteStr<'a>(&'a [u8]);

impl<'a> ByteStr<'a> {
    /// Returns a view of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, which are valid as long as the snapshot lives.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the bytes as text.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// assert_eq!(ByteStr::from("a").to_str(), Ok("a"));
    /// assert!(ByteStr::new(b"\xff").to_str().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not UTF-8. A proxy does not promise UTF-8.
    ///
    /// # Cost
    ///
    /// A check of each byte.
    pub const fn to_str(self) -> Result<&'a str, Utf8Error> {
        core::str::from_utf8(self.0)
    }

    /// Returns the bytes for display. Bytes that are not UTF-8 appear as `U+FFFD`.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// assert_eq!(ByteStr::new(b"a\xff").display().to_string(), "a\u{fffd}");
    /// ```
    #[must_use]
    pub const fn display(self) -> impl Display + use<'a> {
        Lossy(self.0)
    }
}

impl Deref for ByteStr<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl AsRef<[u8]> for ByteStr<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl PartialEq<str> for ByteStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteStr<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<[u8]> for ByteStr<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.0 == other
    }
}

impl<'a> From<&'a str> for ByteStr<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for ByteStr<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Debug for ByteStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

struct Lossy<'a>(&'a [u8]);

impl Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

/// A type that may be the value of a header: text, bytes and whole numbers.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
///     request.add("x-text", "a")?;
///     request.add("x-number", 42)?; // without a heap
///     request.add("x-bytes", b"\xe4")?;
///     Ok(Action::Continue)
/// }
/// # sluicegate_host::example::request(example);
/// ```
///
/// # Cost
///
/// Nothing is allocated: numbers are written to the stack.
pub trait ToValue {
    /// `true` if no value of the type has a control byte, so that no check is needed.
    #[doc(hidden)]
    const IS_PRINTABLE: bool = false;

    /// Passes the bytes to a function.
    fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    const IS_PRINTABLE: bool = T::IS_PRINTABLE;

    fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        (**self).with_value(with)
    }
}

macro_rules! to_value_bytes {
    ($($ty:ty => $bytes:expr;)*) => {
        $(impl ToValue for $ty {
            fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
                with($bytes(self))
            }
        })*
    };
}

to_value_bytes! {
    str => str::as_bytes;
    String => String::as_bytes;
    [u8] => core::convert::identity;
    Vec<u8> => Vec::as_slice;
    ByteStr<'_> => ByteStr::deref;
}

impl<const N: usize> ToValue for [u8; N] {
    const IS_PRINTABLE: bool = N == 0;

    fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        with(self)
    }
}

macro_rules! to_value_numbers {
    ($($ty:ty),*) => {
        $(impl ToValue for $ty {
            const IS_PRINTABLE: bool = true;

            #[allow(
                clippy::cast_lossless,
                clippy::cast_possible_wrap,
                clippy::unnecessary_cast,
                clippy::cast_sign_loss,
                unused_comparisons,
                reason = "one body for all widths: the magnitude of each fits u64, and the sign is looked at first"
            )]
            fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
                let negative = *self < 0;
                let magnitude = if negative { (*self as i64).unsigned_abs() } else { *self as u64 };
                with_decimal(negative, magnitude, size_of::<$ty>() <= size_of::<u32>(), with)
            }
        })*
    };
}

to_value_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn value(value: impl ToValue) -> String {
        value.with_value(|bytes| ByteStr::new(bytes).display().to_string())
    }

    #[test]
    fn numbers_are_written_like_the_standard_library_writes_them() {
        for number in [0, 1, -1, 9, 10, -10, 99, 12345, i64::MAX, i64::MIN] {
            assert_eq!(value(number), number.to_string());
        }
        let around = |number: u64| [number.wrapping_sub(1), number, number.wrapping_add(1)];
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        for number in powers.chain([0, 1 << 32, u64::MAX, u64::MAX / 10 * 9]).flat_map(around) {
            assert_eq!(value(number), number.to_string());
            assert_eq!(value(number as u32), (number as u32).to_string());
            assert_eq!(value(number as i32), (number as i32).to_string());
            assert_eq!(value(number as i64), (number as i64).to_string());
        }
        assert_eq!(value(-128_i8), "-128");
        assert_eq!(value(255_u8), "255");
        assert_eq!(value(usize::MAX), usize::MAX.to_string());
    }

    #[test]
    fn text_and_bytes_are_themselves() {
        assert_eq!(value("best"), "best");
        assert_eq!(value(String::from("own")), "own");
        assert_eq!(value(b"raw"), "raw");
        assert_eq!(value(ByteStr::from("view")), "view");
    }

    #[test]
    fn what_is_not_text_is_shown_all_the_same() {
        let hostile = ByteStr::new(b"a\xff\"\nb");
        assert_eq!(hostile.display().to_string(), "a\u{fffd}\"\nb");
        assert_eq!(alloc::format!("{hostile:?}"), r#""a\xff\"\nb""#);
    }
}
