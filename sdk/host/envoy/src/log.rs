//! The log of an Envoy, from its start to its end, for several readers.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread};

/// A growing text. Clones share the text.
#[derive(Clone, Debug, Default)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

/// The reading end of a pipe.
pub(crate) trait Pipe: Read + AsFd + Send + 'static {}

impl<T: Read + AsFd + Send + 'static> Pipe for T {}

#[derive(Default)]
struct State {
    text: String,
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    source: Option<Box<dyn Pipe>>,
    ended: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("text", &self.text.len()).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl State {
    /// Takes the bytes that are in the pipe now. Returns whether there were any.
    ///
    /// A process that has written a line before it did something else, such as to respond, finds
    /// the line here: no thread has to run before.
    fn drain(&mut self) -> io::Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        let mut any = false;
        loop {
            let waiting = usize::try_from(ioctl_fionread(&*source)?).unwrap_or(usize::MAX).min(64 << 10);
            if waiting == 0 {
                break;
            }
            let before = self.line.len();
            self.line.resize(before + waiting, 0);
            let read = source.read(&mut self.line[before..])?;
            self.line.truncate(before + read);
            any = true;
        }
        if let Some(end) = self.line.iter().rposition(|&byte| byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            self.text.push_str(&String::from_utf8_lossy(&self.line));
            self.line = rest;
        }
        Ok(any)
    }

    /// Ends the text with what has come of the last line.
    fn end(&mut self) {
        self.text.push_str(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        self.source = None;
        self.ended = true;
    }
}

/// Waits until the pipe has bytes, or has no writer. Returns whether it has no writer.
fn wait_for_bytes(pipe: BorrowedFd<'_>) -> io::Result<bool> {
    let mut pipes = [PollFd::from_borrowed_fd(pipe, PollFlags::IN)];
    loop {
        match poll(&mut pipes, None) {
            Ok(_) => return Ok(pipes[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Log {
    /// Reads `source` to its end, in a thread of its own.
    pub(crate) fn read(source: impl Pipe) -> Self {
        let log = Self::default();
        let writer = log.clone();
        let pipe = source.as_fd().try_clone_to_owned();
        log.lock().source = Some(Box::new(source));
        thread::spawn(move || {
            let follow = |pipe: OwnedFd| -> io::Result<()> {
                loop {
                    let over = wait_for_bytes(pipe.as_fd())?;
                    let any = writer.lock().drain()?;
                    writer.shared.grown.notify_all();
                    if over && !any {
                        return Ok(());
                    }
                }
            };
            // A pipe that fails has ended.
            drop(pipe.and_then(follow));
            writer.lock().end();
            writer.shared.grown.notify_all();
        });
        log
    }

    /// Returns the whole text.
    pub fn text(&self) -> String {
        self.drained().text.clone()
    }

    /// Returns the text after its first `offset` bytes.
    pub fn text_from(&self, offset: usize) -> String {
        self.drained().text.get(offset..).unwrap_or_default().to_owned()
    }

    fn drained(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        // The thread that follows the pipe sees its failure.
        if state.drain().is_ok_and(|any| any) {
            self.shared.grown.notify_all();
        }
        state
    }

    /// Waits until the text contains `needle`. Returns whether it does.
    ///
    /// Returns `false` after `patience`, or if the text has ended without `needle`.
    pub fn wait_for(&self, needle: &str, patience: Duration) -> bool {
        self.wait_until(patience, |state| state.text.contains(needle) || state.ended).text.contains(needle)
    }

    /// Waits until nothing more can come.
    pub(crate) fn wait_for_end(&self, patience: Duration) {
        drop(self.wait_until(patience, |state| state.ended));
    }

    /// Waits for whole lines, and takes all that have come. Returns `None` once all lines are taken
    /// and no more can come.
    pub fn take_lines(&self, patience: Duration) -> Option<String> {
        let mut state = self.wait_until(patience, |state| !state.text.is_empty() || state.ended);
        let text = std::mem::take(&mut state.text);
        (!text.is_empty() || !state.ended).then_some(text)
    }

    fn wait_until(&self, patience: Duration, mut done: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut state = self.lock();
        while !done(&state) && !left().is_zero() {
            state = self.shared.grown.wait_timeout(state, left()).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The warning that Envoy logs before it complains about the code, which is fine.
const NO_RUNTIME: &str = "Envoy was compiled without support for it";

/// Returns the line that best explains why Envoy gave up: the first error in its log, without the
/// parts that only locate the error.
pub fn reason(log: &str) -> Option<String> {
    if let Some(line) = log.lines().find(|line| line.contains(NO_RUNTIME)) {
        let runtime = line.split_whitespace().find(|word| word.starts_with("envoy.wasm.runtime."));
        return Some(format!("this Envoy was built without {}", runtime.unwrap_or("the Wasm runtime")));
    }
    let errors = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("[error]").or_else(|| line.split_once("[critical]"))?;
        // The message follows the component and the place, as in
        // `[wasm] [source/extensions/common/wasm/wasm.cc:104] Wasm VM failed …`.
        let message = rest.splitn(3, ']').nth(2).unwrap_or(rest).trim();
        let message = message.strip_prefix("Wasm VM failed ").unwrap_or(message);
        // "error `Invalid path: /x` initializing config '…'"
        let message = message.strip_prefix("error `").and_then(|rest| Some(rest.split_once('`')?.0)).unwrap_or(message);
        Some(message.to_owned())
    });
    let last = log.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
    errors.chain(last).next()
}

/// Returns the last lines of a log, for a message about what the log lacks.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<_> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn lines_arrive_and_the_end_is_told() {
        let (source, mut end) = io::pipe().unwrap();
        end.write_all(b"one\ntwo \xff\nthree").unwrap();
        let log = Log::read(source);
        assert_eq!(log.text(), "one\ntwo \u{fffd}\n");
        drop(end);
        assert!(log.wait_for("three", PATIENCE));
        assert!(!log.wait_for("four", PATIENCE));
        assert_eq!(log.text(), "one\ntwo \u{fffd}\nthree");
        assert_eq!(log.take_lines(PATIENCE).unwrap(), "one\ntwo \u{fffd}\nthree");
        assert_eq!(log.take_lines(PATIENCE), None);
    }

    #[test]
    fn what_was_written_is_there_at_once() {
        let (source, mut end) = io::pipe().unwrap();
        let log = Log::read(source);
        let mut all = String::new();
        for number in 0..2_000 {
            let line = format!("{number} {}\n", "x".repeat(number));
            end.write_all(line.as_bytes()).unwrap();
            all += &line;
            assert!(log.text() == all, "line {number}");
        }
    }

    #[test]
    fn waiting_is_bounded() {
        let log = Log::default();
        assert!(!log.wait_for("x", Duration::from_millis(1)));
        assert_eq!(log.take_lines(Duration::from_millis(1)).unwrap(), "");
    }

    #[test]
    fn the_reason_is_the_first_error() {
        let corrupt = "[2026-01-01 00:00:00.0][1][info][main] [source/server/server.cc:1] starting\n\
            [2026-01-01 00:00:00.1][1][error][wasm] [source/extensions/common/wasm/wasm.cc:104] \
            Wasm VM failed Failed to load Wasm module due to a missing import: env.foo\n\
            [2026-01-01 00:00:00.2][1][critical][main] [source/server/server.cc:449] error `Unable` initializing config\n";
        assert_eq!(reason(corrupt).unwrap(), "Failed to load Wasm module due to a missing import: env.foo");

        let path = "[t][1][critical][main] [source/server/server.cc:449] error `Invalid path: /x.wasm` initializing \
            config 'goo.gle/debugstr   \n  /tmp/c.json'\nInvalid path: /x.wasm\n";
        assert_eq!(reason(path).unwrap(), "Invalid path: /x.wasm");

        let bare = "[t][1][warning][wasm] [source/extensions/common/wasm/wasm_vm.cc:102] Failed to create Wasm VM using \
            envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it\n\
            [t][1][error][wasm] [source/extensions/common/wasm/wasm.cc:103] Wasm VM failed Failed to load Wasm code\n";
        assert_eq!(reason(bare).unwrap(), "this Envoy was built without envoy.wasm.runtime.v8");

        assert_eq!(reason("PARSE ERROR: unknown argument\n\n").unwrap(), "PARSE ERROR: unknown argument");
        assert_eq!(reason(""), None);
    }

    #[test]
    fn a_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
