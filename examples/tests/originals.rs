//! The Go SDK's programs: a module takes the place of theirs under the same configuration of the
//! proxy, and each difference is in a README, with a test.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluicegate_workspace as workspace;

const HEADING: &str = "\n## Differences from the Go SDK's program\n\n";

/// The programs, and for each difference how its line in the README begins, and the test that
/// asserts it.
const PROGRAMS: [(&str, &[(&str, &str)]); 17] = [
    (
        "dispatch_call_on_tick",
        &[("In both, a call that failed counts as a call with a response.", "a_failed_call_counts_as_an_answer")],
    ),
    ("foreign_call_on_tick", &[]),
    ("helloworld", &[("The first line ends with `from Rust!`", "says_hello_and_asks_for_ticks")]),
    (
        "http_auth_random",
        &[
            (
                "If the filter cannot read the headers, or cannot make the call",
                "lets_nothing_pass_that_it_could_not_ask_about",
            ),
            ("If the call fails, the client gets a 500.", "lets_nothing_pass_that_it_could_not_ask_about"),
            ("The call has no headers that frame a body", "asks_with_the_headers_of_the_request"),
            ("The header of the 403 is `powered-by: sluicegate!!`.", "forbids"),
            ("The log says `dispatch httpcall failed`", "lets_nothing_pass_that_it_could_not_ask_about"),
            ("The cluster `httpbin` is a listener of the same Envoy.", "http_auth_random"),
        ],
    ),
    (
        "http_body",
        &[
            ("A body that trailers end is edited and echoed", "edits_a_body_that_trailers_end"),
            ("A client that asks for another protocol", "refuses_another_protocol"),
            ("A request without a body", "http_body_echoes_nothing_for_nothing"),
            ("If a header cannot be removed, or a reply cannot be sent", "fails_closed_where_a_length_would_be_wrong"),
        ],
    ),
    (
        "http_body_chunk",
        &[
            ("A pattern that begins in one chunk", "http_body_chunk_finds_a_pattern_that_two_chunks_share"),
            ("A body that cannot be read", "fails_closed_if_the_body_cannot_be_read"),
            ("If the 403 cannot be sent", "fails_closed_if_the_body_cannot_be_read"),
            ("The log says `pattern not found`", "a_body_that_trailers_end_was_seen_before_them"),
            ("The header of the 403 is `powered-by: sluicegate`.", "http_body_chunk"),
            ("The cluster is a listener of the same Envoy", "http_body_chunk"),
        ],
    ),
    (
        "http_headers",
        &[
            ("The constant header is `x-sluicegate-example`.", "http_headers"),
            ("A configuration that cannot be read refuses the plugin.", "refuses_a_configuration_that_it_cannot_read"),
            ("A configured header that HTTP does not have", "leaves_out_a_header_that_http_does_not_have"),
        ],
    ),
    (
        "http_routing",
        &[
            ("A line of the log ends where the line ends.", "an_even_value_leads_to_the_canary"),
            ("A request without an authority", "what_has_no_authority_or_cannot_be_changed_is_answered"),
            (
                "The log says that `:authority` could not be set.",
                "what_has_no_authority_or_cannot_be_changed_is_answered",
            ),
        ],
    ),
    (
        "json_validation",
        &[
            ("A `content-type` may have parameters", "demands_json"),
            ("A request without a body gets a 403.", "demands_a_body"),
            ("A body that trailers end is judged.", "json_validation_sees_a_body_that_trailers_end"),
            ("A client that asks for another protocol gets a 403.", "json_validation_refuses_another_protocol"),
            ("If a body cannot be read, the client gets a 500.", "fails_closed_if_the_body_cannot_be_read"),
            ("A body with bytes that are not UTF-8", "what_is_no_json_does_not_pass_without_keys_either"),
            ("The log has a body in quotes", "depth_is_no_way_to_break_it"),
            ("The plugin refuses a configuration with a path", "refuses_paths_that_gjson_reads_otherwise"),
            ("If a name comes twice in an object", "judges_what_an_upstream_would_read"),
            ("`requiredKeys` is a list of texts.", "refuses_a_configuration_that_it_cannot_use"),
        ],
    ),
    (
        "metrics",
        &[
            ("The tag `reporter` is `sluicegate`.", "metrics"),
            ("At most 64 values have a counter", "metrics_are_bounded"),
            ("A value of anything but letters counts as `other`.", "what_is_no_tag_counts_as_other"),
            ("A request that cannot be counted passes", "lets_requests_pass_that_it_cannot_count"),
        ],
    ),
    (
        "multiple_dispatches",
        &[
            ("The calls carry `:authority: httpbin`.", "waits_for_all_answers"),
            ("If a call cannot be dispatched", "answers_with_500_if_a_call_cannot_be_dispatched"),
            ("The cluster `httpbin` is a listener of the same Envoy.", "multiple_dispatches"),
        ],
    ),
    (
        "network",
        &[
            ("The counter is `sluicegate.connection_counter`.", "network"),
            ("The metadata is looked for under", "finds_the_metadata_under_the_name_of_older_proxies"),
            ("A property that is missing is `not found`.", "warns_of_what_the_proxy_does_not_have"),
            ("The log says `failed to get upstream data: …`.", "goes_on_when_the_host_refuses"),
            ("Control bytes in a log line are escaped", "logs_the_data_of_both_directions_and_lets_it_pass"),
            ("A counter that cannot be defined is logged", "passes_connections_that_it_cannot_count"),
        ],
    ),
    (
        "postpone_requests",
        &[
            ("A stream that ended is not resumed.", "postpone_requests_forgets_a_client_that_went_away"),
            ("A tick resumes at most 128 requests,", "resumes_more_requests_than_a_tick_can_a_moment_later"),
            ("A request that cannot be resumed is a warning", "goes_on_with_the_others_if_one_cannot_be_resumed"),
            ("A plugin that gets no ticks refuses to start.", "refuses_to_start_without_ticks"),
        ],
    ),
    (
        "properties",
        &[
            ("The metadata is looked for under", "finds_the_metadata_under_the_name_of_older_proxies"),
            ("If a property cannot be read, the client gets a 500.", "fails_closed"),
            ("The name in the metadata may have any case.", "a_request_with_the_header_passes"),
        ],
    ),
    (
        "shared_data",
        &[
            ("An update is tried up to 16 times.", "gives_up_after_sixteen_tries"),
            ("A value that is there stays when a VM starts.", "a_vm_that_starts_later_takes_nothing_away"),
            ("A value that is no number counts from the start.", "what_is_no_number_counts_from_the_start"),
        ],
    ),
    (
        "shared_queue",
        &[
            ("The sender asks for its queue in each callback", "lets_requests_pass_without_a_receiver"),
            ("A message is JSON whatever the header holds.", "a_message_is_json_whatever_the_header_is"),
            ("After a message that cannot be enqueued", "lets_pass_what_it_cannot_send"),
            ("The receiver takes all that is in its queue.", "logs_what_comes_out_of_it"),
            ("A receiver that cannot register its queue", "refuses_to_start_without_a_queue"),
        ],
    ),
    (
        "vm_plugin_configuration",
        &[
            ("Requests pass.", "vm_plugin_configuration"),
            ("A configuration that is missing is shown as an empty text.", "shows_nothing_for_nothing"),
            ("A line break in a configuration is logged as `\\n`.", "vm_plugin_configuration"),
        ],
    ),
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> std::path::PathBuf {
    workspace::root().join("examples")
}

/// The text of all Rust files below a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &read(&path);
        }
    }
    all
}

#[test]
fn each_difference_is_in_the_readme_and_has_a_test() {
    let ends = sources(&folder().join("tests/e2e"));
    for (name, differences) in PROGRAMS {
        let readme = read(&folder().join(name).join("README.md"));
        let (_, section) = readme.split_once(HEADING).unwrap_or_else(|| panic!("{name}'s README has no `{HEADING}`"));
        let section = section.split("\n## ").next().unwrap();
        let lines: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("- ")).collect();
        assert_eq!(section.trim() == "None.", lines.is_empty(), "{name}");
        assert_eq!(
            lines.len(),
            differences.len(),
            "{name}: a difference has no test, or is not in the README: {lines:#?}"
        );
        let tests = sources(&folder().join(name)) + &ends;
        for (line, (begin, test)) in lines.iter().zip(differences) {
            assert!(line.starts_with(begin), "{name}: `{line}` is not `{begin}…`");
            let is_there =
                [format!("fn {test}("), format!("\nexample!({test}, ")].iter().any(|way| tests.contains(way));
            assert!(is_there, "{name}: no test {test}");
        }
    }
}

/// A README says nothing of the original elsewhere: what it says there would have no test.
#[test]
fn no_difference_is_told_elsewhere() {
    for (name, _) in PROGRAMS {
        let readme = read(&folder().join(name).join("README.md"));
        let (before, _) = readme.split_once(HEADING).unwrap();
        let told = before.lines().find(|line| line.to_lowercase().contains("the original "));
        assert!(told.is_none_or(|line| line.contains("under the original's")), "{name}: {told:?}");
    }
}

/// A plugin in a configuration: its own, and that of its VM, as texts, and the VM's name.
fn plugins(tree: &Value, found: &mut Vec<[Value; 3]>) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| plugins(item, found)),
        Value::Object(object) => {
            if let Some(vm) = object.get("vm_config") {
                let only = |object: &Value, keys: &[&str]| {
                    let stray = object.as_object().unwrap().keys().find(|key| !keys.contains(&key.as_str()));
                    assert_eq!(stray, None, "the original's configuration has no such setting");
                };
                only(tree, &["configuration", "vm_config"]);
                only(vm, &["code", "configuration", "runtime", "vm_id"]);
                assert_eq!(vm["runtime"], "envoy.wasm.runtime.v8");
                assert!(vm["code"]["local"]["filename"].is_string());
                found.push([text(&tree["configuration"]), vm["vm_id"].clone(), text(&vm["configuration"])]);
            }
            object.values().for_each(|value| plugins(value, found));
        }
        _ => {}
    }
}

/// Returns the text of a plugin's or a VM's configuration, parsed if the text is JSON.
fn text(configuration: &Value) -> Value {
    if configuration.is_null() {
        return Value::Null;
    }
    assert_eq!(configuration["@type"], "type.googleapis.com/google.protobuf.StringValue");
    let text = configuration["value"].as_str().unwrap();
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The proxy gets the configuration of the originals: no further setting, the same texts, the same
/// VMs.
#[test]
fn the_proxy_is_configured_as_for_the_originals() {
    let configured = |own: Value| vec![[own, Value::Null, Value::Null]];
    for (name, _) in PROGRAMS {
        let expected = match name {
            "dispatch_call_on_tick" => [configured(json!("plugin1")), configured(json!("plugin2"))].concat(),
            "http_body" => [configured(json!("body-set")), configured(json!("echo"))].concat(),
            "http_headers" => configured(json!({ "header": "x-wasm-header", "value": "demo-wasm" })),
            "json_validation" => configured(json!({ "requiredKeys": ["id", "token"] })),
            "shared_queue" => [
                ("http_request_headers", "receiver"),
                ("http_response_headers", "receiver"),
                ("tcp_data_hashes", "receiver"),
                ("http", "sender"),
                ("tcp", "sender"),
            ]
            .map(|(own, vm)| [json!(own), json!(vm), Value::Null])
            .to_vec(),
            "vm_plugin_configuration" => {
                vec![[json!({ "name": "plugin configuration" }), Value::Null, json!({ "name": "vm configuration" })]]
            }
            _ => configured(Value::Null),
        };
        let config: Value = serde_saphyr::from_str(&read(&workspace::example_config(name))).unwrap();
        let mut found = Vec::new();
        plugins(&config, &mut found);
        assert_eq!(found, expected, "{name}");
        let address = &config["static_resources"]["listeners"][0]["address"]["socket_address"];
        assert_eq!((&address["address"], &address["port_value"]), (&json!("0.0.0.0"), &json!(18000)), "{name}");
    }
}
