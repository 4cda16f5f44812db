//! The example that shows its configurations.

use anyhow::Result;
use sluicegate_envoy::Proxy;

use super::lines::wait_for_lines;
use super::with_each_allocator;

#[test]
fn vm_plugin_configuration() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("vm_plugin_configuration", allocator)?;
        let line = |of| format!(r#"{of} config: {{\n  "name": "{of} configuration"\n}}\n"#);
        wait_for_lines(&proxy, "info", &[line("vm"), line("plugin")])?;
        let response = proxy.get(18000, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
        Ok(())
    })
}
