use super::*;

/// Makes a variant with three slices a repetition. Something else on the machine spoilt the second
/// slice.
fn measured(name: &str, cpu_us: &[f64], module_bytes: u64) -> Measured {
    let cpu_us = cpu_us.iter().map(|&us| vec![us, us + module_bytes as f64, us]).collect();
    let wasm = (module_bytes > 0).then_some(WasmMemory { vms: 3, largest: 131_072 });
    Measured { name: name.into(), cpu_us: Some(cpu_us), rss_kib: Some(90_000), wasm, module_bytes }
}

fn report() -> Report {
    // The machine is half as fast in the second repetition. The time that the filters add must not
    // change.
    let measured = [
        measured("filterless", &[10.0, 20.0, 10.0], 0),
        measured("by-hand", &[14.0, 24.0, 14.0], 9_000),
        measured("sluicegate-talc", &[15.0, 25.0, 14.0], 21_000),
    ];
    Report::new("1.40.0", 3, 100, 16, &measured)
}

#[test]
fn added_is_the_difference_within_a_repetition() {
    let report = report();
    let [base, by_hand, ours] = &report.variants[..] else { panic!("three went in") };
    assert_eq!((base.cpu_us_added, base.ratio_to_by_hand), (Some(0.0), None));
    assert_eq!((by_hand.cpu_us_added, by_hand.ratio_to_by_hand), (Some(4.0), Some(1.0)));
    assert_eq!((ours.cpu_us_added, ours.ratio_to_by_hand), (Some(5.0), Some(1.25)));
}

#[test]
fn the_file_has_the_agreed_fields() {
    let json: serde_json::Value = serde_json::to_value(report()).unwrap();
    assert_eq!(json["envoy"], "1.40.0");
    let ours = &json["variants"][2];
    assert_eq!(ours["name"], "sluicegate-talc");
    assert_eq!(ours["cpu_us_added"], 5.0);
    assert_eq!(ours["ratio_to_by_hand"], 1.25);
    assert_eq!(ours["rss_kib"], 90_000);
    assert_eq!(ours["wasm_bytes"], 131_072);
    assert_eq!(ours["module_bytes"], 21_000);
    let base = &json["variants"][0];
    assert_eq!(base["cpu_us_added"], 0.0);
    assert!(base["ratio_to_by_hand"].is_null() && base["wasm_bytes"].is_null());
}

#[test]
fn the_table_shows_every_variant_and_says_when_it_is_noisy() {
    let mut report = report();
    assert!(!report.to_string().contains("noisy"));
    for name in ["filterless", "by-hand", "sluicegate-talc"] {
        assert!(report.to_string().contains(name));
    }
    report.variants[2].added = Some(Spread { median: 4.0, p10: 2.0, p90: 6.0 });
    assert!(report.to_string().contains("for sluicegate-talc;"));
}

#[test]
fn what_the_system_does_not_tell_is_not_made_up() {
    let silent = Measured { cpu_us: None, rss_kib: None, wasm: None, ..measured("filterless", &[], 0) };
    let text = Report::new("1.40.0", 3, 100, 16, &[silent]).to_string();
    assert!(text.contains("n/a") && text.contains("/proc"));
}

#[test]
fn a_file_that_was_not_written_is_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    drop(JsonFile::open(&path).unwrap());
    assert!(!path.exists());
    JsonFile::open(&path).unwrap().write(&report()).unwrap();
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.starts_with('{') && first.ends_with("}\n"));
    JsonFile::open(&path).unwrap().write(&Report::new("1", 1, 1, 1, &[])).unwrap();
    assert!(fs::read_to_string(&path).unwrap().len() < first.len());
    assert!(JsonFile::open(&dir.path().join("no/such/folder")).is_err());
}
