//! The comments of the sources and the pages keep the rules of CONTRIBUTING that a machine can see:
//! the width of comments, openings, phrases that are no English, and summaries of functions that
//! begin with a verb.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sluicegate_workspace as workspace;

/// The most columns of a comment.
const WIDTH: usize = 100;

/// The folders whose comments are held to all rules.
const HELD: [&str; 6] = ["alloc", "benches", "examples", "loadtest", "sdk", "tools"];

/// Openings of a comment that leave the reader without a subject or a verb.
const HEADLESS: [&str; 6] = ["What ", "Who ", "Whether ", "How ", "The same", "Likewise"];

/// Phrases, and what to write instead.
const PHRASES: [(&str, &str); 4] = [
    ("memory is out", "out of memory"),
    ("none if", "`None` if"),
    ("likewise", "the contract itself"),
    ("for ever", "forever, or without end"),
];

/// A run of comment lines of one kind: where it begins, its text, and the line of code below it.
struct Comment<'a> {
    line: usize,
    doc: bool,
    text: Vec<&'a str>,
    below: &'a str,
}

/// The text of a line that is nothing but a comment, and whether it is documentation.
fn comment(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
    let (doc, text) = match doc {
        Some(text) => (true, text),
        None => (false, line.strip_prefix("//")?),
    };
    Some((doc, text.strip_prefix(' ').unwrap_or(text)))
}

fn comments(source: &str) -> Vec<Comment<'_>> {
    let mut found: Vec<Comment<'_>> = Vec::new();
    let mut open = false;
    // An attribute between a comment and its item may have several lines.
    let mut attribute = false;
    for (index, line) in source.lines().enumerate() {
        if let Some((doc, text)) = comment(line) {
            if !open || found.last().is_some_and(|last| last.doc != doc) {
                found.push(Comment { line: index + 1, doc, text: Vec::new(), below: "" });
            }
            found.last_mut().unwrap().text.push(text);
            open = true;
            continue;
        }
        open = false;
        let code = line.trim();
        let within = attribute || code.starts_with("#[");
        attribute = within && !code.ends_with(']');
        if let Some(last) = found.last_mut().filter(|last| last.below.is_empty() && !within) {
            last.below = if code.is_empty() { " " } else { code };
        }
    }
    found
}

fn is_public_function(code: &str) -> bool {
    let Some(mut rest) = code.strip_prefix("pub ") else { return false };
    while let Some(next) = ["const ", "async ", "unsafe "].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    rest.starts_with("fn ")
}

/// A verb of the third person, as far as its letters tell.
fn is_verb(word: &str) -> bool {
    let mut letters = word.trim_end_matches(',').chars();
    let letters = (letters.next(), letters.as_str());
    letters.0.is_some_and(char::is_uppercase)
        && letters.1.ends_with('s')
        && letters.1.chars().all(char::is_lowercase)
        && !matches!(word, "This" | "Its" | "As" | "Bytes" | "Others" | "Headers" | "Trailers" | "Is" | "Has" | "Was")
}

/// Returns whether a text contains a phrase of whole words.
fn contains(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| !text[at + phrase.len()..].starts_with(char::is_alphanumeric))
}

fn faults(source: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    for comment in comments(source) {
        let mut paragraph = true;
        let mut code = false;
        for (offset, text) in comment.text.iter().enumerate() {
            let line = comment.line + offset;
            code ^= text.trim_start().starts_with("```");
            if code {
                continue;
            }
            if let Some(opening) = HEADLESS
                .iter()
                .find(|opening| paragraph && text.starts_with(**opening) && !comment.text.join(" ").contains('?'))
            {
                faults.push((line, format!("begins with `{}`", opening.trim())));
            }
            paragraph = text.is_empty();
            for (phrase, instead) in PHRASES {
                if contains(text, phrase) {
                    faults.push((line, format!("`{phrase}`: write {instead}")));
                }
            }
        }
        let first = comment.text[0].split(' ').next().unwrap_or_default();
        // Without a word, the summary is in an attribute.
        if comment.doc && !first.is_empty() && is_public_function(comment.below) && !is_verb(first) {
            faults.push((comment.line, format!("the summary begins with `{first}`, which is no verb")));
        }
    }
    faults
}

/// The text without what stands between backticks, which nobody breaks.
fn outside_of_spans(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

/// All Rust sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        // The compiler's messages have the columns of what they are about.
        if path.is_dir() && !matches!(name, "target" | "ui") && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn comments_are_at_most_a_hundred_columns_wide() {
    let mut wide = String::new();
    for path in sources(workspace::root()) {
        let mut code = false;
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let text = comment(line).map(|(_, text)| text.trim());
            code = text.is_some_and(|text| code ^ text.starts_with("```"));
            // Code has its own width, and a link or a path has no place to break.
            let breaks = text.is_some_and(|text| outside_of_spans(text).trim().contains(' ') && !text.starts_with('|'));
            if breaks && !code && line.chars().count() > WIDTH {
                writeln!(wide, "{}:{}", path.display(), index + 1).unwrap();
            }
        }
    }
    assert!(wide.is_empty(), "comments of more than {WIDTH} columns:\n{wide}");
}

#[test]
fn comments_are_plain_english() {
    let mut found = String::new();
    for folder in HELD {
        for path in sources(&workspace::root().join(folder)) {
            for (line, fault) in faults(&fs::read_to_string(&path).unwrap()) {
                writeln!(found, "{}:{line}: {fault}", path.display()).unwrap();
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

/// Returns the lines of a page in Markdown that break a rule. Headings, tables and code are not
/// held.
fn faults_of_page(page: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let (mut code, mut first) = (false, true);
    for (index, line) in page.lines().enumerate() {
        let text = line.trim_start();
        code ^= text.starts_with("```");
        let item = text.trim_start_matches("- ");
        if code || text.is_empty() || text.starts_with(['#', '|', '`']) {
            first = true;
            continue;
        }
        let is_first = first || item != text;
        first = false;
        let question = || page.lines().skip(index).take_while(|line| !line.is_empty()).any(|line| line.contains('?'));
        if let Some(opening) = HEADLESS.iter().find(|opening| is_first && item.starts_with(**opening) && !question()) {
            faults.push((index + 1, format!("begins with `{}`", opening.trim())));
        }
        for (phrase, instead) in PHRASES {
            if contains(text, phrase) {
                faults.push((index + 1, format!("`{phrase}`: write {instead}")));
            }
        }
    }
    faults
}

/// Returns all pages below a folder, except recorded results.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        if path.is_dir() && !matches!(name, "target" | "results" | "node_modules") && !name.starts_with('.') {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn pages_are_plain_english() {
    let mut found = String::new();
    let pages = pages(workspace::root());
    assert!(pages.len() > 50, "only {} pages", pages.len());
    for path in pages {
        for (line, fault) in faults_of_page(&fs::read_to_string(&path).unwrap()) {
            writeln!(found, "{}:{line}: {fault}", path.display()).unwrap();
        }
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn each_rule_finds_what_breaks_it_in_a_page() {
    let expect = |page: &str, lines: &[usize]| {
        let found: Vec<_> = faults_of_page(page).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, lines, "{page}");
    };
    expect("# What it is\n\nA page.\n", &[]);
    expect("A page.\n\nWhat it is.\n- Whether it is.\n", &[3, 4]);
    expect("A page that says\nWhat it is.\n", &[]);
    expect("What is it?\n\nHow it is.\n", &[3]);
    expect("```\nWhat it is\n```\n| What | likewise |\n", &[]);
    expect("It fails if memory is out.\n", &[1]);
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let expect = |source: &str, lines: &[usize]| {
        let found: Vec<_> = faults(source).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, lines, "{source}");
    };
    expect("/// Returns the first value.\npub fn first() {}\n", &[]);
    expect("/// The first value.\npub fn first() {}\n", &[1]);
    expect("/// The first value.\n#[must_use]\n#[allow(\n    dead_code\n)]\npub const unsafe fn first() {}\n", &[1]);
    expect("/// The first value.\nfn first() {}\n/// The number.\npub struct Number;\n", &[]);
    expect("/// Whether it is.\nstruct A;\n// How it is.\nlet a = 1;\n", &[1, 3]);
    expect("/// A number.\n///\n/// What it is.\nstruct A;\n", &[3]);
    expect("// What is it?\n", &[]);
    expect("/// A number\n/// What it is.\nstruct A;\n", &[]);
    expect("/// Fails\n/// if memory is out.\nstruct A;\n", &[2]);
    expect("/// ```\n/// // none if\n/// ```\nstruct A;\n", &[]);
    expect("// Says `for every`, for everyone.\nstruct A;\n", &[]);
    expect("let text = \"likewise\"; // likewise\n", &[]);
}
