//! The built modules: they import what they use, export what they implement, and start small.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use sluicegate_workspace::{Allocator, guest};
use wasmparser::{Parser, Payload, TypeRef};

struct Shape {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    pages: u64,
    bytes: u64,
}

fn shape(package: &str, allocator: Option<Allocator>) -> Result<Shape> {
    shape_with(package, allocator, &[])
}

fn shape_with(package: &str, allocator: Option<Allocator>, features: &[&str]) -> Result<Shape> {
    shape_of(&guest::build_with(package, allocator, features)?)
}

fn shape_of(path: &Path) -> Result<Shape> {
    let module = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut shape = Shape { imports: BTreeSet::new(), exports: BTreeSet::new(), pages: 0, bytes: module.len() as u64 };
    for payload in Parser::new(0).parse_all(&module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    assert!(matches!(import.ty, TypeRef::Func(_)), "{import:?}");
                    shape.imports.insert(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    shape.exports.insert(export?.name.to_owned());
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    shape.pages += memory?.initial;
                }
            }
            _ => {}
        }
    }
    Ok(shape)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The exports of every module.
const ALWAYS: [&str; 7] = [
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_delete",
    // The start is the SDK's own: it logs which allocator the module runs on.
    "proxy_on_vm_start",
];

#[test]
fn http_headers_imports_what_it_uses_and_exports_what_it_implements() -> Result<()> {
    for allocator in Allocator::ALL.iter().copied().map(Some).chain([None]) {
        let shape = shape("http_headers", allocator)?;
        let callbacks = ["proxy_on_configure", "proxy_on_log", "proxy_on_request_headers", "proxy_on_response_headers"];
        assert_eq!(shape.exports, &set(&ALWAYS) | &set(&callbacks));
        // The WASI functions are the standard library's, for a panic that would be printed.
        let imports = [
            "env.proxy_add_header_map_value",
            // A stream that fails under the open policy goes on.
            "env.proxy_continue_stream",
            // Whoever can fail counts its failures.
            "env.proxy_define_metric",
            "env.proxy_get_buffer_bytes",
            "env.proxy_get_header_map_pairs",
            "env.proxy_get_log_level",
            "env.proxy_increment_metric",
            "env.proxy_log",
            "env.proxy_replace_header_map_value",
            "wasi_snapshot_preview1.environ_get",
            "wasi_snapshot_preview1.environ_sizes_get",
            "wasi_snapshot_preview1.fd_write",
            "wasi_snapshot_preview1.proc_exit",
        ];
        assert_eq!(shape.imports, set(&imports));
        assert!(shape.pages <= 3, "{} pages", shape.pages);
        // The fast paths of the free lists and of the arena are long, and in every caller.
        let is_inline = matches!(allocator, Some(Allocator::Freelist | Allocator::Arena));
        let most = if is_inline { 102_000 } else { 92_000 };
        assert!(shape.bytes <= most, "{} bytes", shape.bytes);
    }
    Ok(())
}

#[test]
fn helloworld_exports_no_stream_callback() -> Result<()> {
    let shape = shape("helloworld", Some(Allocator::Talc))?;
    assert_eq!(shape.exports, &set(&ALWAYS) | &set(&["proxy_on_configure", "proxy_on_tick"]));
    assert!(shape.pages <= 3, "{} pages", shape.pages);
    Ok(())
}

#[test]
fn examples_export_the_callbacks_that_they_implement() -> Result<()> {
    for (package, callbacks) in [
        ("access_log", &["proxy_on_configure", "proxy_on_log"][..]),
        // Headers that wait for an answer are held against the body and the trailers behind them,
        // too.
        (
            "http_auth_random",
            &[
                "proxy_on_http_call_response",
                "proxy_on_request_headers",
                "proxy_on_request_body",
                "proxy_on_request_trailers",
            ],
        ),
        ("http_body_chunk", &["proxy_on_request_body", "proxy_on_request_trailers"]),
        (
            "multiple_dispatches",
            &[
                "proxy_on_http_call_response",
                "proxy_on_response_headers",
                "proxy_on_response_body",
                "proxy_on_response_trailers",
            ],
        ),
        (
            "postpone_requests",
            &[
                "proxy_on_configure",
                "proxy_on_done",
                "proxy_on_request_headers",
                "proxy_on_request_body",
                "proxy_on_request_trailers",
                "proxy_on_tick",
            ],
        ),
        ("foreign_call_on_tick", &["proxy_on_configure", "proxy_on_tick"]),
        ("metrics", &["proxy_on_request_headers"]),
        ("properties", &["proxy_on_log", "proxy_on_request_headers"]),
        ("shared_data", &["proxy_on_request_headers"]),
        ("shared_queue_receiver", &["proxy_on_configure", "proxy_on_queue_ready"]),
        ("vm_plugin_configuration", &["proxy_on_configure"]),
    ] {
        let shape = shape(package, Some(Allocator::Talc))?;
        assert_eq!(shape.exports, &set(&ALWAYS) | &set(callbacks), "{package}");
        assert!(shape.pages <= 3, "{package}: {} pages", shape.pages);
    }
    Ok(())
}

/// A filter that cannot panic brings neither the panic machinery nor WASI along.
#[test]
fn a_filter_without_formatting_is_small_and_imports_no_wasi() -> Result<()> {
    let shape = shape("guest-sluicegate", Some(Allocator::Talc))?;
    let imports = [
        "env.proxy_add_header_map_value",
        "env.proxy_define_metric",
        "env.proxy_get_header_map_pairs",
        "env.proxy_increment_metric",
        "env.proxy_log",
        "env.proxy_replace_header_map_value",
        "env.proxy_send_local_response",
    ];
    assert_eq!(shape.imports, set(&imports));
    assert!(shape.pages <= 2, "{} pages", shape.pages);
    assert!(shape.bytes <= 25_000, "{} bytes", shape.bytes);
    Ok(())
}

/// A filter pays nothing for the parts of the SDK that it does not use.
#[test]
fn a_filter_that_does_nothing_is_tiny_and_exports_what_a_host_requires() -> Result<()> {
    let shape = shape("guest-noop", Some(Allocator::Talc))?;
    // The start is the SDK's own: it logs which allocator the module runs on.
    let exports = [
        "memory",
        "_initialize",
        "proxy_abi_version_0_2_1",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_vm_start",
    ];
    assert_eq!(shape.exports, set(&exports));
    assert_eq!(shape.imports, set(&["env.proxy_log"]));
    assert!(shape.bytes <= 8_000, "{} bytes", shape.bytes);
    Ok(())
}

#[test]
fn http_headers_without_the_standard_library_is_small() -> Result<()> {
    let shape = shape_of(&guest::build_small("http_headers", Allocator::Talc)?)?;
    assert!(shape.imports.iter().all(|import| import.starts_with("env.")), "{:?}", shape.imports);
    assert!(shape.bytes <= 49_500, "{} bytes", shape.bytes);
    Ok(())
}

/// A module of an older version has its mark, and imports nothing that its hosts do not have.
#[test]
fn a_module_of_an_older_abi_imports_what_its_hosts_have() -> Result<()> {
    for (features, mark, callbacks_without_end) in [
        (&["abi-0-2-0"][..], "proxy_abi_version_0_2_0", false),
        (&["abi-0-1-0"], "proxy_abi_version_0_1_0", true),
        (&["abi-0-2-0", "abi-0-1-0"], "proxy_abi_version_0_1_0", true),
    ] {
        let shape = shape_with("http_auth_random", Some(Allocator::Talc), features)?;
        let marks: Vec<_> = shape.exports.iter().filter(|name| name.starts_with("proxy_abi_version")).collect();
        assert_eq!(marks, [mark], "{features:?}");
        assert!(!shape.imports.contains("env.proxy_get_log_level"), "{features:?}");
        assert_eq!(shape.imports.contains("env.proxy_continue_stream"), !callbacks_without_end, "{features:?}");
        assert_eq!(shape.imports.contains("env.proxy_continue_request"), callbacks_without_end, "{features:?}");
    }
    Ok(())
}
