//! A person who knows another SDK finds each of its names by a search of the documentation.
//!
//! The lists in `aliases/` have the public names of the Go SDK and of the crate `proxy-wasm`. Each
//! name is the name of a public item of this crate, or an alias in its documentation, or has a line
//! in `none.txt` that says why it has no counterpart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The lists, with the number of their names. A list that is shortened by mistake does not pass.
const LISTS: [(&str, &str, usize); 4] = [
    ("go-host-calls.txt", include_str!("aliases/go-host-calls.txt"), 80),
    ("go-properties.txt", include_str!("aliases/go-properties.txt"), 113),
    ("go-types.txt", include_str!("aliases/go-types.txt"), 62),
    ("proxy-wasm.txt", include_str!("aliases/proxy-wasm.txt"), 170),
];

/// Aliases that belong to no list: names of the specification and of the C++ SDK.
const OTHERS: [&str; 4] =
    ["OnHttpCallResponse", "proxy_clear_route_cache", "proxy_get_log_level", "validateConfiguration"];

/// The names that the documentation of the crate finds.
#[derive(Default)]
struct Found {
    /// The aliases, each with the file that has it.
    aliases: BTreeMap<String, String>,
    /// The names of public functions, types and macros, and of the methods of public traits.
    items: BTreeSet<String>,
}

impl Found {
    fn in_sources() -> Self {
        let mut found = Self::default();
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![sdk.join("src"), sdk.join("macros/src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.read(&fs::read_to_string(&path).unwrap(), &path.display().to_string());
                }
            }
        }
        found
    }

    fn read(&mut self, source: &str, file: &str) {
        for (at, start) in source.match_indices("#[doc(alias") {
            let attribute = &source[at + start.len()..];
            let attribute = &attribute[..attribute.find(")]").expect("the end of the attribute")];
            for name in attribute.split('"').skip(1).step_by(2) {
                self.aliases.insert(name.to_owned(), file.to_owned());
            }
        }
        let mut in_trait = false;
        for line in source.lines() {
            in_trait = line.starts_with("pub trait ") || in_trait && line != "}";
            let line = line.trim_start();
            if line.starts_with("pub ") || line.starts_with("macro_rules! ") || in_trait {
                self.items.extend(declared(line));
            }
        }
    }
}

/// Returns the name that a line declares.
fn declared(line: &str) -> Option<String> {
    let after = ["fn ", "struct ", "enum ", "trait ", "type ", "macro_rules! "];
    let rest = after.iter().find_map(|keyword| {
        let (before, rest) = line.split_once(keyword)?;
        before.split(' ').all(|word| matches!(word, "pub" | "const" | "unsafe" | "")).then_some(rest)
    })?;
    let name: String = rest.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Returns the names without a counterpart, each with the reason.
fn without_counterpart() -> BTreeMap<&'static str, &'static str> {
    let lines = include_str!("aliases/none.txt").lines();
    lines.map(|line| line.split_once(' ').expect("a name and a reason")).collect()
}

#[test]
fn every_name_of_the_other_sdks_is_found() {
    let (found, none) = (Found::in_sources(), without_counterpart());
    let mut missing = Vec::new();
    for (list, names, expected) in LISTS {
        let names: BTreeSet<_> = names.lines().collect();
        assert_eq!(names.len(), expected, "{list}");
        for name in names {
            let is_found = found.aliases.contains_key(name) || found.items.contains(name);
            if is_found == none.contains_key(name) {
                missing.push(format!("{list}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "neither found nor without a counterpart, or both: {missing:#?}");
}

#[test]
fn every_alias_is_the_name_of_something_elsewhere() {
    let found = Found::in_sources();
    let listed: BTreeSet<_> = LISTS.iter().flat_map(|(_, names, _)| names.lines()).chain(OTHERS).collect();
    let unknown: Vec<_> = found.aliases.iter().filter(|(name, _)| !listed.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "no other SDK has these names: {unknown:#?}");
}

#[test]
fn reasons_are_given_for_names_that_exist() {
    let listed: BTreeSet<_> = LISTS.iter().flat_map(|(_, names, _)| names.lines()).collect();
    for (name, reason) in without_counterpart() {
        assert!(listed.contains(name), "{name}");
        assert!(reason.trim().len() > 20, "{name}: {reason}");
    }
}
