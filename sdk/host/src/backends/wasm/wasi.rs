//! WASI's functions, as Envoy implements them: enough for a standard library, and no files.

use sluicegate::abi::LogLevel;
use wasmtime::{Caller, Val};

use crate::abi::arguments::Failure;
use crate::backends::wasm::vm::{Data, read, write};
use crate::model::faults::WasiFault;
use crate::model::state::Restricted;

const SUCCESS: u32 = 0;
const BAD_FILE: u32 = 8;
const FAULT: u32 = 21;
const INVALID: u32 = 28;
const NOT_SUPPORTED: u32 = 58;

/// The greatest number of random bytes that are given at once.
const MAX_RANDOM: usize = 1 << 16;

/// The effect of a function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    Write,
    Fdstat,
    Clock,
    Random,
    /// Writes two sizes of 0: there are no arguments and no environment.
    Sizes,
    Exit,
    /// Succeeds and does nothing.
    Nothing,
    Poll,
    /// Fails because there is no such file.
    NoFile,
    /// Fails because there are no files.
    Unsupported,
}

/// Returns the effect of the function of this name, or `None` if hosts do not provide the function.
pub(super) fn find(name: &str) -> Option<Function> {
    Some(match name {
        "fd_write" => Function::Write,
        "fd_fdstat_get" => Function::Fdstat,
        "clock_time_get" => Function::Clock,
        "random_get" => Function::Random,
        "args_sizes_get" | "environ_sizes_get" => Function::Sizes,
        "args_get" | "environ_get" | "sched_yield" => Function::Nothing,
        "proc_exit" => Function::Exit,
        "poll_oneoff" => Function::Poll,
        "fd_close" | "fd_prestat_get" | "fd_read" | "fd_seek" => Function::NoFile,
        "clock_res_get"
        | "fd_advise"
        | "fd_allocate"
        | "fd_datasync"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights"
        | "fd_filestat_get"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times"
        | "fd_pread"
        | "fd_prestat_dir_name"
        | "fd_pwrite"
        | "fd_readdir"
        | "fd_renumber"
        | "fd_sync"
        | "fd_tell"
        | "path_create_directory"
        | "path_filestat_get"
        | "path_filestat_set_times"
        | "path_link"
        | "path_open"
        | "path_readlink"
        | "path_remove_directory"
        | "path_rename"
        | "path_symlink"
        | "path_unlink_file"
        | "sock_accept"
        | "sock_recv"
        | "sock_send"
        | "sock_shutdown" => Function::Unsupported,
        _ => return None,
    })
}

/// Runs a function of WASI, and returns its errno.
pub(super) fn call(
    caller: &mut Caller<'_, Data>,
    name: &str,
    function: Function,
    arguments: &[Val],
) -> wasmtime::Result<u32> {
    let guest = caller.data().guest.clone();
    let allowed = matches!(function, Function::Write | Function::Clock | Function::Poll);
    let fault = {
        let mut state = guest.state.borrow_mut();
        state.cost.host_calls += 1;
        if state.restricted == Some(Restricted::Allocating) && !allowed {
            let why = Restricted::Allocating.refuses(&format!("WASI's {function:?}"));
            return Err(wasmtime::Error::msg(why));
        }
        state.faults.wasi.begin(name)
    };
    let word = |at: usize| word(arguments, at);
    match fault {
        Some(WasiFault::Errno(errno)) => return Ok(errno),
        Some(WasiFault::Silent) => return Ok(SUCCESS),
        Some(WasiFault::Garbage) => return Ok(answer(write_garbage(caller, function, arguments))),
        None => {}
    }
    Ok(match function {
        Function::Write if !matches!(word(0), 1 | 2) => BAD_FILE,
        Function::Write => answer(write_lines(caller, word(0), word(1), word(2), word(3))),
        Function::Fdstat => match word(0) {
            1 | 2 => {
                // The file is a character device that can be written to.
                let mut stat = [0; 24];
                (stat[0], stat[8]) = (2, 64);
                answer(write(caller, word(1), &stat))
            }
            _ => BAD_FILE,
        },
        Function::Clock if word(0) > 1 => NOT_SUPPORTED,
        Function::Clock => {
            let now = guest.state.borrow().proxy.borrow().now;
            answer(write(caller, word(2), &now.to_le_bytes()))
        }
        Function::Random if word(1) > MAX_RANDOM => INVALID,
        Function::Random => {
            let bytes: Vec<u8> = std::iter::repeat_with(|| random_byte(caller)).take(word(1)).collect();
            answer(write(caller, word(0), &bytes))
        }
        Function::Sizes => answer(write(caller, word(0), &[0; 4]).and_then(|()| write(caller, word(1), &[0; 4]))),
        Function::Exit => {
            // Envoy logs and returns. A module that wants to end has to trap.
            let line = format!("wasi_snapshot_preview1.proc_exit({})", word(0));
            guest.state.borrow_mut().note(LogLevel::Error as u32, line.as_bytes());
            SUCCESS
        }
        Function::Nothing => SUCCESS,
        Function::NoFile => BAD_FILE,
        Function::Poll | Function::Unsupported => NOT_SUPPORTED,
    })
}

/// Returns a number among the arguments.
fn word(arguments: &[Val], at: usize) -> usize {
    match arguments.get(at) {
        Some(Val::I32(word)) => word.cast_unsigned() as usize,
        _ => 0,
    }
}

/// Writes `0xff` wherever the function writes something.
fn write_garbage(caller: &mut Caller<'_, Data>, function: Function, arguments: &[Val]) -> Result<(), Failure> {
    let word = |at: usize| word(arguments, at);
    let places = match function {
        Function::Write => vec![(word(3), 4)],
        Function::Fdstat => vec![(word(1), 24)],
        Function::Clock => vec![(word(2), 8)],
        Function::Random => vec![(word(0), word(1).min(MAX_RANDOM))],
        Function::Sizes => vec![(word(0), 4), (word(1), 4)],
        Function::Exit | Function::Nothing | Function::Poll | Function::NoFile | Function::Unsupported => Vec::new(),
    };
    places.into_iter().try_for_each(|(at, size)| write(caller, at, &vec![0xff; size]))
}

fn answer(result: Result<(), Failure>) -> u32 {
    if result.is_ok() { SUCCESS } else { FAULT }
}

/// Writes the module's output as a line of the log, without the newline at its end.
fn write_lines(
    caller: &mut Caller<'_, Data>,
    file: usize,
    vectors: usize,
    count: usize,
    written: usize,
) -> Result<(), Failure> {
    let level = match file {
        1 => LogLevel::Info,
        _ => LogLevel::Error,
    };
    let vectors = read(caller, vectors, count.saturating_mul(8))?;
    let mut text = Vec::new();
    for vector in vectors.chunks_exact(8) {
        let word =
            |at: usize| u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]]) as usize;
        text.extend(read(caller, word(0), word(4))?);
    }
    let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
    write(caller, written, &size.to_le_bytes())?;
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    caller.data().guest.state.borrow_mut().note(level as u32, line);
    Ok(())
}

/// Returns a pseudo-random byte of xorshift64. The bytes are the same in each run.
fn random_byte(caller: &Caller<'_, Data>) -> u8 {
    let mut state = caller.data().guest.state.borrow_mut();
    let mut random = state.random;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    state.random = random;
    random.to_le_bytes()[3]
}
