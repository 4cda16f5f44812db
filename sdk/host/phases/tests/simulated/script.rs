//! The script of a moment, as the filters of this thread follow it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The result of an act: nothing, or the words of an error.
pub(crate) type Answer = Result<(), String>;

thread_local! {
    /// The steps of `callback@context`, or of `callback@context#run`.
    static SCRIPT: RefCell<BTreeMap<String, String>> = RefCell::default();
    static RUNS: RefCell<BTreeMap<String, usize>> = RefCell::default();
    /// The steps of the cell, which are a part of the script.
    static CELL: RefCell<String> = RefCell::default();
    static REACHED: Cell<bool> = const { Cell::new(false) };
    static ANSWERS: RefCell<Vec<Answer>> = RefCell::default();
    static TICKS: Cell<bool> = const { Cell::new(false) };
}

/// Lets the filters follow a script, which holds a cell.
pub(crate) fn begin(text: &str, cell: &str) {
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    SCRIPT.set(lines.map(|(key, steps)| (key.to_owned(), steps.to_owned())).collect());
    RUNS.take();
    CELL.set(cell.to_owned());
    REACHED.set(false);
    ANSWERS.take();
    TICKS.set(false);
}

/// The steps of a callback that runs, and how many of them are before the cell; and those of the
/// cell.
pub(crate) struct Steps {
    pub(crate) steps: Vec<String>,
    /// The numbers of the steps that are the cell's.
    pub(crate) cell: std::ops::Range<usize>,
}

/// Does the acts of the running callback.
pub(crate) fn steps(context: u32, callback: &str) -> Steps {
    let key = format!("{callback}@{context}");
    let run = RUNS.with_borrow_mut(|runs| {
        let run = runs.entry(key.clone()).or_default();
        *run += 1;
        *run
    });
    let text = SCRIPT.with_borrow(|script| {
        script.get(&format!("{key}#{run}")).or_else(|| script.get(&key)).cloned().unwrap_or_default()
    });
    let split = |text: &str| text.split("; ").filter(|step| !step.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (steps, cell) = (split(&text), CELL.with_borrow(|cell| split(cell)));
    let at = steps.windows(cell.len().max(1)).position(|window| window == cell);
    let cell = at.map_or(0..0, |at| at..at + cell.len());
    if !cell.is_empty() {
        REACHED.set(true);
    }
    Steps { steps, cell }
}

/// Returns whether a callback ran that the cell is in.
pub(crate) fn was_reached() -> bool {
    REACHED.get()
}

/// Notes what an act of the cell came to.
pub(crate) fn note(answer: Answer) {
    ANSWERS.with_borrow_mut(|answers| answers.push(answer));
}

/// The results of the cell's acts.
pub(crate) fn answers() -> Vec<Answer> {
    ANSWERS.take()
}

/// Asks for ticks, or for none.
pub(crate) fn tick(ticks: bool) {
    TICKS.set(ticks);
}

/// Returns whether a tick is asked for.
pub(crate) fn ticks() -> bool {
    TICKS.get()
}
