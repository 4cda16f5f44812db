//! `docs/coverage.md` lists what there is, once, with tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sluicegate::Status;
use sluicegate::abi::{Exports, Import};

/// The rows of a section: the first cell without its quotes, and the two after it.
fn section(page: &str, title: &str) -> Vec<(String, String, String)> {
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect("the section");
    let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let mut next = || cells.next().expect("three cells");
        (next().trim_matches('`').to_owned(), next(), next())
    });
    cells.collect()
}

fn page() -> (String, &'static Path) {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    (fs::read_to_string(sdk.join("../docs/coverage.md")).unwrap(), sdk)
}

/// Each declared name has one row, which names a test that exists, or says that the name is raw.
fn covers(title: &str, declared: &[&str]) {
    let (page, sdk) = page();
    let mut rows = BTreeMap::new();
    for (name, api, test) in section(&page, title) {
        assert!(rows.insert(name.clone(), (api, test)).is_none(), "{name} stands twice");
    }
    for name in declared {
        let (api, test) = rows.remove(*name).unwrap_or_else(|| panic!("{name} is missing in {title}"));
        if api.starts_with("raw") {
            assert_eq!(test, "", "{name} is raw");
            continue;
        }
        let (file, function) = test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("{name}: {test}"));
        let source = fs::read_to_string(sdk.join(format!("tests/{file}.rs"))).unwrap_or_default();
        assert!(source.contains(&format!("#[test]\nfn {function}()")), "{name}: there is no test {test}");
    }
    assert!(rows.is_empty(), "{rows:?} are not declared");
}

#[test]
fn every_host_function_has_a_row() {
    covers("Host functions", &Import::ALL.iter().map(|import| import.name()).collect::<Vec<_>>());
}

#[test]
fn every_callback_has_a_row() {
    covers("Callbacks", Exports::ALL);
}

#[test]
fn every_status_has_a_row() {
    let rows = section(&page().0, "Statuses");
    for (code, (number, name, _)) in rows.iter().enumerate() {
        let code = u32::try_from(code).unwrap();
        assert_eq!(number.parse(), Ok(code));
        assert_eq!(*name, format!("`{:?}`", Status::from(code)));
    }
    assert!(matches!(Status::from(u32::try_from(rows.len()).unwrap()), Status::Unknown(_)));
}
