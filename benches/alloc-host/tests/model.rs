//! The shadow model on the targets of modules, under wasmtime. The host makes random sequences, and
//! the guest runs them, with 32-bit pointers and the real `memory.grow`.
//!
//! Each trap is a failure, and so is each broken promise.

use std::fs;

use anyhow::{Context, Result, bail};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sluicegate_alloc_host::guest::module;
use sluicegate_alloc_model::Op;
use sluicegate_alloc_model::broken::Fault;
use sluicegate_alloc_model::ops::{extremes, sequences};
use sluicegate_alloc_model::traces::TRACES;
use wasmtime::{Engine, Instance, Linker, Module, ResourceLimiter, Store};

const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];
const STRATEGIES: [&str; 5] = ["talc", "heap", "freelist", "arena", "system"];
const STEPS: usize = 400;
/// The length of the traces of the benches: a thousand requests, ten thousand pairs.
const SCALE: u32 = 100;

/// The growths of the allocator under test that fail.
#[derive(Clone, Copy)]
enum Refuse {
    Nothing,
    /// The growth with this number, whatever its size.
    Growth(u32),
    /// Only its first attempt, which asks for more than the need.
    Wish(u32),
    /// All growths beyond this number of pages.
    Past(usize),
}

struct Host {
    refuse: Refuse,
    /// `true` while the allocator under test grows memory.
    growing: bool,
    attempts: u32,
    growths: u32,
    most: usize,
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if !self.growing {
            return Ok(true);
        }
        self.attempts += 1;
        let refused = match self.refuse {
            Refuse::Nothing => false,
            Refuse::Growth(number) => number + 1 == self.growths,
            Refuse::Wish(number) => number + 1 == self.growths && self.attempts == 1,
            Refuse::Past(pages) => desired > pages << 16,
        };
        if !refused {
            self.most = self.most.max(desired >> 16);
        }
        Ok(!refused)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// The result of a run.
#[derive(Debug)]
struct Outcome {
    growths: u32,
    refused: u32,
    first: usize,
    most: usize,
}

fn compiled(target: &str) -> (Engine, Module) {
    let engine = Engine::default();
    let path = module("sluicegate-alloc-model-guest", target, &[]).unwrap();
    let module = Module::new(&engine, fs::read(path).unwrap()).unwrap();
    (engine, module)
}

fn start(module: &(Engine, Module), refuse: Refuse) -> Result<(Store<Host>, Instance)> {
    let host = Host { refuse, growing: false, attempts: 0, growths: 0, most: 0 };
    let mut store = Store::new(&module.0, host);
    store.limiter(|host| host);
    let mut linker = Linker::<Host>::new(&module.0);
    linker.func_wrap("host", "growth", |mut caller: wasmtime::Caller<'_, Host>, begins: u32| {
        let host = caller.data_mut();
        host.growing = begins == 1;
        host.attempts = 0;
        host.growths += begins;
    })?;
    linker.define_unknown_imports_as_default_values(&mut store, &module.1)?;
    let instance = linker.instantiate(&mut store, &module.1)?;
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        initialize.call(&mut store, ())?;
    }
    Ok((store, instance))
}

/// Returns the guest's message as an error, if a promise was broken.
fn verify(store: &mut Store<Host>, instance: &Instance, kept: u32) -> Result<()> {
    if kept == 0 {
        let memory = instance.get_memory(&mut *store, "memory").context("no memory")?;
        let at = instance.get_typed_func::<(), u32>(&mut *store, "message")?.call(&mut *store, ())? as usize;
        let length = instance.get_typed_func::<(), u32>(&mut *store, "message_length")?.call(&mut *store, ())? as usize;
        let message = memory.data(&*store).get(at..at + length).context("no message")?;
        bail!("{}", String::from_utf8_lossy(message));
    }
    Ok(())
}

fn interpret(module: &(Engine, Module), strategy: usize, ops: &[Op], refuse: Refuse) -> Result<Outcome> {
    interpret_by(module, "interpret", strategy, ops, refuse)
}

fn interpret_by(
    module: &(Engine, Module),
    export: &str,
    strategy: usize,
    ops: &[Op],
    refuse: Refuse,
) -> Result<Outcome> {
    let (mut store, instance) = start(module, refuse)?;
    let memory = instance.get_memory(&mut store, "memory").context("no memory")?;
    let first = memory.size(&store) as usize;
    let bytes: Vec<u8> = ops.iter().flat_map(Op::encode).collect();
    let at = instance.get_typed_func::<u32, u32>(&mut store, "ops")?.call(&mut store, bytes.len() as u32)?;
    memory.write(&mut store, at as usize, &bytes)?;
    let kept = instance.get_typed_func::<u32, u32>(&mut store, export)?.call(&mut store, strategy as u32)?;
    verify(&mut store, &instance, kept)?;
    let refused = instance.get_typed_func::<(), u32>(&mut store, "refused")?.call(&mut store, ())?;
    let host = store.data();
    Ok(Outcome { growths: host.growths, refused, first, most: host.most })
}

/// Plays a trace of the benches on a strategy, through the model.
fn play(module: &(Engine, Module), strategy: usize, trace: usize) -> Result<()> {
    let (mut store, instance) = start(module, Refuse::Nothing)?;
    let play = instance.get_typed_func::<(u32, u32, u32), u32>(&mut store, "play")?;
    let kept = play.call(&mut store, (strategy as u32, trace as u32, SCALE))?;
    verify(&mut store, &instance, kept)
}

/// A sequence from a fixed seed.
fn fixed_sequence() -> Vec<Op> {
    let mut runner = TestRunner::deterministic();
    let tree = proptest::collection::vec(sequences(STEPS), 4).new_tree(&mut runner).unwrap();
    tree.current().concat()
}

#[test]
fn all_keep_their_promises() {
    for target in TARGETS {
        let module = compiled(target);
        for (strategy, name) in STRATEGIES.iter().enumerate() {
            let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
            let mut runner = TestRunner::new(config);
            let result = runner.run(&sequences(STEPS), |ops| {
                let outcome = interpret(&module, strategy, &ops, Refuse::Nothing);
                outcome.map(|_| ()).map_err(|fault| TestCaseError::fail(format!("{fault:?}")))
            });
            result.unwrap_or_else(|fault| panic!("{name} on {target}: {fault}"));
        }
    }
}

#[test]
fn every_single_growth_may_be_refused() {
    let ops = fixed_sequence();
    for target in TARGETS {
        let module = compiled(target);
        // The standard library's own does not tell when it grows.
        for (strategy, name) in STRATEGIES.iter().enumerate().take(4) {
            let whole = interpret(&module, strategy, &ops, Refuse::Nothing).unwrap();
            assert!(whole.growths > 3 && whole.refused == 0, "{name} on {target}: {whole:?}");
            for growth in 0..whole.growths {
                let refused = interpret(&module, strategy, &ops, Refuse::Growth(growth)).unwrap();
                assert!(refused.refused > 0, "{name} on {target}, growth {growth}: {refused:?}");
                // The exact need is there, so nobody notices.
                let wish = interpret(&module, strategy, &ops, Refuse::Wish(growth)).unwrap();
                assert!(wish.refused <= 1, "{name} on {target}, wish {growth}: {wish:?}");
            }
        }
    }
}

#[test]
fn the_host_may_set_a_limit_at_any_page() {
    let ops = fixed_sequence();
    for target in TARGETS {
        let module = compiled(target);
        for (strategy, name) in STRATEGIES.iter().enumerate().take(4) {
            let whole = interpret(&module, strategy, &ops, Refuse::Nothing).unwrap();
            for pages in whole.first..whole.most {
                let limited = interpret(&module, strategy, &ops, Refuse::Past(pages)).unwrap();
                assert!(limited.refused > 0 && limited.most <= pages, "{name} on {target}, {pages} pages: {limited:?}");
            }
        }
    }
}

/// Blocks of 250 MiB, beyond 2 GiB of memory.
fn high() -> Vec<Op> {
    vec![Op::Allocate { size: 250 << 20, align: 3 }; 13]
}

/// Checks that no size fits behind a gap at the top: a block there would end beyond 4 GiB.
#[test]
fn nothing_grows_past_the_address_space() {
    let mut ops = high();
    ops.extend([
        Op::Allocate { size: 1000, align: 3 },
        Op::Resize { which: 13, size: 0x7fff_fff0 },
        Op::Allocate { size: 1 << 20, align: 3 },
        Op::Free { which: 3 },
        Op::Allocate { size: 251 << 20, align: 3 },
        Op::Allocate { size: 1000, align: 30 },
        Op::Allocate { size: 200 << 20, align: 16 },
    ]);
    for target in TARGETS {
        let module = compiled(target);
        for (strategy, name) in STRATEGIES.iter().enumerate() {
            let outcome = interpret_by(&module, "interpret_unbounded", strategy, &ops, Refuse::Nothing);
            let outcome = outcome.unwrap_or_else(|fault| panic!("{name} on {target}: {fault:?}"));
            assert!(outcome.refused > 0, "{name} on {target}: {outcome:?}");
        }
    }
}

/// Frees the lowest blocks of a memory of 3 GiB, as one gap, and two blocks above them: the number
/// of gaps times the largest may be more than 4 GiB.
#[test]
fn a_large_gap_beside_small_ones_is_reported() {
    for target in TARGETS {
        let module = compiled(target);
        for (strategy, name) in STRATEGIES.iter().enumerate() {
            for lowest in 3..9 {
                // The last block takes the number of a freed one, so the highest are freed first.
                let mut ops = high();
                ops.extend([11, 9].into_iter().chain((0..lowest).rev()).map(|which| Op::Free { which }));
                let outcome = interpret_by(&module, "interpret_unbounded", strategy, &ops, Refuse::Nothing);
                outcome.unwrap_or_else(|fault| panic!("{name} on {target}, {lowest} blocks: {fault:?}"));
            }
        }
    }
}

#[test]
fn memories_above_two_gibibytes_are_memories() {
    let module = compiled(TARGETS[0]);
    for (strategy, name) in STRATEGIES.iter().enumerate() {
        let config = Config { cases: 6, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&extremes(80), |ops| {
            let ops = [high(), ops].concat();
            let outcome = interpret_by(&module, "interpret_unbounded", strategy, &ops, Refuse::Nothing);
            outcome.map(|_| ()).map_err(|fault| TestCaseError::fail(format!("{fault:?}")))
        });
        result.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}

#[test]
fn what_is_timed_is_checked() {
    for target in TARGETS {
        let module = compiled(target);
        for (strategy, name) in STRATEGIES.iter().enumerate() {
            for (trace, title) in TRACES.iter().enumerate() {
                play(&module, strategy, trace).unwrap_or_else(|fault| panic!("{name} on {target}, {title}: {fault:?}"));
            }
        }
        for (number, fault) in Fault::ALL.iter().enumerate() {
            let found =
                TRACES.iter().enumerate().any(|(trace, _)| play(&module, STRATEGIES.len() + number, trace).is_err());
            // No trace asks for more than eight bytes' alignment.
            assert!(found || *fault == Fault::Crooked, "{fault:?} was not found on {target}");
        }
    }
}

#[test]
fn negative_controls_fail() {
    for target in TARGETS {
        let module = compiled(target);
        for (number, fault) in Fault::ALL.iter().enumerate() {
            let result = interpret(&module, STRATEGIES.len() + number, &Fault::shown(), Refuse::Nothing);
            assert!(result.is_err(), "{fault:?} was not found on {target}: {result:?}");
        }
    }
}
