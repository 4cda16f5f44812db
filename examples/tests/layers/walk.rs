//! The walk of CONTRIBUTING: the files and names that it gives exist.

use std::fs;

use crate::root;

/// Returns the number of names in a walk, and those that stand for nothing.
fn faults(walk: &str) -> (usize, Vec<String>) {
    let (mut stops, mut faults, mut file) = (0, Vec::new(), None);
    for row in walk.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        for name in row.split('`').skip(1).step_by(2) {
            stops += 1;
            if name.contains('/') {
                let path = root().join(name);
                file = fs::read_to_string(&path).ok().map(|text| (name, text));
                if !path.exists() {
                    faults.push(format!("{name} does not exist"));
                }
            } else if let Some((file, text)) = &file
                && !declares(text, name)
            {
                faults.push(format!("{file} does not declare {name}"));
            }
        }
    }
    (stops, faults)
}

/// Returns whether a source declares a function, type or macro of this name.
fn declares(text: &str, name: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let kinds = ["fn ", "struct ", "enum ", "trait ", "macro_rules! "];
    kinds.iter().any(|kind| {
        let whole = format!("{kind}{}", name.trim_end_matches('!'));
        text.match_indices(&whole).any(|(at, _)| !text[at + whole.len()..].starts_with(is_name))
    })
}

fn section() -> String {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (_, after) = text.split_once("## Where things are").expect("CONTRIBUTING says where things are");
    after.split("\n## ").next().unwrap().to_owned()
}

#[test]
fn each_stop_of_the_walk_exists() {
    let (stops, faults) = faults(&section());
    assert!(stops > 30, "only {stops} names were read");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_stop_that_is_gone_is_found() {
    let walk = "| `sdk/src/gone.rs`: `lost` |\n| `sdk/src/table.rs`: `reserve`, `reserv` |\n";
    let (_, faults) = faults(walk);
    assert_eq!(faults, ["sdk/src/gone.rs does not exist", "sdk/src/table.rs does not declare reserv"]);
}
