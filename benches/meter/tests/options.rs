//! The options of `cargo meter`, tested by running it.

mod configurations;

use std::fs;
use std::process::{Command, Output};

use configurations::CONFIGURATIONS;
use serde_json::Value;
use sluicegate_workspace::guest;

fn meter(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluicegate-meter")).args(options).output().unwrap()
}

/// Returns its output.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns its error message.
fn complaint(options: &[&str]) -> String {
    let output = meter(options);
    assert!(!output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_examples_that_need_a_configuration_say_so_and_are_measured_with_it() {
    let mut start_without = Vec::new();
    for (example, configuration) in CONFIGURATIONS {
        let module = guest::build(example, None).unwrap();
        let module = module.to_str().unwrap();
        let output = meter(&["--wasm", module]);
        if output.status.success() {
            start_without.push(example);
        } else {
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains("refuses its configuration: --configuration gives it one"), "{example}: {error}");
        }
        let output = meter(&["--wasm", module, "--configuration", configuration]);
        let measured = printed(&output).contains(example);
        // It is told of queues alone.
        assert_eq!(measured, example != "shared_queue_receiver", "{example}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("no scenario fits it"), !measured, "{example}");
    }
    assert_eq!(start_without, ["http_routing", "shared_queue_receiver", "shared_queue_sender"]);
}

#[test]
fn an_example_by_name_takes_its_configuration_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, json) = (folder.path().join("configuration"), folder.path().join("figures.json"));
    let (_, configuration) = CONFIGURATIONS.into_iter().find(|(name, _)| *name == "header_batch").unwrap();
    fs::write(&file, configuration).unwrap();
    let file = format!("@{}", file.display());
    let text = printed(&meter(&["header_batch", "--configuration", &file, "--json", json.to_str().unwrap()]));
    assert!(text.contains("proxy_on_request_headers"), "one module has its callbacks printed: {text}");
    let figures: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let module = &figures["modules"][0];
    assert_eq!((&module["name"], &module["scenario"]), (&"header_batch".into(), &"headers-25".into()));
    let callbacks = module["callbacks"].as_array().unwrap();
    let names: Vec<_> = callbacks.iter().map(|callback| callback["callback"].as_str().unwrap()).collect();
    assert!(names.contains(&"proxy_on_request_headers"), "{names:?}");
}

#[test]
fn the_vm_and_the_root_id_are_given_too() {
    // It wants three bytes for its VM, and an id of four.
    let text = r#"(module
        (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "plugin_root_id")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.eq (local.get 1) (i32.const 3)))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $property (i32.const 16) (i32.const 14) (i32.const 0) (i32.const 4)))
            (i32.eq (i32.load (i32.const 4)) (i32.const 4)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("module.wasm");
    fs::write(&file, text).unwrap();
    let options = ["--wasm", file.to_str().unwrap(), "--vm-configuration", "abc", "--root-id", "root"];
    assert!(printed(&meter(&options)).contains("headers-30"));
    assert!(complaint(&options[..4]).contains("refuses its configuration"));
    assert!(complaint(&options[..2]).contains("refuses its VM's configuration: --vm-configuration gives it one"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(complaint(&["--configuration", "{}"]).contains("required arguments were not provided"));
    assert!(complaint(&["http_headers", "--wasm", "file"]).contains("cannot be used with"));
    assert!(complaint(&["htp_headers"]).contains("there is no example `htp_headers`"));
    let error = complaint(&["http_headers", "--configuration", "@/not/there"]);
    assert!(error.contains("--configuration: cannot read /not/there"), "{error}");
}
