//! Each crate keeps the order of its modules: no file imports another that stands below it in the
//! table of the crate's root, and files import each other in small loops alone, within one folder.

mod graph;
mod order;
mod source;
mod walk;

use std::path::PathBuf;

use graph::{arrows, loops};
use order::Order;
use source::Source;

/// The most files that may import each other in a loop.
const MOST_IN_A_LOOP: usize = 5;

fn root() -> PathBuf {
    sluicegate_workspace::root().to_owned()
}

/// Returns what breaks the order that a crate's root declares.
fn faults(source: &Source, order: &Order) -> Vec<String> {
    let arrows = arrows(source);
    let mut faults: Vec<String> = Vec::new();
    for file in &source.files {
        if order.row(file).is_none() {
            faults.push(format!("{file} stands in no row"));
        }
    }
    for (from, to) in arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
        let ((to, path), from) = (to, &source.files[*from]);
        let to = &source.files[*to];
        if let (Some(from_row), Some(to_row)) = (order.row(from), order.row(to))
            && from_row < to_row
        {
            let (above, below) = (&order.rows[from_row].name, &order.rows[to_row].name);
            faults.push(format!("{from} ({above}) imports {to} ({below}), which stands below it: `{path}`"));
        }
    }
    for files in loops(&arrows) {
        let names: Vec<&str> = files.iter().map(|&file| source.files[file].as_str()).collect();
        let folder = order::folder(names[0]);
        if names.len() > MOST_IN_A_LOOP || names.iter().any(|name| order::folder(name) != folder) {
            faults.push(format!("{} files import each other: {}", names.len(), names.join(", ")));
        }
    }
    faults.extend(order.unused(&source.files).map(|name| format!("the table names {name}, which is no file")));
    faults
}

fn assert_ordered(src: &str, files: usize) {
    let src = root().join(src);
    let source = Source::read(&src);
    // A reader that finds nothing would also find no fault.
    assert!(source.files.len() > files, "only {} files of {}", source.files.len(), src.display());
    let faults = faults(&source, &Order::read(&src.join("lib.rs")));
    assert!(faults.is_empty(), "{}:\n{}", src.display(), faults.join("\n"));
}

#[test]
fn no_file_of_the_sdk_imports_what_stands_below_it() {
    assert_ordered("sdk/src", 100);
}

#[test]
fn no_file_of_the_simulated_host_imports_what_stands_below_it() {
    assert_ordered("sdk/host/src", 60);
}

#[test]
fn no_file_of_the_allocators_imports_what_stands_below_it() {
    assert_ordered("alloc/src", 40);
}

/// A small crate that breaks each rule once. A test that finds nothing in it would hold nothing.
#[test]
fn each_broken_rule_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "lib.rs",
        "// | row | files | contents |\n// |---|---|---|\n// | low | low gone | - |\n// | high | high/ lib | - |\n\
         mod high;\nmod low;\npub use high::Thing;\n",
    );
    write("low.rs", "use crate::Thing;\nfn f(_: Thing) {}\npub struct Used;\n");
    write("high/mod.rs", "mod part;\nmod lost;\npub use part::Thing;\npub fn g() { part::h() }\n");
    write("high/part.rs", "pub struct Thing;\npub fn h() { super::g(); let _ = crate::low::Used; }\n");
    write("high/lost.rs", "#[cfg(test)]\nmod tests { use crate::low::Used; }\n");
    let source = Source::read(folder.path());
    let order = Order::read(&folder.path().join("lib.rs"));
    let found = faults(&source, &order);
    let expected = [
        "low.rs (low) imports high/part.rs (high), which stands below it: `crate::Thing`",
        "3 files import each other: low.rs, high/mod.rs, high/part.rs",
        "the table names gone, which is no file",
    ];
    for fault in expected {
        assert!(
            found.iter().any(|found| {
                let sorted = |text: &str| {
                    let mut words: Vec<String> = text.split([' ', ',']).map(str::to_owned).collect();
                    words.sort();
                    words
                };
                sorted(found) == sorted(fault)
            }),
            "{fault}\nis not in\n{}",
            found.join("\n")
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}
