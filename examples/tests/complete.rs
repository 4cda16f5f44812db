//! No example is half one: each has its crate with the allocators' features, its README, its Envoy
//! configuration and unit tests, and is found where people and builds look for it. An example
//! without an end-to-end test does not compile: see `build.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sluicegate_workspace::{self as workspace, Allocator};

/// The folder of `examples/` that is no example.
const TESTS: &str = "tests";

fn folder() -> PathBuf {
    workspace::root().join("examples")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders of `examples/`, whatever they hold.
fn examples() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name != TESTS).collect()
}

/// All files below a folder with this extension.
fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path, extension));
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
    found
}

/// The packages of the workspace by name, and the ids of those that plain `cargo test` takes.
fn packages() -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let mut cargo = Command::new(env!("CARGO"));
    let metadata = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(workspace::root());
    let mut metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let default = metadata["workspace_default_members"].as_array().unwrap().iter();
    let default = default.map(|id| id.as_str().unwrap().to_owned()).collect();
    let packages = metadata["packages"].as_array_mut().unwrap().drain(..);
    (packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package)).collect(), default)
}

#[test]
fn each_has_a_configuration_for_envoy_and_a_readme_that_says_how_to_run_it() {
    let examples = examples();
    assert_eq!(examples, workspace::examples().unwrap().into_iter().collect(), "each has an envoy.yaml");
    for name in &examples {
        let readme = read(&folder().join(name).join("README.md"));
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}");
        assert!(readme.contains(&format!("cargo serve {name}\n")), "{name}");
        for part in ["\n## Configuration\n", "\n## What to look at\n"] {
            assert!(readme.contains(part), "{name}'s README has no `{}`", part.trim());
        }
    }
}

#[test]
fn each_is_a_crate_with_the_features_of_the_allocators_and_unit_tests() {
    let (packages, default) = packages();
    for name in examples() {
        let own = workspace::example_packages(&name).unwrap();
        assert!(!own.is_empty(), "{name} holds no package");
        for package in own {
            let found = packages.get(&package).unwrap_or_else(|| panic!("{package} is not in the workspace"));
            assert!(default.contains(found["id"].as_str().unwrap()), "{package} is not in the default members");
            let features: BTreeSet<_> = found["features"].as_object().unwrap().keys().cloned().collect();
            for allocator in Allocator::ALL {
                assert!(features.contains(&allocator.feature()), "{package} has no feature for {allocator}");
            }
            assert_eq!(found["targets"][0]["crate_types"][0], "cdylib", "{package}");
            assert_eq!(found["publish"], Value::Array(Vec::new()), "{package}");

            let folder = Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap();
            let tests: Vec<_> = sources(folder, "rs").iter().map(|file| read(file)).collect();
            let has = |part| tests.iter().any(|text| text.contains(part));
            assert!(has("\n#[sluicegate_host::test]\n"), "{package} has no unit test that runs on both backends");
            assert!(!has("Host::new("), "{package} has a test of a host that runs on one backend only");
            assert!(has("sweep(&"), "{package} has no sweep of what a host may do");
            assert!(has(".assert_reaches_all"), "{package} has a sweep that may miss what the module has");
            assert!(
                has("static COUNTING: sluicegate_host::Counting"),
                "{package} does not count what a sweep leaves behind"
            );
            assert!(read(&folder.join("src/lib.rs")).starts_with("//! "), "{package} does not say what it is");
        }
    }
}

#[test]
fn the_index_lists_each_once() {
    let index = read(&folder().join("README.md"));
    let rows = index.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("](")?.1.split_once(')'));
    let mut listed: Vec<_> = rows.map(|(name, _)| name.to_owned()).collect();
    listed.sort();
    assert_eq!(listed, examples().into_iter().collect::<Vec<_>>());
}
