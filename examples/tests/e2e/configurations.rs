//! The example that shows its configurations.

use anyhow::Result;
use sluicegate_loadtest::Proxy;

use super::{PATIENCE, with_each_allocator};

#[test]
fn vm_plugin_configuration() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("vm_plugin_configuration", allocator)?;
        for line in
            ["vm config: {", r#""name": "vm configuration""#, "plugin config: {", r#""name": "plugin configuration""#]
        {
            proxy.wait_for_log(line, PATIENCE)?;
        }
        let response = proxy.get(18000, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
        Ok(())
    })
}
