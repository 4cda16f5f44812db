//! Who has taken what: a count for each stream and one for the VM.

use core::cell::Cell;

use super::state::{current, is_idle};
use crate::abi::{Shared, StreamType};

/// What the VM has taken. Apart from the rest of the state because it needs no drop: blocks are
/// freed at any time, also while a thread ends.
pub(super) struct Counts {
    /// Bytes in blocks of the host's.
    blocks: Cell<usize>,
    /// Bytes in bodies that the proxy holds back, or that are reserved for them.
    held: Cell<usize>,
    /// What the accounts of all streams say that their callbacks allocated and nobody freed.
    charged: Cell<usize>,
}

crate::__vm_local! {
    static COUNTS: Counts = Counts { blocks: Cell::new(0), held: Cell::new(0), charged: Cell::new(0) };
}

fn add(to: &Cell<usize>, size: usize) {
    to.set(to.get().saturating_add(size));
}

fn sub(from: &Cell<usize>, size: usize) {
    from.set(from.get().saturating_sub(size));
}

/// Bytes of blocks and bodies of all streams.
pub(super) fn counted() -> (usize, usize) {
    COUNTS.with(|counts| (counts.blocks.get(), counts.held.get()))
}

/// What the VM has taken: everything that is allocated, blocks of the host's among it, and the
/// bodies that the proxy holds.
pub(super) fn used() -> usize {
    let (blocks, held) = counted();
    sluicegate_alloc::live().max(blocks).saturating_add(held)
}

/// What is allocated beside blocks of the host's; zero if the allocator does not tell.
fn guest() -> usize {
    sluicegate_alloc::live().saturating_sub(counted().0)
}

/// What is to become of a stream.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Mode {
    /// The filter decides.
    Filtered,
    /// It goes on without the filter.
    Passed,
    /// It was answered.
    Replied,
}

/// What a stream has taken.
pub(crate) struct Taken {
    blocks: Cell<usize>,
    /// Of the request's body and the response's.
    held: [Cell<usize>; 2],
    /// Of the request's body, announced by the filter.
    reserved: Cell<usize>,
    /// What its callbacks allocated and did not free: a share of `Counts::charged`.
    guest: Cell<usize>,
    /// What was allocated in the VM when it was last looked at.
    mark: Cell<usize>,
    pub(super) mode: Cell<Mode>,
}

impl Taken {
    const fn new() -> Self {
        Self {
            blocks: Cell::new(0),
            held: [const { Cell::new(0) }; 2],
            reserved: Cell::new(0),
            guest: Cell::new(0),
            mark: Cell::new(0),
            mode: Cell::new(Mode::Filtered),
        }
    }

    /// Returns whether the stream takes more than `most` with `more` bytes on top.
    pub(super) fn passes(&self, most: usize, more: usize) -> bool {
        let over = || self.used().saturating_add(more) > most;
        if over() {
            self.forgive();
        }
        over()
    }

    pub(super) fn used(&self) -> usize {
        let held = self.held.iter().map(Cell::get).fold(0, usize::saturating_add);
        self.blocks.get().saturating_add(held).saturating_add(self.guest.get())
    }

    /// Puts down how much of a body the proxy holds back.
    pub(super) fn hold(&self, direction: StreamType, size: usize) {
        let size = match direction {
            // What was reserved is taken until the body is let go on.
            StreamType::HttpRequest if size != 0 => size.max(self.reserved.get()),
            _ => size,
        };
        if size == 0 && matches!(direction, StreamType::HttpRequest) {
            self.reserved.set(0);
        }
        if let Some(held) = self.held.get(direction as usize) {
            COUNTS.with(|counts| {
                sub(&counts.held, held.replace(size));
                add(&counts.held, size);
            });
        }
    }

    pub(super) fn reserve(&self, size: usize) {
        self.reserved.set(size);
        self.hold(StreamType::HttpRequest, size);
    }

    /// How much more the request's body would take with this reservation.
    pub(super) fn more(&self, size: usize) -> usize {
        size.saturating_sub(self.held[0].get())
    }

    fn begin(&self) {
        if is_idle() {
            return;
        }
        self.mark.set(guest());
    }

    /// Puts what was allocated since the last look on this stream's account.
    pub(super) fn look(&self) {
        if is_idle() {
            return;
        }
        let (now, before) = (guest(), self.mark.get());
        self.mark.set(now);
        let guest = self.guest.get();
        self.charge(if now >= before {
            guest.saturating_add(now - before)
        } else {
            guest.saturating_sub(before - now)
        });
    }

    /// Makes the share of what callbacks allocated so large.
    fn charge(&self, guest: usize) {
        COUNTS.with(|counts| {
            sub(&counts.charged, self.guest.replace(guest));
            add(&counts.charged, guest);
        });
    }

    /// Takes off the stream's account what others have freed of it. Whose callback
    /// allocated a block is not known when it is freed; but what all streams are charged
    /// with
    /// beyond what lives has been freed, and it is taken off the stream that is about to be
    /// refused something for it.
    #[cold]
    pub(super) fn forgive(&self) {
        self.look();
        let freed = COUNTS.with(|counts| counts.charged.get()).saturating_sub(guest());
        self.charge(self.guest.get().saturating_sub(freed));
    }
}

/// A stream's account, closed with the stream.
pub(crate) struct Account(Option<Shared<Taken>>);

impl Account {
    /// Returns a new account; without memory for it, the stream's share counts for the VM only.
    pub(crate) fn open() -> Self {
        Self(Shared::try_new(Taken::new()).ok())
    }

    /// Runs a callback of the stream: what it takes goes on this account.
    pub(crate) fn within<R>(&self, callback: impl FnOnce() -> R) -> R {
        let outer = current::replace(self.0.clone());
        if let Some(outer) = &outer {
            outer.look();
        }
        if let Some(taken) = &self.0 {
            taken.begin();
        }
        let _leave = Leave { taken: self.0.as_ref(), outer };
        callback()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(taken) = &self.0 {
            taken.hold(StreamType::HttpRequest, 0);
            taken.hold(StreamType::HttpResponse, 0);
            // What it leaves behind is the VM's.
            taken.charge(0);
        }
    }
}

/// The end of a callback, also by a panic.
struct Leave<'a> {
    taken: Option<&'a Shared<Taken>>,
    outer: Option<Shared<Taken>>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken {
            taken.look();
        }
        if let Some(outer) = &self.outer {
            outer.begin();
        }
        current::replace(self.outer.take());
    }
}

/// What a block of the host's takes, as long as it lives: also past its stream.
pub(crate) struct Charge {
    owner: Option<Shared<Taken>>,
    size: usize,
}

impl Charge {
    pub(crate) const NONE: Self = Self { owner: None, size: 0 };

    /// Puts a block on the account of the stream whose callback runs.
    pub(crate) fn take(size: usize) -> Self {
        let owner = current::get();
        if let Some(owner) = &owner {
            add(&owner.blocks, size);
        }
        COUNTS.with(|counts| add(&counts.blocks, size));
        Self { owner, size }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(owner) = &self.owner {
            sub(&owner.blocks, self.size);
        }
        COUNTS.with(|counts| sub(&counts.blocks, self.size));
    }
}
