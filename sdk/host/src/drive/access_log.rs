//! Entries of the proxy's access log, which a plugin writes.

use sluicegate::abi::MapType;

use crate::drive::running::{Outcome, RunningHost};
use crate::model::map::{Kind, Map};
use crate::model::property::PropertyValue;
use crate::model::stream::Stream;

/// An entry of the proxy's `access_log`, before it goes to the plugin that writes it.
///
/// The entry is about a request that went through no filter of the plugin's.
///
/// ```
/// # use sluicegate::prelude::*;
/// # #[derive(Default)]
/// # struct Plugin;
/// # #[sluicegate::plugin_context]
/// # impl PluginContext for Plugin {
/// #     fn on_log(&mut self, _: &mut PluginHandle<'_>, entry: &AccessLogEntry<'_>) -> Result<()> {
/// #         info!("{:?}", entry.fetch_response_trailer("grpc-status")?);
/// #         Ok(())
/// #     }
/// # }
/// # sluicegate::plugin!(plugin: Plugin);
/// # use sluicegate_host::Host;
/// # fn main() {
/// # let host = Host::new(&PLUGIN).start();
/// let entry = host.access_log().request_headers(&[(":path", "/a.Service/Method")]);
/// let entry = entry.response_headers(&[(":status", "200")]);
/// entry.response_trailers(&[("grpc-status", "0")]).log();
/// # }
/// ```
#[must_use = "nothing is logged before `log`"]
pub struct AccessLog<'host> {
    host: &'host RunningHost,
    plugin: u32,
    entry: Stream,
}

impl<'host> AccessLog<'host> {
    pub(crate) fn of(host: &'host RunningHost, plugin: u32) -> Self {
        Self { host, plugin, entry: Stream { plugin, completed: true, ..Stream::default() } }
    }

    /// Sets the request's headers.
    pub fn request_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(self, headers: &[(N, V)]) -> Self {
        self.map(MapType::HttpRequestHeaders, Map::new(headers).of(Kind::Request))
    }

    /// Sets the response's headers.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(self, headers: &[(N, V)]) -> Self {
        self.map(MapType::HttpResponseHeaders, Map::new(headers).of(Kind::Response))
    }

    /// Sets the response's trailers. The log does not see the request's trailers.
    pub fn response_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(self, trailers: &[(N, V)]) -> Self {
        self.map(MapType::HttpResponseTrailers, Map::new(trailers).of(Kind::Trailers))
    }

    fn map(mut self, kind: MapType, map: Map) -> Self {
        self.entry.maps.insert(kind as u32, map);
        self
    }

    /// Sets a property of the request. The property takes the place of the proxy's at this path.
    pub fn property(mut self, path: &[&str], value: impl Into<PropertyValue>) -> Self {
        self.entry.properties.set(path, value.into());
        self
    }

    /// Calls `on_log` of the plugin.
    ///
    /// Returns whether the callback returned: whether the module exports the callback and the VM is
    /// alive.
    pub fn log(self) -> bool {
        let Self { host, plugin, entry } = self;
        // While `on_log` runs, the plugin's context acts on this entry.
        host.state().streams.insert(plugin, entry);
        host.state().logging = true;
        let outcome = host.enter(plugin, "proxy_on_log", &[plugin]);
        host.state().logging = false;
        host.state().streams.remove(&plugin);
        host.run_deferred();
        matches!(outcome, Outcome::Answer(_))
    }
}
