//! Child processes of this process. A child ends when the value that holds it is dropped, and all
//! children end when a signal ends this process.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The interval at which a process that should end is polled.
const POLL: Duration = Duration::from_millis(10);

static RUNNING: Mutex<Running> = Mutex::new(Running { closed: false, children: BTreeMap::new() });

/// A child process that is killed and reaped when this value is dropped, also by a panic.
///
/// A value in a `static` is never dropped; do not keep one there.
#[derive(Debug)]
pub struct Owned {
    pid: u32,
    child: Arc<Mutex<Child>>,
}

/// Installs a handler for Ctrl-C, SIGTERM and SIGHUP, which ends all children and then this
/// process, with status 130.
///
/// # Errors
///
/// Fails if a handler is installed already.
pub fn end_with_signals() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        end_all();
        std::process::exit(130);
    })
}

/// Starts a process.
///
/// # Errors
///
/// Fails if the process cannot be started, or if [`end_all`] was called.
pub fn spawn(command: &mut Command) -> io::Result<Owned> {
    // The lock is held while the child is born, so that a signal cannot arrive between its birth
    // and its entry here.
    let mut running = lock(&RUNNING);
    if running.closed {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "ended by a signal"));
    }
    let child = command.spawn()?;
    let pid = child.id();
    let child = Arc::new(Mutex::new(child));
    running.children.insert(pid, Arc::clone(&child));
    Ok(Owned { pid, child })
}

/// Runs a process to its end, without input, and returns its output.
///
/// # Errors
///
/// Fails if the process cannot be started, or if its output cannot be read.
pub fn output(command: &mut Command) -> io::Result<Output> {
    let owned = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = {
        let mut child = lock(&owned.child);
        (child.stdout.take(), child.stderr.take())
    };
    let errors = thread::spawn(move || read_all(stderr));
    let stdout = read_all(stdout)?;
    let stderr = errors.join().unwrap_or_else(|_| Err(io::Error::other("the reader of stderr panicked")))?;
    Ok(Output { status: owned.wait()?, stdout, stderr })
}

/// Kills and reaps every child, and lets no other start.
pub fn end_all() {
    let mut running = lock(&RUNNING);
    running.closed = true;
    for child in running.children.values() {
        end(child);
    }
}

impl Owned {
    /// Returns the process's id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the exit status of the process, or `None` while it runs.
    ///
    /// This also returns `None` once [`end_all`] ends everything, so that no caller reports a
    /// child's end as a failure in the moment before this process ends, too.
    ///
    /// # Errors
    ///
    /// Fails if the system does not return the status.
    pub fn ended(&self) -> io::Result<Option<ExitStatus>> {
        let status = lock(&self.child).try_wait()?;
        Ok(status.filter(|_| !lock(&RUNNING).closed))
    }

    /// Returns the reading end of the process's stderr, once, if stderr was piped.
    pub fn take_stderr(&self) -> Option<ChildStderr> {
        lock(&self.child).stderr.take()
    }

    fn wait(&self) -> io::Result<ExitStatus> {
        // This is not `Child::wait`, which would hold the lock while a signal arrives.
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        lock(&RUNNING).children.remove(&self.pid);
        end(&self.child);
    }
}

struct Running {
    closed: bool,
    children: BTreeMap<u32, Arc<Mutex<Child>>>,
}

/// Kills and reaps a child. Both calls do no harm if the child has been reaped already: the handle
/// keeps the exit status.
fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    let _ = child.kill();
    let _ = child.wait();
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Locks a mutex. A panic elsewhere must not keep a child alive, so poison is ignored: the data are
/// handles.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_gives_both_streams_and_the_status() {
        let out = output(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();
        assert_eq!((out.stdout.as_slice(), out.stderr.as_slice()), (&b"one\n"[..], &b"two\n"[..]));
        assert_eq!(out.status.code(), Some(3));
    }

    #[test]
    fn a_dropped_child_is_dead_and_reaped() {
        let child = spawn(Command::new("sleep").arg("60")).unwrap();
        assert!(child.ended().unwrap().is_none());
        let handle = Arc::clone(&child.child);
        drop(child);
        assert!(lock(&handle).try_wait().unwrap().is_some_and(|status| !status.success()));
    }
}
