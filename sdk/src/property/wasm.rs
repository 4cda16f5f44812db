//! The plugin, as the proxy's configuration describes it. A value that the configuration leaves out
//! has no bytes.

use super::table::properties;

properties! {
    /// Returns the name of the plugin.
    #[doc(alias = "GetPluginName")]
    text plugin_name = "plugin_name";
    /// Returns the `root_id` of the plugin, which tells several plugins in one module apart.
    #[doc(alias = "GetPluginRootId")]
    text plugin_root_id = "plugin_root_id";
    /// Returns the `vm_id` of the plugin. VMs with the same `vm_id` share data and queues.
    #[doc(alias = "GetPluginVmId")]
    text plugin_vm_id = "plugin_vm_id";
}
