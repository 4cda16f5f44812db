//! The native backend: the module is in the process of the test, and its memory is the process's.
#![allow(unsafe_code, reason = "a host reads and writes the guest's memory; everything else of this crate is safe")]

use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;

use sluicegate::Exports;
use sluicegate::abi::native::{self, Arg, Host, Installed};
use sluicegate::abi::{Import, Status, allocate};

use crate::abi::arguments::{Arguments, Block, Failure};
use crate::abi::guest::Guest;
use crate::backends::live::within;
use crate::backends::vm::{Trap, Vm};

/// A module of this process.
pub(crate) struct Native {
    host: Rc<Linked>,
    /// The number of this VM among the thread's VMs of the module.
    id: u64,
    /// Keeps the host installed for calls of the test that are outside of callbacks.
    _installed: Installed,
}

/// The simulated host, and the module that calls it.
struct Linked {
    exports: &'static Exports,
    guest: Rc<Guest>,
}

impl Native {
    pub(crate) fn new(exports: &'static Exports, guest: Rc<Guest>) -> Self {
        let id = CURRENT.with_borrow_mut(|current| {
            let id = current.last().map_or(0, |(_, id)| id + 1);
            current.retain(|(other, _)| !ptr::eq(*other, exports));
            current.push((exports, id));
            id
        });
        let host = Rc::new(Linked { exports, guest });
        let installed = native::install(host.clone());
        within(true, exports.reset);
        Self { host, id, _installed: installed }
    }

    /// Returns whether the module was not started again since.
    fn is_current(&self) -> bool {
        let is_this = |(exports, id): &(&'static Exports, u64)| ptr::eq(*exports, self.host.exports) && *id == self.id;
        // At the end of the thread no VM is current.
        CURRENT.try_with(|current| current.borrow().iter().any(is_this)).unwrap_or(false)
    }
}

impl Vm for Native {
    fn start(&self) -> Result<(), Trap> {
        let _installed = native::install(self.host.clone());
        within(true, self.host.exports.initialize);
        Ok(())
    }

    fn call(&self, callback: &'static str, arguments: &[u32]) -> Result<Option<u32>, Trap> {
        assert!(
            self.is_current(),
            "{callback} of a VM that has ended: a native module can be only one VM at a time on a thread, and another VM was started"
        );
        // Another VM may have been installed since.
        let _installed = native::install(self.host.clone());
        Ok(within(true, || self.host.exports.call(callback, arguments)))
    }
}

thread_local! {
    /// The modules of which this thread has a VM, each with the number of its last VM.
    static CURRENT: RefCell<Vec<(&'static Exports, u64)>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Native {
    fn drop(&mut self) {
        if !self.is_current() {
            return;
        }
        let _installed = native::install(self.host.clone());
        within(true, self.host.exports.reset);
    }
}

impl Host for Linked {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        let mut arguments = Pointers { exports: self.exports, rest: args.iter() };
        match within(false, || self.guest.call(import, &mut arguments)) {
            Ok(status) => status,
            Err(why) => panic!("{why}"),
        }
    }
}

/// The arguments of a call. They are valid as `Host::call` demands, for as long as the call lasts.
struct Pointers<'a> {
    exports: &'static Exports,
    rest: std::slice::Iter<'a, Arg>,
}

impl Pointers<'_> {
    fn next(&mut self) -> Arg {
        *self.rest.next().expect("as many arguments as the import has")
    }
}

impl Arguments for Pointers<'_> {
    fn int(&mut self) -> u64 {
        match self.next() {
            Arg::Int(number) => number,
            other => unreachable!("a number where {other:?} is"),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        let Arg::In(start) = self.next() else { unreachable!("an address") };
        let size = usize::try_from(self.int()).expect("a size of this process");
        let mut bytes = vec![0; size];
        // SAFETY: `Host::call` demands that the address is valid for reads of the size that follows
        // it.
        unsafe { ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), size) };
        Ok(bytes)
    }

    fn hand_over(&mut self, block: &Block<'_>) -> Result<(), Failure> {
        let (Arg::OutBlock(value), Arg::OutSize(size)) = (self.next(), self.next()) else {
            unreachable!("where an address and a size go")
        };
        let mut start = ptr::null_mut();
        if !block.bytes.is_empty() {
            start = within(true, || allocate(block.bytes.len()));
            if start.is_null() {
                return Err(Status::InvalidMemoryAccess.into());
            }
            // SAFETY: the guest allocated this many bytes.
            unsafe { ptr::copy_nonoverlapping(block.bytes.as_ptr(), start, block.bytes.len()) };
        }
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { value.write(if block.null { ptr::null_mut() } else { start }) };
        // SAFETY: `Host::call` demands that this place is valid for a write, too.
        unsafe { size.write(block.told) };
        Ok(())
    }

    fn write_size(&mut self, number: usize) -> Result<(), Failure> {
        let Arg::OutSize(place) = self.next() else { unreachable!("where a size goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
        Ok(())
    }

    fn write_u32(&mut self, number: u32) -> Result<(), Failure> {
        let Arg::OutU32(place) = self.next() else { unreachable!("where a number goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
        Ok(())
    }

    fn write_u64(&mut self, number: u64) -> Result<(), Failure> {
        let Arg::OutU64(place) = self.next() else { unreachable!("where a number goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
        Ok(())
    }

    fn nest(&mut self, callback: &'static str, arguments: &[u32]) -> Result<(), Failure> {
        let _ = within(true, || self.exports.call(callback, arguments));
        Ok(())
    }

    fn allocate(&mut self, size: usize) -> Result<(), Failure> {
        let _ = within(true, || allocate(size));
        Ok(())
    }
}
