//! Lines in the proxy's log.
//!
//! The macros [`trace!`](crate::trace!), [`debug!`](crate::debug!), [`info!`](crate::info!),
//! [`warn!`](crate::warn!), [`error!`](crate::error!) and [`critical!`](crate::critical!) take what
//! `format!` takes. The proxy decides which levels it keeps; the SDK asks it once and remembers the
//! answer until a callback of a plugin, or every 64th stream, makes it ask again, so a change of
//! the proxy's level is seen soon.
//!
//! One line goes in and one line comes out: line feeds and the other control bytes but the tab are
//! written as `\n`, `\r`, `\x1b`, so that nothing a client sent can look like a line of its own, or
//! drive a terminal. A backslash stays one backslash.
//!
//! With the feature `log`, lines of the `log` crate's macros, in a filter or in any crate under it,
//! go the same way.
//!
//! # Cost
//!
//! A line below the level: no host call, nothing formatted, nothing allocated. A line that is kept:
//! one host call; up to 256 bytes are formatted on the stack, longer lines in a heap buffer that is
//! freed at once (out of memory, the line is cut). A text without arguments is not copied. Each
//! line is looked through for control bytes, eight bytes at a time; one that has any is written
//! again, escaped.

use core::cell::Cell;
use core::fmt::{self, Write};

use crate::ToValue;
pub use crate::abi::LogLevel;
use crate::abi::call;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::escape::write_escape;
use crate::failures;
use crate::headers::{has_control, is_value};

/// What the proxy keeps, as far as it is known.
#[derive(Clone, Copy)]
enum Known {
    /// Ask before the next line.
    No,
    /// At least this level.
    From(LogLevel),
    /// Nothing: the level is "off".
    Nothing,
}

crate::__vm_local! {
    static KNOWN: Cell<Known> = Cell::new(Known::No);
}

/// Forgets the proxy's level, so that the next line asks for it.
pub(crate) fn forget_level() {
    KNOWN.with(|known| known.set(Known::No));
}

/// Returns whether the proxy keeps lines of this level.
///
/// # Cost
///
/// One host call the first time and seldom after, 0.02 µs in Envoy; otherwise a comparison. A host
/// without the function keeps everything.
#[must_use]
pub fn enabled(level: LogLevel) -> bool {
    match known() {
        Known::From(least) => level >= least,
        Known::Nothing => false,
        Known::No => true,
    }
}

/// Returns the least level that the proxy keeps; none if it keeps nothing.
///
/// # Cost
///
/// The cost of [`enabled`].
#[must_use]
#[doc(alias = "get_log_level")]
#[doc(alias = "proxy_get_log_level")]
pub fn level() -> Option<LogLevel> {
    match known() {
        Known::From(least) => Some(least),
        Known::Nothing => None,
        Known::No => Some(LogLevel::Trace),
    }
}

#[inline]
fn known() -> Known {
    KNOWN.with(|known| {
        if let Known::No = known.get() {
            known.set(match call::log_level() {
                Ok(code @ 0..=5) => Known::From(LogLevel::from_code(code)),
                Ok(_) => Known::Nothing,
                Err(_) => Known::From(LogLevel::Trace),
            });
        }
        known.get()
    })
}

/// Writes a line if the proxy keeps its level; the macros call this.
pub fn write(level: LogLevel, line: fmt::Arguments<'_>) {
    if enabled(level) {
        match line.as_str() {
            Some(text) => write_line(level, text.as_bytes()),
            None => write_formatted(level, line),
        }
    }
}

/// Writes bytes if the proxy keeps their level, as they are: for a text of several lines, or for a
/// reader that wants control bytes.
///
/// Each line feed begins a line that looks like the proxy's own. No byte of these may be a
/// client's; [`write()`] and the macros escape what is.
///
/// # Cost
///
/// One host call if the line is kept; nothing is copied.
pub fn write_unescaped(level: LogLevel, bytes: impl AsRef<[u8]>) {
    if enabled(level) {
        call::log(level, bytes.as_ref());
    }
}

/// Passes one line on as one line: a line feed in it would begin another, which anyone could have
/// written.
pub(crate) fn write_line(level: LogLevel, line: &[u8]) {
    if has_control(line) {
        write_escaped_line(level, line);
    } else {
        call::log(level, line);
    }
}

/// Writes a line whose control bytes, but for tabs, have become escapes.
#[cold]
#[inline(never)]
fn write_escaped_line(level: LogLevel, line: &[u8]) {
    let mut buffer = Buffer::new();
    // A line that does not fit the memory is cut, and a cut line says more than none.
    let _ = escape_controls(&mut buffer, line);
    call::log(level, buffer.written());
}

/// Appends bytes, with an escape in place of each control byte but the tab.
fn escape_controls(buffer: &mut Buffer, mut bytes: &[u8]) -> fmt::Result {
    while let Some(at) = bytes.iter().position(|&byte| !is_value(byte)) {
        let Some((plain, [control, rest @ ..])) = bytes.split_at_checked(at) else { break };
        buffer.push(plain)?;
        write_escape(buffer, *control)?;
        bytes = rest;
    }
    buffer.push(bytes)
}

/// Writes a line that the proxy may drop: no level is asked for.
pub(crate) fn write_text(level: LogLevel, text: &str) {
    write_line(level, text.as_bytes());
}

/// Writes a line of the SDK's own, `sluicegate: TEXT: NUMBER`, without the formatting machinery.
#[cold]
pub(crate) fn note(level: LogLevel, text: &str, number: u32) {
    number.with_value(|number| note_of(level, text, number));
}

/// The same about what has a name.
#[cold]
pub(crate) fn note_of(level: LogLevel, text: &str, name: &[u8]) {
    let mut buffer = Buffer::new();
    for part in [b"sluicegate: ", text.as_bytes(), b": ", name] {
        let _ = buffer.push(part);
    }
    write_line(level, buffer.written());
}

/// Writes why a callback of a context failed, without the formatting machinery, and counts it:
/// `on_log (context 7): no such key`.
#[cold]
pub(crate) fn failure(level: LogLevel, callback: &str, context: u32, error: &Error) {
    failures::count();
    let mut buffer = Buffer::new();
    let _ = buffer.push(callback.as_bytes());
    let _ = buffer.push(b" (context ");
    let _ = context.with_value(|number| buffer.push(number));
    let _ = buffer.push(b"): ");
    let _ = error.write_to(&mut buffer);
    write_line(level, buffer.written());
}

/// Writes where and why the filter panicked.
#[cfg(target_family = "wasm")]
#[cold]
pub(crate) fn panicked(panic: &core::panic::PanicInfo<'_>) {
    let mut buffer = Buffer::new();
    let _ = buffer.push(b"panicked at ");
    if let Some(place) = panic.location() {
        let _ = buffer.push(place.file().as_bytes());
        for number in [place.line(), place.column()] {
            let _ = buffer.push(b":");
            let _ = number.with_value(|number| buffer.push(number));
        }
    }
    let _ = buffer.push(b": ");
    let _ = write!(buffer, "{}", panic.message());
    write_line(LogLevel::Critical, buffer.written());
}

#[cold]
pub(crate) fn write_formatted(level: LogLevel, line: fmt::Arguments<'_>) {
    let mut buffer = Buffer::new();
    // A line that does not fit the memory is cut, and a cut line says more than none.
    let _ = buffer.write_fmt(line);
    write_line(level, buffer.written());
}

/// The `log` crate's way into the proxy's log.
#[cfg(feature = "log")]
mod facade {
    use log::{LevelFilter, Log, Metadata, Record};

    use super::LogLevel;

    struct HostLog;

    /// Returns whether the filter speaks. Natively the logger is that of the whole process: what
    /// else runs there, as the compiler of wasm modules, is not the filter's, and may have millions
    /// of lines.
    fn of_filter() -> bool {
        cfg!(target_family = "wasm") || crate::abi::depth() > 0
    }

    const fn level(level: log::Level) -> LogLevel {
        match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        }
    }

    impl Log for HostLog {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            of_filter() && super::enabled(level(metadata.level()))
        }

        fn log(&self, record: &Record<'_>) {
            if of_filter() {
                super::write(level(record.level()), *record.args());
            }
        }

        fn flush(&self) {}
    }

    /// Makes the host's log the `log` crate's, unless the filter chose another one.
    pub(crate) fn install() {
        if log::set_logger(&HostLog).is_ok() {
            // The proxy's level decides line by line; this one only lets them through.
            log::set_max_level(LevelFilter::Trace);
        }
    }
}

#[cfg(feature = "log")]
pub(crate) use facade::install;

/// Writes a line of a level that is named first: `log!(LogLevel::Warn, "slow: {} ms", ms)`.
#[macro_export]
macro_rules! log {
    ($level:expr, $($line:tt)+) => {
        $crate::log::write($level, ::core::format_args!($($line)+))
    };
}

/// Writes a line at trace level; takes what `format!` takes.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Trace, $($line)+) };
}

/// Writes a line at debug level; takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Debug, $($line)+) };
}

/// Writes a line at info level; takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Info, $($line)+) };
}

/// Writes a line at warn level; takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Warn, $($line)+) };
}

/// Writes a line at error level; takes what `format!` takes.
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Error, $($line)+) };
}

/// Writes a line at critical level, which the `log` crate does not have; takes what `format!`
/// takes.
#[macro_export]
macro_rules! critical {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Critical, $($line)+) };
}
