//! A strategy of the filter's own on wasm: budgets, figures, the cap in pages and the regions
//! of streams are those of the allocator that `plugin!` names.

use std::path::PathBuf;

use sluicegate_build::{Build, add_target, run};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, RunningHost};

const TARGETS: [&str; 2] = [sluicegate_build::TARGET, "wasm32-unknown-unknown"];

fn module(target: &str) -> Module {
    add_target(run).unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build =
        Build::new(root, "sluicegate-fifth", "guest").target_dir(folder.join("guests").join("fifth")).target(target);
    let answer = run(&mut build.command()).unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Module::load(build.module()).unwrap()
}

/// One of the filter's figures.
fn figure(host: &RunningHost, name: &str) -> u64 {
    host.call_function(0, "");
    let report = host.log().pop().map_or_else(String::new, |line| line.text);
    let before = report.split(name).next().and_then(|before| before.split_whitespace().next_back());
    before.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{report:?}"))
}

#[test]
fn a_strategy_of_ones_own_gets_what_the_others_have() {
    for target in TARGETS {
        let module = module(target);
        let host =
            Host::wasm(&module).plugin_configuration(r#"{ "memory": { "stream": "100KiB", "pages": 100 } }"#).start();
        assert!(host.started(), "{target}: the cap in pages is taken: {:?}", host.log());
        let before = figure(&host, " B live");
        assert!(before > 0, "{target}: live bytes are told");
        assert_eq!(figure(&host, " pages"), host.pages(), "{target}");
        assert_eq!(figure(&host, " retained"), 0, "{target}");

        let stream = host.http_stream();
        stream.request_headers(&[("x-keep", "50000")]);
        assert!(stream.reply().is_none(), "{target}");
        assert!(figure(&host, " B live") >= before + 50_000, "{target}");
        assert!(figure(&host, " retained") > 0, "{target}: the stream's blocks are in its region");
        stream.complete();
        assert_eq!(figure(&host, " retained"), 0, "{target}: the region is closed with its stream");

        let large = host.http_stream();
        large.request_headers(&[("x-keep", "200000")]);
        assert_eq!(large.reply().map(|reply| reply.status), Some(413), "{target}: over the stream's budget");
        large.complete();
        assert!(figure(&host, " B live") < before + 20_000, "{target}");
    }
}
