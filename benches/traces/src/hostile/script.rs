//! Operations as data: what a trace writes, and a player plays.

/// So many operations are played at once, if no region is entered.
const BATCH: usize = 4096;

/// A bound on memory, as a host sets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// None.
    Lifted,
    /// So many pages beyond those that are held now.
    Beyond(usize),
}

/// One step. Blocks and regions are named by numbers, which are used again once they are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Asks for a block.
    Allocate {
        /// Its number.
        block: usize,
        /// In bytes, not zero.
        size: usize,
        /// A power of two.
        align: usize,
        /// Whether all of its bytes are to be zero.
        zeroed: bool,
    },
    /// Gives a block back, if it lives.
    Free {
        /// Its number.
        block: usize,
    },
    /// Changes a block's size, if it lives.
    Resize {
        /// Its number.
        block: usize,
        /// In bytes, not zero.
        size: usize,
    },
    /// Enters a region, and opens it if it is new.
    Enter {
        /// Its number.
        region: usize,
    },
    /// Leaves the region that was entered last.
    Leave,
    /// Ends a region that is not entered.
    Close {
        /// Its number.
        region: usize,
    },
    /// A request is over: what came since the last is what it cost.
    Request,
    /// The load proper begins: means and percentiles are of what follows, while the worst is of
    /// everything.
    Measure,
    /// Bounds memory.
    Cap(Cap),
}

/// A block by its number.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Where it lies; zero if it was refused or freed.
    pub address: usize,
    /// In bytes.
    pub size: usize,
    /// A power of two.
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

    /// The block of this number, if it lives.
    #[must_use]
    pub fn get(&self, block: usize) -> Option<Block> {
        self.all.get(block).copied().filter(|block| block.address != 0)
    }

    /// Writes down where a block lies now.
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

    /// Bytes in live blocks at most so far.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak
    }
}

/// Plays operations on an allocator.
pub trait Player {
    /// Plays these, in order, and keeps the blocks. One that cannot go on does nothing: its blocks
    /// do not live.
    fn play(&mut self, ops: &[Op], blocks: &mut Blocks);
}

/// What a trace writes its operations into.
pub struct Script<'a> {
    player: &'a mut dyn Player,
    ops: Vec<Op>,
    blocks: Blocks,
    /// Numbers of blocks that are free again, and the first that was never used.
    free: Vec<usize>,
    next: usize,
    depth: usize,
}

impl<'a> Script<'a> {
    /// An empty script.
    pub fn new(player: &'a mut dyn Player) -> Self {
        Self { player, ops: Vec::new(), blocks: Blocks::default(), free: Vec::new(), next: 0, depth: 0 }
    }

    /// Plays what is left; bytes in live blocks at most.
    pub fn finish(mut self) -> usize {
        self.flush();
        self.blocks.peak()
    }

    /// Asks for a block of eight bytes' alignment.
    pub fn allocate(&mut self, size: usize) -> usize {
        self.aligned(size, 8)
    }

    /// Asks for a block.
    pub fn aligned(&mut self, size: usize, align: usize) -> usize {
        let block = self.number();
        self.push(Op::Allocate { block, size, align, zeroed: false });
        block
    }

    /// Asks for a block of zeros.
    pub fn zeroed(&mut self, size: usize) -> usize {
        let block = self.number();
        self.push(Op::Allocate { block, size, align: 8, zeroed: true });
        block
    }

    /// Gives a block back; nothing if it was refused.
    pub fn free(&mut self, block: usize) {
        self.push(Op::Free { block });
        self.free.push(block);
    }

    /// Changes a block's size; nothing if it was refused.
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

    /// Says that a request is over.
    pub fn request(&mut self) {
        self.push(Op::Request);
    }

    /// Says that the load proper begins.
    pub fn measure(&mut self) {
        self.push(Op::Request);
        self.push(Op::Measure);
    }

    /// Bounds memory.
    pub fn cap(&mut self, cap: Cap) {
        self.push(Op::Cap(cap));
    }

    /// Whether a block was granted and lives. Not to be asked in a region.
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
