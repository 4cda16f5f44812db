//! The imports and exports of built modules. A host that does not have an import does not load the
//! module.

use std::path::Path;
use std::sync::Mutex;

use sluicegate_build::{Build, run};
use wasmparser::{Parser, Payload};

const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Builds of one package with other features overwrite each other, so each is read before the next
/// begins.
static BUILDS: Mutex<()> = Mutex::new(());

/// The names of a module's imports, with the modules that they come from, and of its exports.
fn interface(build: &Build) -> (Vec<String>, Vec<String>) {
    let _alone = BUILDS.lock();
    let built = run(&mut build.command()).expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let bytes = std::fs::read(build.module()).expect("the module");
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("a module") {
            Payload::ImportSection(section) => {
                imports.extend(section.into_imports().map(|import| {
                    let import = import.expect("an import");
                    format!("{}.{}", import.module, import.name)
                }));
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.expect("an export").name.to_owned()));
            }
            _ => {}
        }
    }
    imports.sort();
    exports.sort();
    (imports, exports)
}

fn build(package: &str, profile: &str, target: &str) -> Build {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = workspace.join("target/guests/imports");
    Build::new(workspace, package, profile).target(target).target_dir(folder).features("alloc-talc")
}

#[test]
fn a_filter_that_does_nothing_imports_the_log_and_exports_what_hosts_require() {
    for target in TARGETS {
        let (imports, exports) = interface(&build("guest-noop", "guest", target));
        assert_eq!(imports, ["env.proxy_log"], "{target}");
        let required = ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];
        let named = ["proxy_on_request_headers", "proxy_on_vm_start"];
        // The exports that the linker of one target adds.
        let exports: Vec<_> = exports.iter().filter(|name| !name.starts_with("__")).collect();
        assert_eq!(exports, [&required[..], &named].concat(), "{target}");
    }
}

#[test]
fn a_filter_without_the_standard_library_imports_host_functions_alone() {
    for profile in ["guest", "small"] {
        for target in TARGETS {
            let (imports, _) = interface(&build("http_headers", profile, target).no_default_features());
            assert!(imports.iter().all(|name| name.starts_with("env.proxy_")), "{profile} {target}: {imports:?}");
        }
    }
}

#[test]
fn a_filter_that_cannot_panic_imports_no_wasi() {
    for target in TARGETS {
        let (imports, _) = interface(&build("guest-sluicegate", "guest", target));
        assert!(imports.iter().all(|name| name.starts_with("env.proxy_")), "{target}: {imports:?}");
    }
}

#[test]
fn the_standard_librarys_panics_import_four_functions_of_wasi() {
    let (imports, _) = interface(&build("http_headers", "guest", TARGETS[0]));
    let wasi: Vec<_> = imports.iter().filter_map(|name| name.strip_prefix("wasi_snapshot_preview1.")).collect();
    assert_eq!(wasi, ["environ_get", "environ_sizes_get", "fd_write", "proc_exit"]);
    let (imports, _) = interface(&build("http_headers", "guest", TARGETS[1]));
    assert!(imports.iter().all(|name| name.starts_with("env.proxy_")), "{imports:?}");
}

#[test]
fn each_version_has_its_mark() {
    for (feature, mark) in [
        ("sluicegate/alloc-talc", "proxy_abi_version_0_2_1"),
        ("sluicegate/abi-0-2-0", "proxy_abi_version_0_2_0"),
        ("sluicegate/abi-0-1-0", "proxy_abi_version_0_1_0"),
        ("sluicegate/abi-0-1-0,sluicegate/abi-0-2-0", "proxy_abi_version_0_1_0"),
    ] {
        let (_, exports) = interface(&build("guest-noop", "guest", TARGETS[0]).features(feature));
        let marks: Vec<_> = exports.iter().filter(|name| name.starts_with("proxy_abi_version")).collect();
        assert_eq!(marks, [mark]);
    }
}
