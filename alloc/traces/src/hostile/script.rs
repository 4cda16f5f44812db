//! Operations as data: a trace writes them, and a player plays them.

/// The number of operations that are played at once, if no region is entered.
const BATCH: usize = 4096;

/// A bound on memory, as a host sets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// No bound.
    Lifted,
    /// A bound of this many pages more than are held now.
    Beyond(usize),
}

/// One operation. Blocks and regions are named by numbers, which are used again once they are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Asks for a block.
    Allocate {
        /// The number of the block.
        block: usize,
        /// The size in bytes, not zero.
        size: usize,
        /// The alignment, a power of two.
        align: usize,
        /// True if all bytes are to be zero.
        zeroed: bool,
    },
    /// Frees a block, if it lives.
    Free {
        /// The number of the block.
        block: usize,
    },
    /// Changes a block's size, if it lives.
    Resize {
        /// The number of the block.
        block: usize,
        /// The new size in bytes, not zero.
        size: usize,
    },
    /// Enters a region, and opens it if it is new.
    Enter {
        /// The number of the region.
        region: usize,
    },
    /// Leaves the region that was entered last.
    Leave,
    /// Ends a region that is not entered.
    Close {
        /// The number of the region.
        region: usize,
    },
    /// Ends a request. Its cost is that of the operations since the last one.
    Request,
    /// Begins the load proper. Means and percentiles are over the requests that follow. The worst
    /// is over everything.
    Measure,
    /// Bounds memory.
    Cap(Cap),
}

/// A block by its number.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// The address of the block, or zero if it was refused or freed.
    pub address: usize,
    /// The size in bytes.
    pub size: usize,
    /// The alignment, a power of two.
    pub align: usize,
}

/// All blocks of a trace, by number. The player keeps it.
#[derive(Debug, Default)]
pub struct Blocks {
    all: Vec<Block>,
    live: usize,
    peak: usize,
}

impl Blocks {
    const NONE: Block = Block { address: 0, size: 0, align: 1 };

    /// Returns the block of this number, or `None` if it does not live.
    #[must_use]
    pub fn get(&self, block: usize) -> Option<Block> {
        self.all.get(block).copied().filter(|block| block.address != 0)
    }

    /// Notes the place of a block.
    pub fn put(&mut self, block: usize, made: Block) {
        self.take(block);
        if self.all.len() <= block {
            self.all.resize(block + 1, Self::NONE);
        }
        self.all[block] = made;
        self.live += made.size;
        self.peak = self.peak.max(self.live);
    }

    /// Strikes a block out.
    pub fn take(&mut self, block: usize) {
        if let Some(freed) = self.get(block) {
            self.live -= freed.size;
            self.all[block] = Self::NONE;
        }
    }

    /// Returns the most bytes in live blocks so far.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak
    }
}

/// Plays operations on an allocator.
pub trait Player {
    /// Plays operations in order, and keeps the blocks. A player that cannot go on does nothing,
    /// and its blocks do not live.
    fn play(&mut self, ops: &[Op], blocks: &mut Blocks);
}

/// A script that a trace writes its operations into.
pub struct Script<'a> {
    player: &'a mut dyn Player,
    ops: Vec<Op>,
    blocks: Blocks,
    /// The numbers of blocks that are free again. `next` is the first number that was never used.
    free: Vec<usize>,
    next: usize,
    depth: usize,
}

impl<'a> Script<'a> {
    /// Makes an empty script.
    pub fn new(player: &'a mut dyn Player) -> Self {
        Self { player, ops: Vec::new(), blocks: Blocks::default(), free: Vec::new(), next: 0, depth: 0 }
    }

    /// Plays the operations that are left. Returns the most bytes in live blocks.
    pub fn finish(mut self) -> usize {
        self.flush();
        self.blocks.peak()
    }

    /// Asks for a block with an alignment of eight bytes, and returns its number.
    pub fn allocate(&mut self, size: usize) -> usize {
        self.aligned(size, 8)
    }

    /// Asks for a block, and returns its number.
    pub fn aligned(&mut self, size: usize, align: usize) -> usize {
        let block = self.number();
        self.push(Op::Allocate { block, size, align, zeroed: false });
        block
    }

    /// Asks for a block of zeros, and returns its number.
    pub fn zeroed(&mut self, size: usize) -> usize {
        let block = self.number();
        self.push(Op::Allocate { block, size, align: 8, zeroed: true });
        block
    }

    /// Frees a block. Does nothing if the block was refused.
    pub fn free(&mut self, block: usize) {
        self.push(Op::Free { block });
        self.free.push(block);
    }

    /// Changes a block's size. Does nothing if the block was refused.
    pub fn resize(&mut self, block: usize, size: usize) {
        self.push(Op::Resize { block, size });
    }

    /// Writes operations in a region, as a callback of its stream does.
    pub fn within(&mut self, region: usize, callback: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.push(Op::Enter { region });
        callback(self);
        self.depth -= 1;
        self.push(Op::Leave);
    }

    /// Ends a region.
    pub fn close(&mut self, region: usize) {
        self.push(Op::Close { region });
    }

    /// Ends a request.
    pub fn request(&mut self) {
        self.push(Op::Request);
    }

    /// Begins the load proper.
    pub fn measure(&mut self) {
        self.push(Op::Request);
        self.push(Op::Measure);
    }

    /// Bounds memory.
    pub fn cap(&mut self, cap: Cap) {
        self.push(Op::Cap(cap));
    }

    /// Returns whether a block was granted and lives. It must not be called within a region.
    pub fn lives(&mut self, block: usize) -> bool {
        self.flush();
        self.blocks.get(block).is_some()
    }

    fn number(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    fn push(&mut self, op: Op) {
        self.ops.push(op);
        if self.depth == 0 && self.ops.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        assert_eq!(self.depth, 0, "a callback is played as a whole");
        self.player.play(&self.ops, &mut self.blocks);
        self.ops.clear();
    }
}
