//! The example that shows its configurations.

use super::lines::wait_for_lines;

example!(vm_plugin_configuration, |proxy| {
    let line = |of| format!(r#"{of} config: {{\n  "name": "{of} configuration"\n}}\n"#);
    wait_for_lines(&proxy, "info", &[line("vm"), line("plugin")])?;
    let response = proxy.get(18000, "/")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
    Ok(())
});
