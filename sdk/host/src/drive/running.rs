//! A proxy that runs: the path that every callback takes.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::abi::guest::Guest;
use crate::backends::vm::{Trap, Vm};
use crate::model::cost::Cost;
use crate::model::phases::{self, Returned};
use crate::model::state::{Restricted, State};

/// The context of the first plugin.
pub(crate) const PLUGIN: u32 = 1;

/// A proxy that runs a module on the current thread. Dropping the proxy ends the VM.
///
/// Methods about "the plugin" are about the first plugin. [`add_plugin`](Self::add_plugin) starts
/// others.
///
/// # Panics
///
/// Dropping panics if the module trapped and the test did not ask with [`trapped`](Self::trapped):
/// a trap that a test does not expect fails the test. Dropping also panics if the filter did
/// something that ends a proxy or garbles what the proxy sends, and the test did not ask with
/// [`harm`](Self::harm).
pub struct RunningHost {
    vm: RefCell<Rc<dyn Vm>>,
    /// Loads another VM of the module.
    load: Box<Load>,
    #[cfg(feature = "wasm")]
    first_pages: u64,
    guest: Rc<Guest>,
    policy: FailurePolicy,
    /// The time at which the VM was loaded, in nanoseconds that passed.
    loaded: Cell<u64>,
    trap: RefCell<Option<String>>,
    trap_seen: Cell<bool>,
    harm_seen: Cell<bool>,
    /// The depth of nested callbacks. A host call of the guest may run a function of the test,
    /// which may call back.
    depth: Cell<u32>,
    pub(super) costs: RefCell<BTreeMap<&'static str, Cost>>,
}

/// Loads a VM, or fails with the reason.
pub(crate) type Load = dyn Fn(&Rc<Guest>) -> Result<Rc<dyn Vm>, String>;

/// The treatment of streams when the module has trapped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum FailurePolicy {
    #[default]
    Closed,
    Open,
    Reload,
}

/// The shortest life of a VM before another VM replaces it, in nanoseconds. This is the default of
/// Envoy's `reload_config`.
const RELOAD_AFTER: u64 = 1_000_000_000;

/// The outcome of a callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The module returned this value.
    Answer(u32),
    /// The module does not export the callback.
    Absent,
    /// The VM is dead. The callback killed it, or it was dead before.
    Failed,
}

impl Outcome {
    /// Returns the value that the module returned, or `None` if there is none.
    pub(crate) fn answer(self) -> Option<u32> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Absent | Self::Failed => None,
        }
    }
}

impl RunningHost {
    /// Loads a VM and runs its start functions.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the VM cannot be loaded.
    pub(crate) fn start(load: Box<Load>, guest: Rc<Guest>, policy: FailurePolicy) -> Result<Self, String> {
        let vm = load(&guest)?;
        let running = Self {
            #[cfg(feature = "wasm")]
            first_pages: vm.pages(),
            vm: RefCell::new(vm),
            load,
            guest,
            policy,
            loaded: Cell::default(),
            trap: RefCell::default(),
            trap_seen: Cell::default(),
            harm_seen: Cell::default(),
            depth: Cell::default(),
            costs: RefCell::default(),
        };
        running.start_loaded();
        Ok(running)
    }

    /// Runs the start functions of the VM.
    fn start_loaded(&self) {
        self.loaded.set(self.state().proxy.borrow().passed);
        self.state().restricted = Some(Restricted::Starting);
        let started = self.vm().start();
        self.state().restricted = None;
        if let Err(trap) = started {
            self.fail_vm(trap);
        }
    }

    pub(super) fn vm(&self) -> Rc<dyn Vm> {
        self.vm.borrow().clone()
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.guest.state.borrow_mut()
    }

    /// Runs a callback of a context.
    pub(crate) fn enter(&self, context: u32, callback: &'static str, arguments: &[u32]) -> Outcome {
        if self.trap.borrow().is_some() {
            return Outcome::Failed;
        }
        let cost_before = self.cost();
        let before = std::mem::replace(&mut self.state().effective, context);
        let outer = std::mem::take(&mut self.state().acts);
        if !self.is_inside() {
            let mut state = self.state();
            (state.entered, state.failed_at_once) = (callback, false);
        }
        self.depth.set(self.depth.get() + 1);
        let result = self.vm().call(callback, arguments);
        self.depth.set(self.depth.get() - 1);
        let acts = std::mem::replace(&mut self.state().acts, outer);
        self.state().effective = before;
        if let Ok(Some(status)) = result {
            self.state().cost.vm_entries += 1;
            if !acts.is_empty() {
                phases::judge(&mut self.state(), &Returned::new(callback, arguments, status), &acts);
            }
        }
        if !self.is_inside() {
            let spent = self.cost() - cost_before;
            let mut costs = self.costs.borrow_mut();
            let cost = costs.entry(callback).or_default();
            *cost = *cost + spent;
        }
        match result {
            Ok(Some(answer)) => Outcome::Answer(answer),
            Ok(None) => Outcome::Absent,
            Err(trap) => {
                self.state().deferred.clear();
                self.fail_vm(trap);
                Outcome::Failed
            }
        }
    }

    /// Replaces a dead VM, if the failure policy says so and the VM is old enough. Returns whether
    /// it did.
    pub(super) fn replace_vm(&self) -> bool {
        let due = self.loaded.get().saturating_add(RELOAD_AFTER) <= self.state().proxy.borrow().passed;
        if self.policy != FailurePolicy::Reload || !due || self.trap.borrow().is_none() || self.is_inside() {
            return false;
        }
        self.state().forget_vm();
        let Ok(vm) = (self.load)(&self.guest) else { return false };
        self.vm.replace(vm);
        *self.trap.borrow_mut() = None;
        self.start_loaded();
        true
    }

    /// Returns whether a callback runs.
    pub(super) fn is_inside(&self) -> bool {
        self.depth.get() != 0
    }

    /// Returns whether the filter replied to or reset a stream.
    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.state().is_over(stream)
    }

    /// Returns whether body callbacks follow headers that are held with `StopIteration`.
    pub(crate) fn allows_stop_iteration(&self) -> bool {
        self.state().allows_stop_iteration
    }

    fn fail_vm(&self, Trap(why): Trap) {
        self.trap.borrow_mut().get_or_insert(why);
    }

    /// Returns whether a stream passes the dead VM: the proxy fails open, and the VM was dead
    /// before the stream began.
    pub(super) fn passes(&self, stream: u32) -> bool {
        self.policy == FailurePolicy::Open && self.state().streams.get(&stream).is_some_and(|stream| stream.unfiltered)
    }

    /// Returns whether a new stream has no VM.
    pub(crate) fn is_dead(&self) -> bool {
        self.trap.borrow().is_some()
    }

    /// Returns the first thing that the filter did which ends a proxy or garbles what it sends, or
    /// `None` if the filter did no such thing.
    ///
    /// Such a host call fails the test when the host is dropped, unless the test calls this method.
    pub fn harm(&self) -> Option<String> {
        self.harm_seen.set(true);
        self.state().harm.clone()
    }

    /// Returns the reason why the VM is dead, or `None` if the VM is alive.
    ///
    /// A trap fails the test when the host is dropped, unless the test calls this method. Natively
    /// there are no traps: a filter's panic is the test's.
    pub fn trapped(&self) -> Option<String> {
        self.trap_seen.set(true);
        self.trap.borrow().clone()
    }

    /// Calls any callback with any arguments, in any order, as no proxy would.
    ///
    /// Returns the value that the callback returned, or `None` if the module does not export the
    /// callback or the VM is dead.
    pub fn callback(&self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        // No proxy makes such a call, so its harm does not fail the test.
        self.harm_seen.set(true);
        let answer = self.enter(arguments.first().copied().unwrap_or_default(), callback, arguments).answer();
        self.run_deferred();
        answer
    }

    /// Returns the number of pages with which the module began.
    #[cfg(feature = "wasm")]
    pub(crate) fn first_pages(&self) -> u64 {
        self.first_pages
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        {
            let state = self.state();
            state.proxy.borrow_mut().end_vm(&state.vm_id);
        }
        if std::thread::panicking() {
            // The test failed: print the filter's log.
            self.state().log.iter().for_each(|line| eprintln!("filter: {:?} {}", line.level, line.text));
        }
        if let Some(why) = self.trap.take()
            && !self.trap_seen.get()
            && !std::thread::panicking()
        {
            panic!("the module trapped: {why}");
        }
        let harm = self.state().harm.take();
        if let Some(why) = harm
            && !self.harm_seen.get()
            && !std::thread::panicking()
        {
            panic!("a call that would harm a proxy: {why}");
        }
    }
}

/// Converts a count or size to the type that callbacks get.
pub(crate) fn count(count: usize) -> u32 {
    u32::try_from(count).expect("less than 4 billion")
}
