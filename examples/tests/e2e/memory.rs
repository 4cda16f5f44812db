//! The examples about memory: budgets, figures, and a VM that starts anew.

use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;

use super::PATIENCE;
use super::bodies::{connect, read_until};

const MAIN: u16 = 18000;

example!(upload_budget, |proxy| {
    let body = vec![b'u'; 1 << 20];
    for seen in ["no", "yes"] {
        let response = proxy.request("POST", MAIN, "/", &[], &body)?;
        assert_eq!((response.status, &*response.text()), (200, "uploaded\n"));
        assert_eq!(response.header("x-seen"), Some(seen));
        assert!(response.header("x-checksum").is_some());
    }
    // Refused by what it announces; not a byte of it is sent.
    let mut client = connect(&proxy)?;
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 67108864\r\n\r\n")?;
    let answer = read_until(&mut client, "\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Refused on its way: chunked, it announces nothing.
    let mut client = connect(&proxy)?;
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(vec![b'u'; 0x10000]);
    chunk.extend(b"\r\n");
    // Whoever is refused may find that out by a write that fails.
    let _ = (0..20).try_for_each(|_| client.write_all(&chunk));
    let answer = read_until(&mut client, "\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(proxy.request("POST", MAIN, "/", &[], &body)?.status, 200, "the VM lives");
    Ok(())
});

/// Streams that announce more than there is, together: those that do not fit are shed, and new ones
/// are taken when the others have gone.
#[test]
fn upload_budget_sheds_until_memory_is_back() -> Result<()> {
    let proxy = Proxy::for_example("upload_budget", Some(Allocator::Freelist))?;
    let announce = || {
        let mut client = connect(&proxy)?;
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1048576\r\n\r\n")?;
        anyhow::Ok(client)
    };
    let mut open = Vec::new();
    for at in 0..4 {
        let mut client = announce()?;
        if at == 3 {
            let answer = read_until(&mut client, "\r\n\r\n")?;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        } else {
            // Its headers have reached the filter when a part of its body is held.
            client.write_all(&[b'u'; 1000])?;
            sleep(Duration::from_millis(200));
        }
        open.push(client);
    }
    proxy.wait_for_log("memory is over its budget", PATIENCE)?;
    drop(open);
    let (begin, body) = (Instant::now(), vec![b'u'; 1 << 20]);
    while proxy.request("POST", MAIN, "/", &[], &body)?.status != 200 {
        ensure!(begin.elapsed() < PATIENCE, "streams are shed for ever: {}", proxy.log());
        sleep(Duration::from_millis(20));
    }
    wait_for_stat(&proxy, "sluicegate_memory_shed", |shed| shed > 0)
}

/// Waits until Envoy's stats have a metric of the filter's, by its name without the tag, with a
/// right value.
fn wait_for_stat(proxy: &Proxy, name: &str, is_right: impl Fn(u64) -> bool) -> Result<()> {
    let begin = Instant::now();
    loop {
        let stats = proxy.stats()?;
        let found = stats.iter().find(|(stat, _)| stat.contains(name)).map(|(_, value)| *value);
        if found.is_some_and(&is_right) {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "{name} is {found:?}");
        sleep(Duration::from_millis(100));
    }
}

/// A number of the JSON answer.
fn figure(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(&format!(r#""{name}": "#))?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Checks the report, the profile and the gauge of the heap while one callback keeps 1,000,000
/// bytes.
fn explains_its_heap(proxy: &Proxy, allocator: Option<Allocator>) -> Result<()> {
    let report = proxy.get(MAIN, "/heap")?;
    let walks = matches!(allocator, Some(Allocator::Freelist | Allocator::Arena));
    let text = report.text();
    assert_eq!((report.status, text.starts_with(&format!(r#"{{"walked":{walks},"#))), (200, true), "{text}");
    if walks {
        let figure = |name: &str| {
            let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
            rest.split([',', '}', ']']).next()?.parse::<u64>().ok()
        };
        assert!(figure("live") >= Some(1_000_000) && figure("held") >= figure("live"), "{text}");
    }
    let folded = proxy.get(MAIN, "/profile")?.text().into_owned();
    let pprof = proxy.get(MAIN, "/profile.pb")?;
    assert_eq!((pprof.status, pprof.header("content-type")), (200, Some("application/octet-stream")));
    let kept =
        folded.lines().find_map(|line| line.strip_prefix("memory_report;memory_report::Report;request_headers "));
    if allocator.is_some() {
        // One block that is sampled for certain, and little beside it.
        let kept = kept.and_then(|bytes| bytes.parse::<u64>().ok());
        assert!(kept.is_some_and(|bytes| (1_000_000..1_200_000).contains(&bytes)), "{folded}");
        wait_for_stat(proxy, "sluicegate_heap_live", |bytes| bytes >= 1_000_000)?;
    } else {
        assert_eq!(kept, None, "an allocator that is not known is not sampled");
    }
    Ok(())
}

example!(memory_report, |proxy, allocator| {
    let before = proxy.get(MAIN, "/memory")?;
    assert_eq!((before.status, before.header("content-type")), (200, Some("application/json")));
    assert_eq!(proxy.request("GET", MAIN, "/", &[("x-keep", "1000000")], b"")?.status, 200);
    let after = proxy.get(MAIN, "/memory")?;
    let grown = |name| Some(figure(&after.text(), name)?.saturating_sub(figure(&before.text(), name)?));
    if allocator.is_some() {
        assert!(grown("live") >= Some(1_000_000), "{} {}", before.text(), after.text());
        assert!(grown("pages") >= Some(15), "{} {}", before.text(), after.text());
        // The standard library's allocator grows memory by itself, uncounted.
        let counts_grows = allocator != Some(Allocator::System);
        assert_eq!(grown("grows") >= Some(1), counts_grows, "{} {}", before.text(), after.text());
        proxy.wait_for_log("sluicegate: memory: ", PATIENCE)?;
        wait_for_stat(&proxy, "sluicegate_memory_pages", |pages| pages >= 15)?;
        let prometheus = proxy.admin("/stats/prometheus")?;
        let tagged = prometheus
            .lines()
            .any(|line| line.starts_with("sluicegate_memory_pages{") && line.contains(r#"plugin="memory_report""#));
        assert!(tagged, "{prometheus}");
    }
    explains_its_heap(&proxy, allocator)
});

/// After a trap the VM is thrown away, and a new one builds what it needs from its configuration.
#[test]
fn memory_report_serves_again_after_a_trap() -> Result<()> {
    let proxy = Proxy::for_example("memory_report", Some(Allocator::Arena))?;
    let rank = || {
        let response = proxy.request("GET", MAIN, "/", &[("x-tier", "silver")], b"")?;
        anyhow::Ok((response.status, response.header("x-rank").map(str::to_owned)))
    };
    let served = (200, Some("1".to_owned()));
    assert_eq!(rank()?, served);
    assert_eq!(proxy.request("GET", MAIN, "/", &[("x-panic", "1")], b"")?.status, 503);
    // With the place, on the line before.
    proxy.wait_for_log("panicked at examples/memory_report/src/lib.rs:", PATIENCE)?;
    proxy.wait_for_log("asked for by a header", PATIENCE)?;
    // `cargo exhaust` counts this line as a VM that failed.
    proxy.wait_for_log("failed: Uncaught RuntimeError", PATIENCE)?;
    let begin = Instant::now();
    while rank()? != served {
        ensure!(begin.elapsed() < PATIENCE, "the VM does not come back: {}", proxy.log());
        sleep(Duration::from_millis(100));
    }
    let kept = figure(&proxy.get(MAIN, "/memory")?.text(), "live");
    assert!(kept.is_some_and(|live| live < 100_000), "a fresh VM: {kept:?}");
    Ok(())
}
