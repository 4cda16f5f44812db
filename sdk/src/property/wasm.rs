//! The plugin, as the proxy's configuration has it. What the configuration leaves out has no bytes.

use super::table::properties;

properties! {
    /// The name of the plugin.
    #[doc(alias = "GetPluginName")]
    text plugin_name = "plugin_name";
    /// The `root_id` of the plugin, which tells several plugins in one module apart.
    #[doc(alias = "GetPluginRootId")]
    text plugin_root_id = "plugin_root_id";
    /// The `vm_id` of the plugin: the VMs of the same one share data and queues.
    #[doc(alias = "GetPluginVmId")]
    text plugin_vm_id = "plugin_vm_id";
}
