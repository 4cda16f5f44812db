//! A stream or connection: its kept values, and the way in which a callback runs in it.

use core::cell::RefCell;
use core::marker::PhantomData;

use super::contexts::{NotCreated, Plugin, created};
#[cfg(feature = "async")]
use super::task_ends;
use super::{http_policy, tcp_policy};
use crate::abi::arenas::Slot;
use crate::abi::{CallbackScope, LogLevel, Shared};
use crate::budget::Account;
use crate::context::{HttpFilter, PluginContext, TcpFilter};
use crate::error::Result;
use crate::log;
use crate::profile;
use crate::stream_state::{Abilities, State, Streams};
use crate::table::Table;
use sluicegate_alloc::region::Region;

/// The code that runs in a stream: an HTTP filter or a TCP filter.
pub(super) trait Runs {
    type Filter: 'static;
    type Plugin: PluginContext;
    const ABILITIES: Abilities;
    /// `true` if the filter has tasks, which are polled at the end of its callbacks.
    #[cfg(feature = "async")]
    const TASKS: bool;

    /// Handles the end of a task of the stream.
    #[cfg(feature = "async")]
    fn end_task(id: u32, ended: crate::task::Ended);

    /// Applies the policy to a stream whose callback failed, or that could not get a response.
    fn fail(id: u32, state: &State);
}

pub(super) struct Http<H>(PhantomData<H>);

impl<H: HttpFilter> Runs for Http<H> {
    type Filter = H;
    type Plugin = H::Plugin;
    const ABILITIES: Abilities = Abilities::of_stream(H::HTTP_ANSWERS, H::GRPC_ANSWERS, H::TASKS);
    #[cfg(feature = "async")]
    const TASKS: bool = H::TASKS;

    #[cfg(feature = "async")]
    fn end_task(id: u32, ended: crate::task::Ended) {
        task_ends::end_http::<H>(id, ended);
    }

    fn fail(id: u32, state: &State) {
        http_policy::fail::<H>(id, state);
    }
}

pub(super) struct Tcp<T>(PhantomData<T>);

impl<T: TcpFilter> Runs for Tcp<T> {
    type Filter = T;
    type Plugin = T::Plugin;
    const ABILITIES: Abilities = Abilities::of_connection(T::HTTP_ANSWERS, T::GRPC_ANSWERS, T::TASKS);
    #[cfg(feature = "async")]
    const TASKS: bool = T::TASKS;

    #[cfg(feature = "async")]
    fn end_task(id: u32, ended: crate::task::Ended) {
        task_ends::end_tcp::<T>(id, ended);
    }

    fn fail(id: u32, state: &State) {
        tcp_policy::fail::<T>(id, state);
    }
}

/// A stream or connection with its filter, and the memory that its callbacks take if the allocator
/// is the arena. The fields are dropped in this order: the values of the filter are dropped before
/// its region is closed.
pub(super) struct Stream<K: Runs> {
    pub(super) plugin: Shared<Plugin<K::Plugin>>,
    pub(super) filter: RefCell<K::Filter>,
    pub(super) region: Region,
    pub(super) arena: Slot,
    pub(super) account: Account,
    pub(super) state: State,
}

impl<K: Runs> Stream<K> {
    /// Runs a callback. Returns `None` if the context or its plugin is busy.
    pub(super) fn run<R>(
        &self,
        id: u32,
        streams: &(dyn Streams + 'static),
        callback: impl FnOnce(&mut K::Filter, &K::Plugin) -> R,
    ) -> Option<R> {
        self.run_after(id, streams, || true, callback)
    }

    /// Runs `first`, and then a callback unless `first` returns `false`. `first` runs in the scope
    /// of the callback: from there on host calls act on the stream, and a host that calls back
    /// finds the stream busy.
    pub(super) fn run_after<R>(
        &self,
        id: u32,
        streams: &(dyn Streams + 'static),
        first: impl FnOnce() -> bool,
        callback: impl FnOnce(&mut K::Filter, &K::Plugin) -> R,
    ) -> Option<R> {
        let _scope = CallbackScope::new();
        let answer = {
            let (Ok(plugin), Ok(mut filter)) = (self.plugin.context.try_borrow(), self.filter.try_borrow_mut()) else {
                log::note(LogLevel::Warn, "context is busy", id);
                return None;
            };
            self.state.enter();
            self.state.within(|| {
                if !first() {
                    return None;
                }
                let answer = self.account.within(|| {
                    self.arena.within(|| {
                        self.region.within(|| {
                            let answer = profile::of_filter::<K::Filter, _>(self.plugin.number(), || {
                                callback(&mut filter, &plugin)
                            });
                            #[cfg(feature = "async")]
                            if K::TASKS {
                                crate::task::drive(id, self.plugin.id, &mut *filter, &*plugin, &mut |ended| {
                                    K::end_task(id, ended);
                                });
                            }
                            answer
                        })
                    })
                });
                if self.state.take_lost() {
                    K::fail(id, &self.state);
                }
                Some(answer)
            })?
        };
        self.plugin.settle(streams, Some(id));
        Some(answer)
    }
}

impl<K: Runs> Table<Stream<K>> {
    /// Runs a callback of a stream. Returns `None` if there is no such stream, or if it is busy.
    pub(super) fn run<R>(
        &self,
        id: u32,
        streams: &(dyn Streams + 'static),
        callback: impl FnOnce(&mut K::Filter, &K::Plugin) -> R,
    ) -> Option<R> {
        self.known(id)?.run(id, streams, callback)
    }

    /// Returns the stream of a number. If there is none, returns `None` and writes a line to the
    /// log.
    pub(super) fn known(&self, id: u32) -> Option<Shared<Stream<K>>> {
        let stream = self.get(id);
        if stream.is_none() {
            log::note(LogLevel::Warn, "no such context", id);
        }
        stream
    }

    /// Adds a stream with the filter that `create` makes.
    pub(super) fn open(
        &self,
        id: u32,
        plugin: Shared<Plugin<K::Plugin>>,
        create: impl FnOnce(&K::Plugin) -> K::Filter,
    ) -> Result<(), NotCreated> {
        if self.contains(id) {
            return Err(NotCreated::Number);
        }
        let (region, account) = (Region::new(), Account::open());
        let filter = {
            let context = plugin.context.try_borrow().map_err(|_| NotCreated::Busy)?;
            let create = || profile::of_filter::<K::Filter, _>(plugin.number(), || create(&context));
            RefCell::new(account.within(|| region.within(create)))
        };
        created(self.insert(
            id,
            Stream { plugin, filter, region, arena: Slot::new(), account, state: State::new(K::ABILITIES) },
        ))
    }
}
