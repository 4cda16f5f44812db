//! `docs/mistakes.md` shows the messages that there are: each is the compiler's in a compile-fail
//! test, or stands in the SDK's source.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the code in a cell, without its quotes.
fn code(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    let quotes = cell.len() - cell.trim_start_matches('`').len();
    let inner = cell.get(quotes..cell.len().checked_sub(quotes)?)?;
    (quotes > 0 && cell.ends_with(&cell[..quotes]) && !inner.contains(&cell[..quotes])).then(|| inner.trim())
}

/// The messages of a section's table, in a column.
fn messages(title: &str, column: usize) -> Vec<String> {
    let page = fs::read_to_string(root().join("../docs/mistakes.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect("the section");
    let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").nth(column).unwrap().to_owned());
    let messages: Vec<_> =
        cells.map(|cell| code(&cell).unwrap_or_else(|| panic!("no message: {cell}")).to_owned()).collect();
    assert!(!messages.is_empty());
    messages
}

/// Returns whether a text contains a message. `…` stands for a part that differs.
fn says(text: &str, message: &str) -> bool {
    message.split('…').all(|part| text.contains(part.trim()))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
    found
}

/// The SDK's source, with texts of several lines in one.
fn source() -> String {
    let mut all = String::new();
    for file in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.split("\\\n");
        all += lines.next().unwrap_or_default();
        lines.for_each(|line| all += line.trim_start());
    }
    all
}

#[test]
fn the_compiler_says_what_the_page_says() {
    let ui = root().join("tests/ui");
    let mut outputs: BTreeMap<_, _> =
        files(&ui, "stderr").into_iter().map(|file| (fs::read_to_string(&file).unwrap(), (file, false))).collect();
    for message in messages("What does not compile", 1) {
        let mut found = false;
        for (output, (_, told)) in &mut outputs {
            if says(output, &message) {
                (found, *told) = (true, true);
            }
        }
        assert!(found, "the compiler says `{message}` in no test");
    }
    let untold: Vec<_> = outputs.values().filter(|(_, told)| !told).map(|(file, _)| file).collect();
    assert!(untold.is_empty(), "the page has no message of {untold:#?}");
}

#[test]
fn errors_and_lines_say_what_the_page_says() {
    let source = source();
    let lines = messages("What is a line in the log", 0);
    // The SDK puts its name in front, and names a callback that failed.
    let lines =
        lines.iter().filter(|line| !line.starts_with("on_")).map(|line| line.trim_start_matches("sluicegate: "));
    let lines: Vec<_> = lines.map(|line| line.trim_end_matches(": …").to_owned()).collect();
    let errors = messages("What is an error at the call", 1).into_iter().chain(lines);
    let unsaid: Vec<_> = errors.filter(|message| !says(&source, message)).collect();
    assert!(unsaid.is_empty(), "the SDK never says {unsaid:#?}");
}
