//! The example with a network filter.

use anyhow::Result;
use sluicegate_loadtest::Proxy;

use super::{PATIENCE, names_its_allocator, with_each_allocator};

#[test]
fn network() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("network", allocator)?;
        names_its_allocator(&proxy, allocator)?;
        let headers = [("connection", "close"), ("This-Is-Key", "this-is-value")];
        let response = proxy.request("GET", 18000, "/", &headers, b"")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"));
        for line in [
            "new connection!",
            "downstream data received",
            "this-is-key: this-is-value",
            "upstream data received",
            "remote address: 127.0.0.1:",
            "upstream cluster metadata location[cloud_provider]=aws",
            "upstream cluster metadata location[region]=ap-northeast-1",
            "upstream cluster metadata location[az]=ap-northeast-1a",
            "downstream connection close!",
            "connection complete!",
        ] {
            proxy.wait_for_log(line, PATIENCE)?;
        }
        let count = proxy.stats()?.get("wasmcustom.sluicegate.connection_counter").copied();
        assert_eq!(count, Some(1));
        Ok(())
    })
}
