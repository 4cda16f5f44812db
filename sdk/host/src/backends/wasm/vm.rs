//! A module that runs on wasmtime.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

use sluicegate::abi::Status;
use wasmtime::{AsContextMut, Caller, Func, Instance, Memory, ResourceLimiter, Store, Val};

use crate::abi::arguments::{Arguments, Block, Failure};
use crate::abi::guest::Guest;
use crate::backends::vm::{Trap, Vm};
use crate::backends::wasm::module::Module;

/// A page of linear memory, in bytes.
const PAGE: usize = 1 << 16;

/// The instructions that one callback may take: a few seconds. A filter that loops without end is
/// stopped with a trap.
const FUEL: u64 = 1 << 31;

/// The names of the allocation entry, in the order in which Envoy looks for them.
pub(super) const ALLOCATE: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

/// The limits of a VM.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) pages: u64,
}

impl Default for Limits {
    /// Returns Envoy's limit, 1 GiB.
    fn default() -> Self {
        Self { pages: 1 << 14 }
    }
}

/// The state that the host functions of a module use.
pub(crate) struct Data {
    pub(super) guest: Rc<Guest>,
    pub(super) memory: Option<Memory>,
    allocate: Option<Func>,
    instance: Option<Instance>,
    growth: Growth,
}

/// The growth of the linear memory.
struct Growth {
    limits: Limits,
    /// The number of growths that are not in the cost yet, and their pages.
    grows: u64,
    pages: u64,
    refused: u64,
    /// True once the memory exists. The pages that it begins with are no growth.
    running: bool,
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, now: usize, desired: usize, most: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired.div_ceil(PAGE) as u64 <= self.limits.pages;
        // The memory does not grow past the module's own maximum, whatever this returns.
        if granted && self.running && most.is_none_or(|most| desired <= most) {
            self.grows += 1;
            self.pages += ((desired - now) / PAGE) as u64;
        }
        self.refused += u64::from(!granted);
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// An instance of a module, with its linear memory.
pub(crate) struct Wasm {
    store: RefCell<Store<Data>>,
    instance: Instance,
    guest: Rc<Guest>,
    exports: RefCell<HashMap<&'static str, Option<Func>>>,
}

impl Wasm {
    pub(crate) fn new(module: &Module, guest: Rc<Guest>, limits: &Limits) -> Result<Self, String> {
        let growth = Growth { limits: limits.clone(), grows: 0, pages: 0, refused: 0, running: false };
        let data = Data { guest: guest.clone(), memory: None, allocate: None, instance: None, growth };
        let mut store = Store::new(module.linked.module().engine(), data);
        store.limiter(|data| &mut data.growth);
        store.set_fuel(FUEL).map_err(|error| describe(&error))?;
        let instance = module.linked.instantiate(&mut store).map_err(|error| describe(&error))?;
        let memory = instance.get_memory(&mut store, "memory");
        let allocate = ALLOCATE.iter().find_map(|name| instance.get_func(&mut store, name));
        let data = store.data_mut();
        (data.memory, data.allocate, data.instance, data.growth.running) = (memory, allocate, Some(instance), true);
        let exports = RefCell::default();
        Ok(Self { store: store.into(), instance, guest, exports })
    }

    /// Borrows the store.
    ///
    /// # Panics
    ///
    /// Panics if the module runs.
    fn store(&self, name: &str) -> RefMut<'_, Store<Data>> {
        let within = || {
            panic!(
                "{name} within a host call: a foreign function of a test cannot drive a compiled module, only a native one"
            )
        };
        self.store.try_borrow_mut().unwrap_or_else(|_| within())
    }

    fn export(&self, name: &'static str) -> Option<Func> {
        let find = || self.instance.get_func(&mut *self.store(name), name);
        *self.exports.borrow_mut().entry(name).or_insert_with(find)
    }

    fn call_export(&self, name: &'static str, arguments: &[u32]) -> Result<Option<u32>, Trap> {
        let Some(function) = self.export(name) else { return Ok(None) };
        let mut store = self.store(name);
        let trap = |error: wasmtime::Error| Trap(format!("{name}: {}", describe(&error)));
        store.set_fuel(FUEL).map_err(trap)?;
        let answer = call(&mut *store, function, arguments);
        let left = store.get_fuel().map_err(trap)?;
        let growth = &mut store.data_mut().growth;
        let cost = &mut self.guest.state.borrow_mut().cost;
        cost.instructions += FUEL - left;
        // The counts continue from VM to VM.
        cost.grows += mem::take(&mut growth.grows);
        cost.pages += mem::take(&mut growth.pages);
        answer.map(Some).map_err(trap)
    }
}

impl Vm for Wasm {
    fn start(&self) -> Result<(), Trap> {
        if self.call_export("_initialize", &[])?.is_none() {
            self.call_export("_start", &[])?;
        } else if self.call_export("main", &[0, 0])?.is_none() {
            self.call_export("__main_void", &[])?;
        }
        Ok(())
    }

    fn call(&self, callback: &'static str, arguments: &[u32]) -> Result<Option<u32>, Trap> {
        self.call_export(callback, arguments)
    }

    fn refused_grows(&self) -> u64 {
        self.store.borrow().data().growth.refused
    }

    fn pages(&self) -> u64 {
        let store = self.store.borrow();
        store.data().memory.map_or(0, |memory| memory.size(&*store))
    }
}

/// Calls a function of the module with numbers. Returns its result, or 0 if it has none.
///
/// Arguments for which the function has no parameter are left out. ABI 0.1.0 does not tell the
/// header callbacks whether the stream ends.
fn call(store: impl AsContextMut, function: Func, arguments: &[u32]) -> wasmtime::Result<u32> {
    let mut store = store;
    let ty = function.ty(&store);
    let arguments = arguments.iter().map(|argument| Val::I32(argument.cast_signed()));
    let arguments: Vec<_> = arguments.take(ty.params().len()).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    function.call(&mut store, &arguments, &mut results)?;
    Ok(results.first().and_then(Val::i32).unwrap_or_default().cast_unsigned())
}

/// Returns the causes of an error in one line, without the stack.
fn describe(error: &wasmtime::Error) -> String {
    let causes = error.chain().map(ToString::to_string).filter(|cause| !cause.starts_with("error while executing"));
    let line = causes.collect::<Vec<_>>().join(": ");
    if line.is_empty() { error.to_string() } else { line }
}

/// The arguments of a host call, and the module that made it.
pub(super) struct Words<'a, 'caller> {
    pub(super) caller: &'a mut Caller<'caller, Data>,
    pub(super) rest: std::slice::Iter<'a, Val>,
}

impl Words<'_, '_> {
    fn word(&mut self) -> usize {
        usize::try_from(self.int()).unwrap_or(usize::MAX)
    }

    /// Asks the module for a block. Returns 0 if the module gives none.
    fn block(&mut self, size: usize) -> Result<u32, Failure> {
        let size = u32::try_from(size).map_err(|_| Status::InvalidMemoryAccess)?;
        let entry = self.caller.data().allocate.ok_or(Status::InvalidMemoryAccess)?;
        call(&mut *self.caller, entry, &[size]).map_err(|error| Failure::Trap(describe(&error)))
    }

    /// Writes to the address in the next argument.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let at = self.word();
        write(self.caller, at, bytes)
    }
}

/// Reads the module's memory.
pub(super) fn read(caller: &Caller<'_, Data>, at: usize, size: usize) -> Result<Vec<u8>, Failure> {
    let memory = caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let end = at.checked_add(size).ok_or(Status::InvalidMemoryAccess)?;
    Ok(memory.data(caller).get(at..end).ok_or(Status::InvalidMemoryAccess)?.to_vec())
}

/// Writes the module's memory.
pub(super) fn write(caller: &mut Caller<'_, Data>, at: usize, bytes: &[u8]) -> Result<(), Failure> {
    let memory = caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory.write(caller, at, bytes).map_err(|_| Status::InvalidMemoryAccess.into())
}

impl Arguments for Words<'_, '_> {
    fn int(&mut self) -> u64 {
        match self.rest.next() {
            Some(Val::I32(number)) => number.cast_unsigned().into(),
            Some(Val::I64(number)) => number.cast_unsigned(),
            other => unreachable!("the types were compared when the module was linked, and here is {other:?}"),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        let (at, size) = (self.word(), self.word());
        read(self.caller, at, size)
    }

    fn hand_over(&mut self, block: &Block<'_>) -> Result<(), Failure> {
        let (place, size) = (self.word(), self.word());
        let left = block.may_be_left && place == 0;
        let mut start = 0;
        if !block.bytes.is_empty() && !left {
            start = self.block(block.bytes.len())?;
            if start == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            write(self.caller, start as usize, block.bytes)?;
        }
        if !left {
            write(self.caller, place, &if block.null { 0 } else { start }.to_le_bytes())?;
        }
        if !(block.may_be_left && size == 0) {
            write(self.caller, size, &u32::try_from(block.told).unwrap_or(u32::MAX).to_le_bytes())?;
        }
        Ok(())
    }

    fn declines(&self) -> bool {
        matches!(self.rest.as_slice(), [Val::I32(0), ..])
    }

    fn write_size(&mut self, number: usize) -> Result<(), Failure> {
        self.write_u32(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn write_u32(&mut self, number: u32) -> Result<(), Failure> {
        self.write(&number.to_le_bytes())
    }

    fn write_u64(&mut self, number: u64) -> Result<(), Failure> {
        self.write(&number.to_le_bytes())
    }

    fn nest(&mut self, callback: &'static str, arguments: &[u32]) -> Result<(), Failure> {
        let Some(instance) = self.caller.data().instance else { return Ok(()) };
        let Some(function) = instance.get_func(&mut *self.caller, callback) else { return Ok(()) };
        call(&mut *self.caller, function, arguments).map_err(|error| Failure::Trap(describe(&error)))?;
        Ok(())
    }

    fn allocate(&mut self, size: usize) -> Result<(), Failure> {
        self.block(size).map(drop)
    }
}
