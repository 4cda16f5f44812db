//! The accounts of memory: a count for each stream and one for the VM.

use core::cell::Cell;

use super::state::{current, is_idle};
use crate::abi::{Shared, StreamType};

/// The memory that the VM has taken. It is apart from the rest of the state because it needs no
/// drop: blocks are freed at any time, even while a thread ends.
pub(super) struct Counts {
    /// The bytes in blocks that the host asked for.
    blocks: Cell<usize>,
    /// The bytes in bodies that the proxy keeps, or that are reserved for them.
    held: Cell<usize>,
    /// The sum of the streams' accounts: the bytes that their callbacks allocated and nobody freed.
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

/// Returns the bytes of blocks and of bodies of all streams.
pub(super) fn counted() -> (usize, usize) {
    COUNTS.with(|counts| (counts.blocks.get(), counts.held.get()))
}

/// Returns the bytes that the VM has taken: all allocated bytes, including blocks that the host
/// asked for, and the bodies that the proxy keeps.
pub(super) fn used() -> usize {
    let (blocks, held) = counted();
    sluicegate_alloc::live().max(blocks).saturating_add(held)
}

/// Returns the allocated bytes besides blocks that the host asked for. Returns 0 if the allocator
/// does not count.
fn guest() -> usize {
    sluicegate_alloc::live().saturating_sub(counted().0)
}

/// The way in which a stream is handled.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Mode {
    /// The filter decides.
    Filtered,
    /// The stream goes on without the filter.
    Passed,
    /// The stream was replied to.
    Replied,
}

/// The memory that a stream has taken.
pub(crate) struct Taken {
    blocks: Cell<usize>,
    /// The kept bytes of the request's body and of the response's body.
    held: [Cell<usize>; 2],
    /// The bytes of the request's body that the filter reserved.
    reserved: Cell<usize>,
    /// The bytes that the stream's callbacks allocated and did not free: a share of
    /// `Counts::charged`.
    guest: Cell<usize>,
    /// The bytes that were allocated in the VM when this stream was last looked at.
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

    /// Notes how much of a body the proxy keeps.
    pub(super) fn hold(&self, direction: StreamType, size: usize) {
        let size = match direction {
            // Reserved bytes stay taken until the body goes on.
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

    /// Returns how many more bytes the request's body would take with this reservation.
    pub(super) fn more(&self, size: usize) -> usize {
        size.saturating_sub(self.held[0].get())
    }

    fn begin(&self) {
        if is_idle() {
            return;
        }
        self.mark.set(guest());
    }

    /// Adds the bytes that were allocated since the last look to this stream's account.
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

    /// Sets the bytes of the stream's account.
    fn charge(&self, guest: usize) {
        COUNTS.with(|counts| {
            sub(&counts.charged, self.guest.replace(guest));
            add(&counts.charged, guest);
        });
    }

    /// Subtracts the bytes that others have freed from the stream's account. When a block is freed,
    /// it is not known whose callback allocated it. But if the charges of all streams are more than
    /// the live bytes, the difference has been freed. It is subtracted from the stream that is
    /// about to be refused something.
    #[cold]
    pub(super) fn forgive(&self) {
        self.look();
        let freed = COUNTS.with(|counts| counts.charged.get()).saturating_sub(guest());
        self.charge(self.guest.get().saturating_sub(freed));
    }
}

/// The account of a stream, which is closed with the stream.
pub(crate) struct Account(Option<Shared<Taken>>);

impl Account {
    /// Opens an account. If the SDK is out of memory, the stream's share counts for the VM only.
    pub(crate) fn open() -> Self {
        Self(Shared::try_new(Taken::new()).ok())
    }

    /// Runs a callback of the stream. Memory that the callback takes goes on this account.
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
            // The bytes that the stream leaves behind count for the VM.
            taken.charge(0);
        }
    }
}

/// The end of a callback, even by a panic.
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

/// The charge for a block that the host asked for. It lasts as long as the block, even past its
/// stream.
pub(crate) struct Charge {
    owner: Option<Shared<Taken>>,
    size: usize,
}

impl Charge {
    pub(crate) const NONE: Self = Self { owner: None, size: 0 };

    /// Charges a block to the stream whose callback runs.
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
