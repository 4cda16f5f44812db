//! The example with a network filter.

use super::lines::{texts, wait_for_lines};
use super::names_its_allocator;

example!(network, |proxy, allocator| {
    names_its_allocator(&proxy, allocator)?;
    let headers = [("connection", "close"), ("This-Is-Key", "this-is-value")];
    let response = proxy.request("GET", 18000, "/", &headers, b"")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    let upstream = format!("remote address: 127.0.0.1:{}", proxy.port(8099));
    let lines = [
        "new connection!",
        &upstream,
        "upstream cluster metadata location[cloud_provider]=aws",
        "upstream cluster metadata location[region]=ap-northeast-1",
        "upstream cluster metadata location[az]=ap-northeast-1a",
        "downstream connection close!",
        "connection complete!",
    ];
    wait_for_lines(&proxy, "info", &lines)?;
    // All that the client sent and got is in one line of each direction.
    let lines = texts(&proxy, "info");
    let data = |start| lines.iter().find_map(|line| line.strip_prefix(start)).unwrap_or_default().to_owned();
    let sent = data(r">>>>>> downstream data received >>>>>>\n");
    assert!(sent.starts_with(r"GET / HTTP/1.1\r\n") && sent.ends_with(r"\r\n\r\n"), "{sent}");
    assert!(sent.to_lowercase().contains(r"\r\nthis-is-key: this-is-value\r\n"), "{sent}");
    let got = data(r"<<<<<< upstream data received <<<<<<\n");
    assert!(got.starts_with(r"HTTP/1.1 200 OK\r\n") && got.ends_with(r"\r\n\r\nexample body\n"), "{got}");
    assert_eq!([texts(&proxy, "warning"), texts(&proxy, "critical")].concat(), [""; 0]);
    let count = proxy.stats()?.get("wasmcustom.sluicegate.connection_counter").copied();
    assert_eq!(count, Some(1));
    Ok(())
});
