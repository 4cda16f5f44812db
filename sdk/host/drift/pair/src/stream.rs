//! A stream that runs a program: which callback comes next, what its callbacks and calls hold, and
//! the line of the log for each callback.
//!
//! The model of what holds a stream is the same for both SDKs. One of them keeps to it by itself,
//! and the other is told.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::mem;
use std::rc::Rc;

use crate::program::{Called, Map, Operations, Ran, run};

/// The holder of a direction.
#[derive(Debug, Default)]
struct Direction {
    /// The callback that ran last.
    last: Option<char>,
    /// `true` if it still runs, so that its status decides.
    decides: bool,
    /// `true` if the proxy holds the direction.
    paused: bool,
    /// `true` if a callback paused it for reasons of its own.
    own: bool,
    /// The number of calls that hold it until they are judged.
    holders: usize,
    /// `true` if the proxy was told to keep the last part of the body.
    kept: bool,
    /// The first is `true` if the headers went on, and the second if they did so between callbacks.
    went: bool,
    late: bool,
    /// `true` if it was let go at its trailers by a resume: the proxy may show its end again.
    over: bool,
    /// `true` if the proxy keeps parts of a body that is not complete.
    gathers: bool,
    /// The result of the steps for a complete body that trailers follow.
    whole: Option<Ran>,
}

impl Direction {
    fn go_on_between(&mut self) {
        self.paused = false;
        self.late |= !self.went;
        self.went = true;
    }
}

/// A call that is open.
#[derive(Debug)]
struct Open<T> {
    token: T,
    number: u32,
    /// The direction that it holds.
    holds: Option<usize>,
}

/// The arguments of a callback, for its line in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arguments {
    sizes: [usize; 2],
    /// `true` if the message ends, or if the call has its response.
    flag: bool,
}

impl Arguments {
    pub(crate) fn message(size: usize, ends: bool) -> Self {
        Self { sizes: [size, 0], flag: ends }
    }

    pub(crate) fn answer(body: usize, trailers: usize, answered: bool) -> Self {
        Self { sizes: [body, trailers], flag: answered }
    }
}

impl Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.sizes;
        write!(f, "{first} {second} {}", self.flag)
    }
}

/// A stream, and the tokens of its calls.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    program: Rc<str>,
    /// The number of times that each callback ran.
    runs: BTreeMap<char, u32>,
    line: String,
    replied: bool,
    /// `true` if the response was let go on, and no callback of it runs since. Neither SDK is to
    /// reply then: with `proxy-wasm` Envoy ends.
    gone: bool,
    directions: [Direction; 2],
    /// The direction that the running callback is about.
    within: Option<usize>,
    /// The arguments of the running callback.
    arguments: Arguments,
    open: Vec<Open<T>>,
}

impl<T> Default for Stream<T> {
    fn default() -> Self {
        let (program, line) = ("".into(), String::new());
        let (runs, directions, open) = (BTreeMap::new(), <[Direction; 2]>::default(), Vec::new());
        let arguments = Arguments::default();
        Self { program, runs, line, replied: false, gone: false, directions, within: None, arguments, open }
    }
}

impl<T: PartialEq> Stream<T> {
    pub(crate) fn load(&mut self, program: &str) {
        self.program = program.into();
    }

    /// Returns whether the stream has no program: it only asks for a tick.
    pub(crate) fn is_idle(&self) -> bool {
        self.program.is_empty()
    }

    pub(crate) fn program(&self) -> Rc<str> {
        self.program.clone()
    }

    /// Runs the callback of a direction. Returns whether the direction stops, and what the steps
    /// came to. `log` writes the callback's line.
    pub(crate) fn callback<O: Operations<Token = T>>(
        &mut self,
        letter: char,
        way: usize,
        arguments: Arguments,
        operations: &mut O,
        log: impl FnOnce(&str),
    ) -> (bool, Ran) {
        if self.directions[way].over {
            return (false, Ran::default());
        }
        let key = self.begin(letter, arguments);
        self.gone &= way == 0;
        let direction = &mut self.directions[way];
        (direction.last, direction.decides) = (Some(letter), true);
        self.within = Some(way);
        let mut ran = run(self, &key, operations);
        self.within = None;
        if let Some(whole) = self.directions[way].whole.take() {
            ran.replied |= whole.replied;
            ran.pauses |= whole.pauses;
            ran.holds |= whole.holds;
        }
        let answered = self.replied && way == 0;
        let direction = &mut self.directions[way];
        direction.decides = false;
        let stops = if ran.replied || answered {
            true
        } else {
            let was_paused = mem::take(&mut direction.gathers) || direction.paused;
            direction.own = ran.pauses || direction.own && ran.holds;
            direction.paused = direction.own || direction.holders > 0;
            let is_end = matches!(letter, 'u' | 't');
            ran.resumes = !direction.paused && direction.kept && (!was_paused || is_end && direction.late);
            direction.over = ran.resumes && is_end;
            direction.kept = direction.paused && matches!(letter, 'b' | 'c');
            direction.went |= !direction.paused;
            direction.paused
        };
        self.line.push_str(if stops { " stops" } else { " goes" });
        log(&self.line);
        (stops, ran)
    }

    /// Notes that the proxy keeps a part of a body that the program is to see when it is complete.
    #[cfg_attr(feature = "ours", allow(dead_code, reason = "this SDK does so by itself"))]
    pub(crate) fn gather(&mut self, way: usize) {
        let direction = &mut self.directions[way];
        (direction.gathers, direction.kept) = (true, true);
    }

    /// Returns whether the proxy shows again what was let go at its trailers.
    #[cfg_attr(feature = "ours", allow(dead_code, reason = "this SDK knows by itself"))]
    pub(crate) fn repeats(&self, way: usize) -> bool {
        self.directions[way].over
    }

    /// Returns whether the proxy keeps parts of a body that is not complete.
    #[cfg_attr(feature = "ours", allow(dead_code, reason = "this SDK knows by itself"))]
    pub(crate) fn gathers(&self, way: usize) -> bool {
        self.directions[way].gathers
    }

    /// Runs what the program has for a complete body that trailers follow. The callback for the
    /// trailers is next, and decides about both.
    pub(crate) fn whole<O: Operations<Token = T>>(
        &mut self,
        letter: char,
        way: usize,
        operations: &mut O,
        log: impl FnOnce(&str),
    ) -> Ran {
        let key = self.begin(letter, Arguments::message(0, true));
        let direction = &mut self.directions[way];
        (direction.last, direction.decides) = (Some(letter), true);
        self.within = Some(way);
        let ran = run(self, &key, operations);
        self.within = None;
        self.directions[way].whole = Some(ran);
        self.line.push_str(" then");
        log(&self.line);
        ran
    }

    /// Runs what the program has for the answer to a call. Returns the direction that nobody holds
    /// any more, so that it is to go on.
    pub(crate) fn answer<O: Operations<Token = T>>(
        &mut self,
        number: u32,
        holds: Option<usize>,
        arguments: Arguments,
        operations: &mut O,
        log: impl FnOnce(&str),
    ) -> (Option<usize>, Ran) {
        let key = format!("a{number}");
        self.begin_line(&key, arguments);
        let ran = run(self, &key, operations);
        let freed = holds.filter(|way| {
            let replied = self.replied;
            let direction = &mut self.directions[*way];
            direction.holders -= 1;
            if ran.replied || ran.pauses {
                direction.own |= direction.paused && !replied;
                return false;
            }
            let goes = direction.paused && !direction.own && direction.holders == 0;
            if goes {
                direction.go_on_between();
            }
            goes
        });
        if let Some(way) = freed {
            self.tell_resumed(way);
        }
        log(&self.line);
        (freed, ran)
    }

    /// Runs what the program has for a tick.
    pub(crate) fn tick<O: Operations<Token = T>>(&mut self, operations: &mut O, log: impl FnOnce(&str)) {
        let key = self.begin('k', Arguments::default());
        run(self, &key, operations);
        log(&self.line);
    }

    /// The call of a token: its number, and the direction that it holds. It is open no more.
    pub(crate) fn answered(&mut self, token: &T) -> Option<(u32, Option<usize>)> {
        let at = self.open.iter().position(|open| open.token == *token)?;
        let open = self.open.remove(at);
        Some((open.number, open.holds))
    }

    /// Begins the line of a callback, and returns the callback's name.
    fn begin(&mut self, letter: char, arguments: Arguments) -> String {
        let run = self.runs.entry(letter).or_default();
        *run += 1;
        let key = format!("{letter}{run}");
        self.begin_line(&key, arguments);
        key
    }

    fn begin_line(&mut self, key: &str, arguments: Arguments) {
        self.arguments = arguments;
        self.line = format!("{} {key} {arguments}:", self.name());
    }

    /// The number of the program.
    fn name(&self) -> Rc<str> {
        self.program.split('|').next().unwrap_or_default().into()
    }

    pub(crate) fn note(&mut self, value: Option<&[u8]>) {
        self.line.push(' ');
        match value {
            Some(value) => self.line.push_str(&value.escape_ascii().to_string()),
            None => self.line.push('!'),
        }
    }

    /// The map of a name.
    pub(crate) fn map(&self, name: &str) -> Map {
        match name {
            "q" => Map::Headers(0),
            "h" => Map::Headers(1),
            "u" => Map::Trailers(0),
            "t" => Map::Trailers(1),
            "z" => Map::AnswerTrailers,
            _ => Map::Own,
        }
    }

    /// Returns whether the proxy has the map for the callback that runs.
    pub(crate) fn shows(&self, map: Map) -> bool {
        let held = |way: usize, letters: [char; 2]| {
            let direction = &self.directions[way];
            self.within.is_none() && direction.paused && direction.last == Some(letters[way])
        };
        match map {
            Map::Own => self.within.is_some() || self.arguments.flag,
            Map::AnswerTrailers => self.within.is_none() && self.arguments.sizes[1] > 0,
            Map::Headers(way) => held(way, ['q', 'h']),
            Map::Trailers(way) => held(way, ['u', 't']),
        }
    }

    /// Returns whether the proxy accepts edits of the map. It accepts none of a response of a call.
    pub(crate) fn takes_edits(&self, map: Map) -> bool {
        self.shows(map) && (self.within.is_some() || !matches!(map, Map::Own | Map::AnswerTrailers))
    }

    pub(crate) fn may_reply(&self) -> bool {
        !self.replied && !self.gone
    }

    pub(crate) fn replied(&mut self) {
        self.replied = true;
        self.line.push_str(" replies");
        for direction in &mut self.directions {
            (direction.paused, direction.own) = (false, false);
        }
    }

    /// Calls the service. Only a callback for headers or a body holds its direction: trailers have
    /// no such call.
    ///
    /// Returns whether the call holds it.
    pub(crate) fn call<O: Operations<Token = T>>(&mut self, number: u32, holds: bool, operations: &mut O) -> bool {
        let holds = self.within.filter(|way| holds && !matches!(self.directions[*way].last, Some('u' | 't')));
        match operations.call(number, holds.is_some()) {
            Called::Refused => {
                self.line.push_str(" refused");
                return false;
            }
            Called::Sent(token) => self.open.push(Open { token, number, holds }),
            Called::Kept => {}
        }
        if let Some(way) = holds {
            self.directions[way].holders += 1;
        }
        holds.is_some()
    }

    /// Lets go what callbacks pause. Nothing is asked of an SDK that the stream does not hold.
    pub(crate) fn resume<O: Operations<Token = T>>(&mut self, way: usize, operations: &mut O) {
        let direction = &mut self.directions[way];
        if !direction.paused && !direction.own && direction.holders == 0 {
            return;
        }
        direction.own = false;
        let now = direction.paused && !direction.decides && direction.holders == 0;
        if now {
            direction.go_on_between();
            self.tell_resumed(way);
        }
        operations.resume(way, now);
    }

    fn tell_resumed(&mut self, way: usize) {
        self.gone |= way == 1;
        self.line.push_str([" resumes-request", " resumes-response"][way]);
    }
}
