//! Plays operations on a module, one by one.

use anyhow::{Context, Result};
use sluicegate_traces::hostile::{Block, Blocks, Cap, Op, Player};
use wasmtime::{Caller, Instance, Linker, Memory, Module, ResourceLimiter, Store, Trap, TypedFunc};

use super::costs::{Costs, Fate};

/// The largest number of pages that a proxy gives to a module. `memory.grow` fails beyond it.
const MOST: usize = 1 << 14;

/// The number of an operation in the guest.
const END: u32 = 0;
const ALLOCATE: u32 = 1;
const ZEROED: u32 = 2;
const FREE: u32 = 3;
const RESIZE: u32 = 4;
const OPEN: u32 = 5;
const ENTER: u32 = 6;
const LEAVE: u32 = 7;
const CLOSE: u32 = 8;
const NOTHING: u32 = 9;

/// The current operation of the guest.
#[derive(Debug, Clone, Copy)]
enum Current {
    Nothing,
    Calibration,
    Block(Op),
    Open(usize),
    Enter,
    Leave(usize),
    Close,
}

/// The addresses of the guest's order and of its fields.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    order: usize,
    region: usize,
    region_size: usize,
}

struct State {
    memory: Option<Memory>,
    places: Places,
    cap: usize,
    ops: Vec<Op>,
    at: usize,
    blocks: Blocks,
    /// The bytes of the open regions, by number.
    regions: Vec<Option<Vec<u8>>>,
    entered: Vec<usize>,
    current: Current,
    /// The fuel when the guest went on with the current operation.
    before: u64,
    /// The instructions between two orders without an operation, and the number of times that this
    /// is still to be counted.
    overhead: u64,
    calibrations: u32,
    costs: Costs,
    fault: Option<String>,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired >> 16 <= self.cap)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// A module that plays operations.
pub(super) struct Wasm {
    store: Store<State>,
    memory: Memory,
    play: TypedFunc<(), ()>,
    first: u64,
    ended: Option<String>,
}

impl Wasm {
    pub(super) fn start(module: &Module, patience: u64) -> Result<Self> {
        let state = State {
            memory: None,
            places: Places::default(),
            cap: MOST,
            ops: Vec::new(),
            at: 0,
            blocks: Blocks::default(),
            regions: Vec::new(),
            entered: Vec::new(),
            current: Current::Nothing,
            before: 0,
            overhead: 0,
            calibrations: 2,
            costs: Costs::default(),
            fault: None,
        };
        let mut store = Store::new(module.engine(), state);
        store.limiter(|state| state);
        store.set_fuel(patience)?;
        let mut linker = Linker::new(module.engine());
        linker.func_wrap("host", "next", next)?;
        linker.define_unknown_imports_as_default_values(&mut store, module)?;
        let instance = linker.instantiate(&mut store, module)?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        let mut place = |name: &str| -> Result<usize> { number(&instance, &mut store, name) };
        let places = Places { order: place("order")?, region: place("region_at")?, region_size: place("region_size")? };
        let memory = instance.get_memory(&mut store, "memory").context("no memory")?;
        store.data_mut().memory = Some(memory);
        store.data_mut().places = places;
        let play = instance.get_typed_func(&mut store, "play")?;
        let first = memory.size(&store);
        let mut player = Self { store, memory, play, first, ended: None };
        // With no operations it counts what the guest takes to do nothing.
        player.play.call(&mut player.store, ())?;
        Ok(player)
    }

    /// Returns the cost of the operations, the pages beyond the start, and the reason for an early
    /// end.
    pub(super) fn finish(self) -> (Costs, u64, Option<String>) {
        let pages = self.memory.size(&self.store) - self.first;
        let state = self.store.into_data();
        (state.costs.finish(), pages, state.fault.or(self.ended))
    }
}

fn number(instance: &Instance, store: &mut Store<State>, name: &str) -> Result<usize> {
    Ok(instance.get_typed_func::<(), u32>(&mut *store, name)?.call(store, ())? as usize)
}

impl Player for Wasm {
    fn play(&mut self, ops: &[Op], blocks: &mut Blocks) {
        if self.ended.is_some() {
            return;
        }
        let state = self.store.data_mut();
        state.ops.clear();
        state.ops.extend_from_slice(ops);
        state.at = 0;
        state.current = Current::Nothing;
        std::mem::swap(&mut state.blocks, blocks);
        if let Err(error) = self.play.call(&mut self.store, ()) {
            let unfinished = error.downcast_ref() == Some(&Trap::OutOfFuel);
            self.ended = Some(if unfinished { "does not finish".to_owned() } else { error.root_cause().to_string() });
        }
        std::mem::swap(&mut self.store.data_mut().blocks, blocks);
    }
}

/// The function that the guest calls when an operation is over and the next begins.
fn next(mut caller: Caller<'_, State>, result: u32) -> wasmtime::Result<u32> {
    let fuel = caller.get_fuel()?;
    let Some(memory) = caller.data().memory else { return Ok(END) };
    let pages = memory.size(&caller) as usize;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let cost = state.before.saturating_sub(fuel);
    state.over(bytes, result as usize, cost);
    let kind = state.begin(bytes, pages);
    state.before = fuel;
    Ok(kind)
}

impl State {
    /// Records the result of the current operation.
    fn over(&mut self, bytes: &[u8], result: usize, cost: u64) {
        let cost = cost.saturating_sub(self.overhead);
        match self.current {
            Current::Nothing => {}
            Current::Calibration => self.overhead = cost,
            Current::Block(op) => self.block(bytes, op, result, cost),
            Current::Open(region) => {
                self.keep(bytes, region);
                self.costs.add(cost, Fate::Region, || "open".to_owned());
            }
            Current::Enter => self.costs.add(cost, Fate::Region, || "enter".to_owned()),
            Current::Leave(region) => {
                self.keep(bytes, region);
                self.costs.add(cost, Fate::Region, || "leave".to_owned());
            }
            Current::Close => self.costs.add(cost, Fate::Region, || "close".to_owned()),
        }
        self.current = Current::Nothing;
    }

    fn block(&mut self, bytes: &[u8], op: Op, result: usize, cost: u64) {
        let (number, made) = match op {
            Op::Allocate { block, size, align, .. } => (block, Block { address: result, size, align }),
            Op::Resize { block, size } => {
                (block, Block { address: result, size, align: self.blocks.get(block).map_or(1, |block| block.align) })
            }
            Op::Free { block } => {
                self.blocks.take(block);
                self.costs.add(cost, Fate::Served, || "free".to_owned());
                return;
            }
            _ => return,
        };
        if result == 0 {
            self.costs.add(cost, Fate::Refused, || format!("{op:?}"));
            return;
        }
        if !made.address.is_multiple_of(made.align) || made.address + made.size > bytes.len() {
            self.fault = Some(format!("{op:?}: {result:#x} is no place for it"));
        }
        self.blocks.put(number, made);
        self.costs.add(cost, Fate::Served, || format!("{op:?}"));
    }

    /// Copies a region out of the order.
    fn keep(&mut self, bytes: &[u8], region: usize) {
        if self.regions.len() <= region {
            self.regions.resize(region + 1, None);
        }
        let Places { region: at, region_size, .. } = self.places;
        self.regions[region] = Some(bytes[at..at + region_size].to_vec());
    }

    /// Copies a region into the order. Returns `false` if the region is not open.
    fn hand_over(&mut self, bytes: &mut [u8], region: usize) -> bool {
        let Some(kept) = self.regions.get_mut(region).and_then(Option::take) else { return false };
        let at = self.places.region;
        bytes[at..at + kept.len()].copy_from_slice(&kept);
        true
    }

    fn write(&self, bytes: &mut [u8], block: Block, longer: usize) {
        for (field, value) in [block.address, block.size, block.align, longer].into_iter().enumerate() {
            let at = self.places.order + field * 4;
            bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
        }
    }

    /// Goes on to the next operation of the guest, and writes the order.
    fn begin(&mut self, bytes: &mut [u8], pages: usize) -> u32 {
        if self.calibrations > 0 {
            self.calibrations -= 1;
            self.current = Current::Calibration;
            return NOTHING;
        }
        while let Some(&op) = self.ops.get(self.at) {
            self.at += 1;
            match op {
                Op::Allocate { size, align, zeroed, .. } => {
                    self.write(bytes, Block { address: 0, size, align }, 0);
                    self.current = Current::Block(op);
                    return if zeroed { ZEROED } else { ALLOCATE };
                }
                Op::Free { block } => {
                    if let Some(block) = self.blocks.get(block) {
                        self.write(bytes, block, 0);
                        self.current = Current::Block(op);
                        return FREE;
                    }
                }
                Op::Resize { block, size } => {
                    if let Some(block) = self.blocks.get(block) {
                        self.write(bytes, block, size);
                        self.current = Current::Block(op);
                        return RESIZE;
                    }
                }
                Op::Enter { region } => {
                    if !self.hand_over(bytes, region) {
                        self.at -= 1;
                        self.current = Current::Open(region);
                        return OPEN;
                    }
                    self.entered.push(region);
                    self.current = Current::Enter;
                    return ENTER;
                }
                Op::Leave => {
                    if let Some(region) = self.entered.pop() {
                        self.current = Current::Leave(region);
                        return LEAVE;
                    }
                }
                Op::Close { region } => {
                    if self.hand_over(bytes, region) {
                        self.current = Current::Close;
                        return CLOSE;
                    }
                }
                Op::Request => self.costs.request(),
                Op::Measure => self.costs.measure(),
                Op::Cap(Cap::Lifted) => self.cap = MOST,
                Op::Cap(Cap::Beyond(more)) => self.cap = (pages + more).min(MOST),
            }
        }
        END
    }
}
