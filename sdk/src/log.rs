//! Lines in the proxy's log.
//!
//! The macros [`trace!`](crate::trace!), [`debug!`](crate::debug!), [`info!`](crate::info!),
//! [`warn!`](crate::warn!), [`error!`](crate::error!) and [`critical!`](crate::critical!) take the
//! same arguments as `format!`. The proxy decides which levels it keeps. The SDK asks the proxy
//! once, and remembers the level. A callback of a plugin, or every 64th stream, makes the SDK ask
//! again, so that a change of the proxy's level is soon seen.
//!
//! Each call writes one line. Line feeds and other control bytes but the tab are written as `\n`,
//! `\r`, `\x1b`. So no bytes of a client can look like a line of their own, or control a terminal.
//! A backslash stays one backslash.
//!
//! With the feature `log`, lines of the `log` crate's macros are written in the same way, from a
//! filter or from any crate that it uses.
//!
//! # Cost
//!
//! A line below the level makes no host call, formats nothing and allocates nothing. A line that is
//! kept is one host call. Up to 256 bytes are formatted on the stack, longer lines in a heap buffer
//! that is freed at once. If the SDK is out of memory, the line is cut. A text without arguments is
//! not copied. Each line is searched for control bytes, eight bytes at a time. A line with control
//! bytes is written again, escaped.

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

/// The level of the proxy, as far as it is known.
#[derive(Clone, Copy)]
enum Known {
    /// Not known: the SDK asks before the next line.
    No,
    /// The proxy keeps lines of this level and above.
    From(LogLevel),
    /// The proxy keeps nothing: its level is "off".
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
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::{LogLevel, log};
///
/// fn dump(request: &RequestHeaders<'_>) -> Result<()> {
///     if log::enabled(LogLevel::Debug) {
///         for (name, value) in request.snapshot()? {
///             debug!("{}: {}", name.display(), value.display());
///         }
///     }
///     Ok(())
/// }
/// # sluicegate_host::example::request(|request| dump(request).map(|()| Action::Continue));
/// ```
///
/// # Cost
///
/// One host call (0.02 µs in Envoy), the first time and seldom after; otherwise a comparison. For a
/// host without the function, every level is enabled.
#[must_use]
pub fn enabled(level: LogLevel) -> bool {
    match known() {
        Known::From(least) => level >= least,
        Known::Nothing => false,
        Known::No => true,
    }
}

/// Returns the lowest level that the proxy keeps, or `None` if the proxy keeps nothing.
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

/// Writes a line if the proxy keeps its level. The macros call this.
pub fn write(level: LogLevel, line: fmt::Arguments<'_>) {
    if enabled(level) {
        match line.as_str() {
            Some(text) => write_line(level, text.as_bytes()),
            None => write_formatted(level, line),
        }
    }
}

/// Writes bytes as they are, if the proxy keeps their level: for a text of several lines, or for a
/// reader that needs control bytes.
///
/// Each line feed begins a line that looks like the proxy's own. So the bytes must not come from a
/// client. [`write()`] and the macros escape such bytes.
///
/// # Cost
///
/// One host call if the line is kept. Nothing is copied.
pub fn write_unescaped(level: LogLevel, bytes: impl AsRef<[u8]>) {
    if enabled(level) {
        call::log(level, bytes.as_ref());
    }
}

/// Writes one line, with its control bytes escaped. An unescaped line feed would begin another
/// line, which anyone could have written.
pub(crate) fn write_line(level: LogLevel, line: &[u8]) {
    if has_control(line) {
        write_escaped_line(level, line);
    } else {
        call::log(level, line);
    }
}

/// Writes a line whose control bytes, except tabs, are replaced by escapes.
#[cold]
#[inline(never)]
fn write_escaped_line(level: LogLevel, line: &[u8]) {
    let mut buffer = Buffer::new();
    // A line that does not fit into memory is cut, which is better than no line.
    let _ = escape_controls(&mut buffer, line);
    call::log(level, buffer.written());
}

/// Appends bytes, with an escape for each control byte but the tab.
fn escape_controls(buffer: &mut Buffer, mut bytes: &[u8]) -> fmt::Result {
    while let Some(at) = bytes.iter().position(|&byte| !is_value(byte)) {
        let Some((plain, [control, rest @ ..])) = bytes.split_at_checked(at) else { break };
        buffer.push(plain)?;
        write_escape(buffer, *control)?;
        bytes = rest;
    }
    buffer.push(bytes)
}

/// Writes a line without asking for the proxy's level, so that the proxy may drop the line.
pub(crate) fn write_text(level: LogLevel, text: &str) {
    write_line(level, text.as_bytes());
}

/// Writes a line of the SDK, `sluicegate: TEXT: NUMBER`, without the formatting code.
#[cold]
pub(crate) fn note(level: LogLevel, text: &str, number: u32) {
    number.with_value(|number| note_of(level, text, number));
}

/// Writes a line of the SDK about something with a name, as [`note`] does for a number.
#[cold]
pub(crate) fn note_of(level: LogLevel, text: &str, name: &[u8]) {
    let mut buffer = Buffer::new();
    for part in [b"sluicegate: ", text.as_bytes(), b": ", name] {
        let _ = buffer.push(part);
    }
    write_line(level, buffer.written());
}

/// Writes the reason for which a callback of a context failed, as
/// `on_log (context 7): no such key`, without the formatting code. Counts the failure.
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

/// Writes the place and the message of a panic of the filter.
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
    // A line that does not fit into memory is cut, which is better than no line.
    let _ = buffer.write_fmt(line);
    write_line(level, buffer.written());
}

/// The logger that passes lines of the `log` crate to the proxy's log.
#[cfg(feature = "log")]
mod facade {
    use log::{LevelFilter, Log, Metadata, Record};

    use super::LogLevel;

    struct HostLog;

    /// Returns whether the line comes from the filter. In native builds the logger serves the whole
    /// process. Other code of the process, such as the compiler of wasm modules, is not the
    /// filter's, and may write millions of lines.
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

    /// Installs the host's log as the `log` crate's logger, unless the filter chose another one.
    pub(crate) fn install() {
        if log::set_logger(&HostLog).is_ok() {
            // The proxy's level decides for each line. This level only lets all lines through.
            log::set_max_level(LevelFilter::Trace);
        }
    }
}

#[cfg(feature = "log")]
pub(crate) use facade::install;

/// Writes a line of the level that is named first: `log!(LogLevel::Warn, "slow: {} ms", ms)`.
#[macro_export]
macro_rules! log {
    ($level:expr, $($line:tt)+) => {
        $crate::log::write($level, ::core::format_args!($($line)+))
    };
}

/// Writes a line at trace level. Takes the same arguments as `format!`.
#[doc(alias("LogTrace", "LogTracef"))]
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Trace, $($line)+) };
}

/// Writes a line at debug level. Takes the same arguments as `format!`.
#[doc(alias("LogDebug", "LogDebugf"))]
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Debug, $($line)+) };
}

/// Writes a line at info level. Takes the same arguments as `format!`.
#[doc(alias("LogInfo", "LogInfof"))]
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Info, $($line)+) };
}

/// Writes a line at warn level. Takes the same arguments as `format!`.
#[doc(alias("LogWarn", "LogWarnf"))]
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Warn, $($line)+) };
}

/// Writes a line at error level. Takes the same arguments as `format!`.
#[doc(alias("LogError", "LogErrorf"))]
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Error, $($line)+) };
}

/// Writes a line at critical level, which the `log` crate does not have. Takes the same arguments
/// as `format!`.
#[doc(alias("LogCritical", "LogCriticalf"))]
#[macro_export]
macro_rules! critical {
    ($($line:tt)+) => { $crate::log!($crate::LogLevel::Critical, $($line)+) };
}
