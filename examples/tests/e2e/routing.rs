//! The examples that choose routes, and ask them.

use anyhow::Result;
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;

use super::lines::{texts, wait_for_lines};

example!(http_routing, |proxy| {
    let (mut primary, mut canary) = (0, 0);
    for _ in 0..64 {
        let response = proxy.get(18000, "/")?;
        match (response.status, &*response.text()) {
            (200, "hello from primary!\n") => primary += 1,
            (200, "hello from canary!\n") => canary += 1,
            other => panic!("{other:?}"),
        }
        if primary > 0 && canary > 0 {
            break;
        }
    }
    assert!(primary > 0 && canary > 0, "primary {primary}, canary {canary}");
    // Even values led to the canary, and there is a line for each request.
    let lines = texts(&proxy, "info");
    let values = lines.iter().filter_map(|line| line.strip_prefix("value: ")).map(str::parse::<u32>);
    let (even, odd): (Vec<u32>, Vec<u32>) =
        values.collect::<Result<Vec<_>, _>>()?.into_iter().partition(|value| value.is_multiple_of(2));
    assert_eq!((even.len(), odd.len()), (canary, primary), "{lines:?}");
    Ok(())
});

example!(properties, |proxy| {
    let (cookie, authorization) = (("cookie", "value"), ("authorization", "value"));
    for (path, headers, status, body) in [
        ("/one", &[][..], 401, ""),
        ("/one", &[authorization], 401, ""),
        ("/one", &[cookie], 200, "example body\n"),
        ("/two", &[], 401, ""),
        ("/two", &[cookie], 401, ""),
        ("/two", &[authorization], 200, "example body\n"),
        ("/three", &[], 200, "example body\n"),
    ] {
        let response = proxy.request("GET", 18000, path, headers, b"")?;
        assert_eq!((response.status, &*response.text()), (status, body), "{path} {headers:?}");
    }
    wait_for_lines(&proxy, "info", &["8 finished"])?;
    let lines = texts(&proxy, "info");
    let asked: Vec<_> = lines.iter().filter(|line| line.contains("auth header")).collect();
    let (cookie, authorization) = (r#"auth header is "cookie""#, r#"auth header is "authorization""#);
    let none = "no auth header for route";
    assert_eq!(asked, [cookie, cookie, cookie, authorization, authorization, authorization, none]);
    let finished: Vec<_> = lines.iter().filter(|line| line.ends_with(" finished")).collect();
    assert_eq!(finished, (2..9).map(|id| format!("{id} finished")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    Ok(())
});

#[test]
fn properties_answers_grpc_with_its_own_status() -> Result<()> {
    let proxy = Proxy::for_example("properties", Some(Allocator::Talc))?;
    let response = proxy.request("POST", 18000, "/one", &[("content-type", "application/grpc")], b"")?;
    assert_eq!((response.status, response.header("grpc-status")), (200, Some("16")));
    Ok(())
}
