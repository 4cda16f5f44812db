//! Every public type has an example, and so have the methods that filters use most.

use std::fs;
use std::path::Path;

/// Types that no filter names: parts of the ABI, and what the attributes and `plugin!` write.
const INTERNAL: [&str; 8] =
    ["/abi/", "/context/named.rs", "/dispatch/", "/stream_state/", "/arena.rs", "/heap.rs", "/owner.rs", "/panic.rs"];

/// Returns the public items of a source that begin with one of these keywords, each with whether
/// its documentation has an example.
fn items(source: &str, keywords: &[&str]) -> Vec<(String, bool)> {
    let (mut items, mut docs, mut hidden) = (Vec::new(), String::new(), false);
    for line in source.lines() {
        let code = line.trim_start();
        if code.starts_with("#[cfg(test)]") {
            break;
        } else if code.is_empty() {
            (docs, hidden) = (String::new(), false);
        } else if let Some(text) = code.strip_prefix("///") {
            docs += text;
        } else if code.contains("doc(hidden)") {
            hidden = true;
        } else if let Some(rest) = code.strip_prefix("pub ") {
            let rest = rest.strip_prefix("const ").unwrap_or(rest);
            let name = keywords.iter().find_map(|keyword| rest.strip_prefix(keyword));
            let name = name.map(|name| name.split(|next: char| !next.is_alphanumeric() && next != '_'));
            if let Some(name) =
                name.and_then(|mut parts| parts.next()).filter(|name| !hidden && !name.is_empty() && *name != "Sealed")
            {
                items.push((name.to_owned(), docs.contains("```")));
            }
            docs.clear();
        }
    }
    items
}

/// Returns each public item of the sources: its file, its name, and whether it has an example.
fn all(keywords: &[&str]) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.display().to_string();
            let source = fs::read_to_string(&path).unwrap();
            found.extend(items(&source, keywords).into_iter().map(|(name, has)| (file.clone(), name, has)));
        }
    }
    found
}

#[test]
fn every_public_type_has_an_example() {
    let types = all(&["struct ", "enum ", "trait ", "type "]);
    assert!(types.len() > 100, "{}", types.len());
    let without: Vec<_> = types
        .into_iter()
        .filter(|(file, _, has)| !has && !INTERNAL.iter().any(|internal| file.contains(internal)))
        .collect();
    assert!(without.is_empty(), "types without an example: {without:#?}");
}

#[test]
fn the_methods_that_filters_use_have_examples() {
    let methods = all(&["fn "]);
    let with = methods.iter().filter(|(_, _, has)| *has).count();
    assert!(with >= 60, "only {with} functions have an example");
    for name in
        ["snapshot", "get", "fetch", "add", "replace", "remove", "reply", "read", "run_every", "with_http_stream"]
    {
        assert!(methods.iter().any(|(_, found, has)| found == name && *has), "{name} has no example");
    }
}
