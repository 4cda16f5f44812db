//! The jobs of the filter with the headers of a request, as its configuration names them: for
//! example `add 5`.

/// The kind of a job.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Does nothing.
    #[default]
    Nothing,
    /// Adds this many headers.
    Add,
    /// Adds this many headers of 100 bytes each.
    AddLong,
    /// Sets this many names.
    Replace,
    /// Reads this many existing headers, each by itself.
    GetPresent,
    /// Does this with headers that do not exist.
    GetAbsent,
    /// Reads this many existing headers from a map that is read once.
    SnapshotPresent,
    /// Does this with headers that do not exist.
    SnapshotAbsent,
    /// Reads the map, sets this many names, and reads each of them by itself.
    EditThenGet,
    /// Reads the map, sets this many names, and reads the map again.
    EditThenSnapshot,
    /// Adds, reads and removes a header this many times.
    Cycle,
    /// Adds this many headers, then reads all of them, and then removes all of them.
    Batch,
}

/// A job, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) count: usize,
}

impl Job {
    /// Returns the job of a configuration; what is no job is none.
    pub(crate) fn parse(configuration: &[u8]) -> Self {
        let text = str::from_utf8(configuration).unwrap_or_default();
        let (name, count) = text.split_once(' ').unwrap_or((text, "1"));
        let kind = match name {
            "add" => Kind::Add,
            "add-long" => Kind::AddLong,
            "replace" => Kind::Replace,
            "get-present" => Kind::GetPresent,
            "get-absent" => Kind::GetAbsent,
            "snapshot-present" => Kind::SnapshotPresent,
            "snapshot-absent" => Kind::SnapshotAbsent,
            "edit-then-get" => Kind::EditThenGet,
            "edit-then-snapshot" => Kind::EditThenSnapshot,
            "cycle" => Kind::Cycle,
            "batch" => Kind::Batch,
            _ => Kind::Nothing,
        };
        Self { kind, count: count.parse().unwrap_or_default() }
    }

    /// The names that a job adds or sets. After twenty they come again.
    pub(crate) fn added(self) -> impl Iterator<Item = &'static str> {
        ADDED.into_iter().cycle().take(self.count)
    }

    /// The names of which the request has a header: at most twenty.
    pub(crate) fn present(self) -> impl Iterator<Item = &'static str> {
        PRESENT.into_iter().take(self.count)
    }

    /// Names of which it has none: at most twenty.
    pub(crate) fn absent(self) -> impl Iterator<Item = &'static str> {
        ABSENT.into_iter().take(self.count)
    }
}

/// The value of 100 bytes.
pub(crate) const LONG: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

macro_rules! names {
    ($prefix:literal) => {
        [
            concat!($prefix, "0"),
            concat!($prefix, "1"),
            concat!($prefix, "2"),
            concat!($prefix, "3"),
            concat!($prefix, "4"),
            concat!($prefix, "5"),
            concat!($prefix, "6"),
            concat!($prefix, "7"),
            concat!($prefix, "8"),
            concat!($prefix, "9"),
            concat!($prefix, "10"),
            concat!($prefix, "11"),
            concat!($prefix, "12"),
            concat!($prefix, "13"),
            concat!($prefix, "14"),
            concat!($prefix, "15"),
            concat!($prefix, "16"),
            concat!($prefix, "17"),
            concat!($prefix, "18"),
            concat!($prefix, "19"),
        ]
    };
}

const ADDED: [&str; 20] = names!("x-added-header-");
/// Those that the measurement sends.
const PRESENT: [&str; 20] = names!("x-custom-header-");
const ABSENT: [&str; 20] = names!("x-absent-header-");
