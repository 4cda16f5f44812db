//! Logs the data of both directions of a connection and the address of the upstream, and counts
//! connections. It is a network filter.

use sluicegate::metric::Counter;
use sluicegate::prelude::*;
use sluicegate::property::{self, upstream};

/// The reason for a warning if the proxy does not have a property.
const ABSENT: Error = Error::new("not found");

struct Plugin {
    connections: Option<Counter>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn create((): &(), _: u32) -> Self {
        let connections = Counter::define("sluicegate.connection_counter");
        if let Err(error) = &connections {
            critical!("failed to define the connection counter: {error}");
        }
        Self { connections: connections.ok() }
    }
}

#[derive(Default)]
struct Network;

#[sluicegate::tcp_filter]
impl TcpFilter for Network {
    type Plugin = Plugin;

    // A failure is logged. No connection is closed because of it.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_new_connection(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        info!("new connection!");
        Ok(FilterStatus::Continue)
    }

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        if data.size() == 0 {
            return Ok(FilterStatus::Continue);
        }
        match data.read(0, data.size()) {
            Ok(bytes) => info!(">>>>>> downstream data received >>>>>>\n{}", ByteStr::new(&bytes).display()),
            Err(error) => critical!("failed to get downstream data: {error}"),
        }
        Ok(FilterStatus::Continue)
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        if data.size() == 0 {
            return Ok(FilterStatus::Continue);
        }
        match upstream::address().and_then(|address| address.ok_or(ABSENT)) {
            Ok(address) => info!("remote address: {}", address.text().display()),
            Err(error) => warn!("failed to get upstream remote address: {error}"),
        }
        match location().and_then(|location| location.ok_or(ABSENT)) {
            Ok(location) => {
                for (key, value) in location.iter() {
                    info!("upstream cluster metadata location[{}]={}", key.display(), value.text().display());
                }
            }
            Err(error) => warn!("failed to get upstream location metadata: {error}"),
        }
        match data.read(0, data.size()) {
            Ok(bytes) => info!("<<<<<< upstream data received <<<<<<\n{}", ByteStr::new(&bytes).display()),
            Err(error) => critical!("failed to get upstream data: {error}"),
        }
        Ok(FilterStatus::Continue)
    }

    fn on_downstream_close(&mut self, _: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
        info!("downstream connection close!");
        Ok(())
    }

    fn on_log(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        let counted = connection.plugin().connections.as_ref().map_or(Ok(()), |counter| counter.increment(1));
        info!("connection complete!");
        counted
    }
}

/// Returns the cluster's metadata under `location`. The path is the one that Envoy has since 1.33,
/// or else the one before.
fn location() -> Result<Option<property::Map>> {
    let path = ["xds", "cluster_metadata", "filter_metadata", "location"];
    let [_, old @ ..] = &path;
    let found = match property::get(&path)? {
        None => property::get(old)?,
        found => found,
    };
    found.map(property::Property::into_map).transpose()
}

sluicegate::plugin!(plugin: Plugin, tcp: Network);

#[cfg(test)]
mod tests;
