//! `docs/coverage.md` lists what there is, once, with tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sluicegate::Exports;
use sluicegate::Status;
use sluicegate::abi::Import;

/// The rows of a section: the first cell without its quotes, the one after it, and the last.
fn section(page: &str, title: &str) -> Vec<(String, String, String)> {
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).expect("the section");
    let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let mut next = || cells.next().expect("three cells");
        let (name, api) = (next().trim_matches('`').to_owned(), next());
        (name, api, cells.next_back().expect("three cells"))
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
        assert!(is_a_test(sdk, &test), "{name}: there is no test {test}");
        for named in api.split('`').skip(1).step_by(2) {
            assert!(is_declared(named), "{name}: nothing is called {named}");
        }
    }
    assert!(rows.is_empty(), "{rows:?} are not declared");
}

/// Returns whether the SDK has a function, a type, a macro, a module or a feature of this name, or
/// of each part of this path.
fn is_declared(path: &str) -> bool {
    static SOURCES: LazyLock<String> = LazyLock::new(|| {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = fs::read_to_string(sdk.join("Cargo.toml")).unwrap();
        let mut folders = vec![sdk.join("src"), sdk.join("macros/src")];
        while let Some(folder) = folders.pop() {
            for file in fs::read_dir(folder).unwrap() {
                let file = file.unwrap().path();
                if file.is_dir() {
                    folders.push(file);
                } else if file.extension().is_some_and(|extension| extension == "rs") {
                    let source = fs::read_to_string(file).unwrap();
                    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
                    code.for_each(|line| all.extend([line, "\n"]));
                }
            }
        }
        all
    });
    let is_word = |at: usize| !SOURCES[at..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let declares = |what: &str, name: &str| {
        let text = format!("{what}{name}");
        SOURCES.match_indices(&text).any(|(at, found)| is_word(at + found.len()))
    };
    path.trim_end_matches('!').split("::").all(|name| {
        // Types may come of macros.
        let is_type = name.starts_with(char::is_uppercase);
        let of = if is_type { &[" ", "\n"][..] } else { &["fn ", "mod ", "macro_rules! ", "\n"] };
        of.iter().any(|what| declares(what, name))
    })
}

fn is_a_test(sdk: &Path, test: &str) -> bool {
    let Some((file, function)) = test.trim_matches('`').split_once("::") else { return false };
    let path = file.strip_prefix("build/").map_or(format!("tests/{file}.rs"), |file| format!("build/tests/{file}.rs"));
    let source = fs::read_to_string(sdk.join(path)).unwrap_or_default();
    source.contains(&format!("#[test]\nfn {function}()"))
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
fn every_export_of_a_module_has_a_row() {
    let marks = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0", "proxy_abi_version_0_1_0"];
    covers("Exports of every module", &[&marks[..], &["memory", "_initialize", "proxy_on_memory_allocate"]].concat());
}

/// The numbers under which the page has the variants of a type, each of which stands there as it is
/// declared.
fn answers<T: Debug>(kind: &str, of: &str, variants: &[(u32, T)]) {
    let (page, sdk) = page();
    let rows = section(&page, "Statuses of a callback").into_iter().filter(|(name, ..)| name.starts_with(kind));
    let rows: Vec<_> = rows.collect();
    let declared =
        variants.iter().map(|(number, variant)| (format!("{kind} {number}"), format!("`{of}::{variant:?}`")));
    assert_eq!(
        rows.iter().map(|(name, api, _)| (name.clone(), api.clone())).collect::<Vec<_>>(),
        declared.collect::<Vec<_>>()
    );
    assert!(rows.iter().all(|(_, _, test)| is_a_test(sdk, test)), "{rows:?}");
}

#[test]
fn every_answer_has_a_row() {
    use sluicegate::{Action, DataAction, FilterStatus, StartStatus};

    let actions = [
        Action::Continue,
        Action::StopIteration,
        Action::ContinueAndEndStream,
        Action::StopAllIterationAndBuffer,
        Action::StopAllIterationAndWatermark,
    ];
    answers("headers", "Action", &actions.map(|action| (action as u32, action)));
    let actions = [
        DataAction::Continue,
        DataAction::StopIterationAndBuffer,
        DataAction::StopIterationAndWatermark,
        DataAction::StopIterationNoBuffer,
    ];
    answers("body", "DataAction", &actions.map(|action| (action as u32, action)));
    answers(
        "trailers, connection",
        "FilterStatus",
        &[FilterStatus::Continue, FilterStatus::StopIteration].map(|flow| (flow as u32, flow)),
    );
    answers("start", "StartStatus", &[(0, StartStatus::Failed), (1, StartStatus::Ok)]);
}

#[test]
fn every_status_has_a_row() {
    let (page, sdk) = page();
    let rows = section(&page, "Statuses");
    for (code, (number, name, test)) in rows.iter().enumerate() {
        let code = u32::try_from(code).unwrap();
        assert_eq!(number.parse(), Ok(code));
        assert_eq!(*name, format!("`{:?}`", Status::from(code)));
        assert!(is_a_test(sdk, test), "{name}: there is no test {test}");
    }
    assert!(matches!(Status::from(u32::try_from(rows.len()).unwrap()), Status::Unknown(_)));
}

/// The functions of what callbacks are given, of calls and of tasks: each is named somewhere on the
/// page, and what is no host function has a row with a test.
#[test]
fn every_function_of_the_handles_is_named() {
    let (page, sdk) = page();
    for (name, _, test) in section(&page, "Beside the host functions") {
        assert!(is_a_test(sdk, &test), "{name}: there is no test {test}");
        for named in name.split('`').filter(|named| !named.trim_matches([',', ' ']).is_empty()) {
            assert!(is_declared(named), "nothing is called {named}");
        }
    }
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let named: BTreeSet<_> = page.split(|letter| !is_word(letter)).collect();
    let mut unnamed = Vec::new();
    for file in
        ["handle", "callout", "task"].map(|folder| sdk.join("src").join(folder)).iter().flat_map(|folder| files(folder))
    {
        let source = fs::read_to_string(&file).unwrap();
        for line in source.lines().map(str::trim_start).filter(|line| line.starts_with("pub ")) {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            let name = rest.split(|letter| !is_word(letter)).next().unwrap_or_default();
            if !name.starts_with("__") && !named.contains(name) {
                unnamed.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

/// A module's files: its folder, and the file beside the folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.chain([folder.with_extension("rs")]).filter(|file| file.is_file()).collect()
}

/// Functions that may fail document their errors and their cost.
#[test]
fn what_may_fail_says_what_it_costs() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let (mut functions, mut silent) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let source = fs::read_to_string(&file).unwrap();
            let mut docs = String::new();
            let mut lines = source.lines().map(str::trim_start);
            while let Some(line) = lines.next() {
                if line.starts_with("///") || line.starts_with("#[") {
                    docs += line;
                    continue;
                }
                let docs = std::mem::take(&mut docs);
                if !docs.contains("///") || !line.starts_with("pub fn ") && !line.starts_with("pub const fn ") {
                    continue;
                }
                let more = lines.clone().take_while(|next| !line.contains('{') && !next.starts_with('}')).take(8);
                let signature = more.fold(line.to_owned(), |all, next| all + next);
                let answer = signature.split('{').next().and_then(|head| head.rsplit_once("->"));
                if answer.is_some_and(|(_, answer)| answer.contains("Result")) {
                    functions += 1;
                    if !docs.contains("# Cost") || !docs.contains("# Errors") {
                        silent.push(format!("{}: {line}", file.display()));
                    }
                }
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
    assert!(functions > 100, "{functions}");
}
