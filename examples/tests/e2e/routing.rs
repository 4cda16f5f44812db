//! The example that chooses routes.

use anyhow::Result;
use sluicegate_loadtest::Proxy;

use super::{PATIENCE, with_each_allocator};

#[test]
fn http_routing() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("http_routing", allocator)?;
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
        proxy.wait_for_log("value: ", PATIENCE)
    })
}
