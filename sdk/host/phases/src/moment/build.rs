//! The parts that moments are made of.

use super::{Kind, Moment, Script, Setting, Step, Way};

/// A callback in which the call is made, with the traffic that leads there. The stream holds
/// nothing, and the callback returns nothing.
pub(super) const fn on(callback: &'static str, steps: &'static [Step]) -> Moment {
    let script = Script { run: "", before: "", after: "", lines: "", releases: None };
    Moment { callback, holds: "nothing", kind: Kind::Http, setting: Setting::Plain, steps, script }
}

/// A callback of a connection.
pub(super) const fn of_connection(callback: &'static str, steps: &'static [Step]) -> Moment {
    Moment { kind: Kind::Tcp, ..on(callback, steps) }
}

/// The first run of a callback, after what the lines make.
pub(super) const fn first(callback: &'static str, steps: &'static [Step], lines: &'static str) -> Moment {
    on(callback, steps).run("#1").lines(lines)
}

/// The first tick, after a callback that asked for it by these lines and went on.
pub(super) const fn tick(steps: &'static [Step], lines: &'static str) -> Moment {
    first("tick", steps, lines).before("tick 0; effective 2")
}

impl Moment {
    /// The data that the stream holds, in words.
    pub(super) const fn holds(self, holds: &'static str) -> Self {
        Self { holds, ..self }
    }

    pub(super) const fn with(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    /// Which run of the callback makes the call, as `#2`.
    pub(super) const fn run(self, run: &'static str) -> Self {
        Self { script: Script { run, ..self.script }, ..self }
    }

    /// The lines of other callbacks.
    pub(super) const fn lines(self, lines: &'static str) -> Self {
        Self { script: Script { lines, ..self.script }, ..self }
    }

    /// The steps before the call.
    pub(super) const fn before(self, before: &'static str) -> Self {
        Self { script: Script { before, ..self.script }, ..self }
    }

    /// The stream was answered in this callback before the call.
    pub(super) const fn replied(self) -> Self {
        self.before("reply 403 - denied - -1").stops()
    }

    /// A callback of the plugin's makes the call on the stream.
    pub(super) const fn on_stream(self) -> Self {
        self.before("effective 2")
    }

    const fn after(self, after: &'static str) -> Self {
        Self { script: Script { after, ..self.script }, ..self }
    }

    /// The callback lets the message go on.
    pub(super) const fn passes(self) -> Self {
        self.after("return 0")
    }

    /// The callback holds the message.
    pub(super) const fn stops(self) -> Self {
        self.after("return 1")
    }

    /// The callback holds the message, and the next tick lets it go on.
    pub(super) const fn stops_until_tick(self, way: Way) -> Self {
        self.after("tick 30; return 1").releases(way)
    }

    /// The message was held before, and the next tick lets it go on.
    pub(super) const fn held_until_tick(self, way: Way) -> Self {
        self.after("tick 30").releases(way)
    }

    /// A tick for which one of the lines asks lets the message go on.
    pub(super) const fn releases(self, way: Way) -> Self {
        Self { script: Script { releases: Some(way), ..self.script }, ..self }
    }
}
