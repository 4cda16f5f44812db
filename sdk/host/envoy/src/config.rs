//! Envoy configurations of examples, changed so that they run beside others: on the loopback
//! address only, on free ports, with the module that was just built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Map, Value, json};

/// The address on which everything listens.
const LOOPBACK: &str = "127.0.0.1";

/// A configuration, and the changes to make in it.
///
/// The file itself stays an ordinary one that works by itself from the repository's root.
#[derive(Clone, Debug)]
pub struct Config {
    tree: Value,
    modules: BTreeMap<String, PathBuf>,
    pins: BTreeMap<u16, u16>,
}

/// A configuration as Envoy gets it.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) tree: Value,
    /// The port in use for each port in the file.
    pub(crate) ports: BTreeMap<u16, u16>,
    pub(crate) admin: u16,
    /// The listeners that hold the ports until the moment before Envoy starts.
    pub(crate) held: Vec<TcpListener>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is no YAML.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        Self::from_yaml(&text).with_context(|| format!("cannot understand {name}"))
    }

    /// Parses a configuration from YAML or JSON.
    ///
    /// # Errors
    ///
    /// Fails if the text is neither, or if it is not a mapping.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let tree: Value = serde_saphyr::from_str(text).map_err(|error| {
            let first = error.to_string();
            anyhow!("not YAML: {}", first.lines().next().unwrap_or_default())
        })?;
        Self::from_json(tree)
    }

    /// Takes a configuration as a tree.
    ///
    /// # Errors
    ///
    /// Fails if the tree is not a mapping.
    pub fn from_json(tree: Value) -> Result<Self> {
        ensure!(tree.is_object(), "an Envoy configuration is a mapping");
        Ok(Self { tree, modules: BTreeMap::new(), pins: BTreeMap::new() })
    }

    /// Returns the stems of the modules that the configuration names: `tag` for
    /// `./target/wasm32-wasip1/guest/tag.wasm`.
    pub fn modules(&self) -> BTreeSet<String> {
        let mut tree = self.tree.clone();
        let mut stems = BTreeSet::new();
        for_each_module(&mut tree, &mut |name| {
            stems.extend(stem(name));
            Ok(())
        })
        .ok();
        stems
    }

    /// Replaces the modules whose stem is `stem` with the file at `path`.
    #[must_use]
    pub fn with_module(mut self, stem: &str, path: &Path) -> Self {
        self.modules.insert(stem.to_owned(), path.to_owned());
        self
    }

    /// Replaces every module with the file at `path`.
    #[must_use]
    pub fn with_every_module(self, path: &Path) -> Self {
        let stems = self.modules();
        stems.iter().fold(self, |config, stem| config.with_module(stem, path))
    }

    /// Changes every object of the configuration that has this key.
    #[must_use]
    pub fn with_each(mut self, key: &str, change: impl Fn(&mut serde_json::Map<String, Value>)) -> Self {
        each(&mut self.tree, key, &change);
        self
    }

    /// Sets the port to use for a port of the configuration, in place of a free one.
    #[must_use]
    pub fn with_port(mut self, original: u16, wanted: u16) -> Self {
        self.pins.insert(original, wanted);
        self
    }

    /// Makes the changes, and finds free ports.
    ///
    /// # Errors
    ///
    /// Fails if the configuration and the given modules do not match, or if a pinned port is taken.
    pub(crate) fn render(&self) -> Result<Rendered> {
        let mut tree = self.tree.clone();
        let named = self.modules();
        if let Some(stray) = self.modules.keys().find(|stem| !named.contains(*stem)) {
            bail!("the configuration names no module `{stray}.wasm`");
        }
        for_each_module(&mut tree, &mut |name| {
            let module = stem(name).and_then(|stem| self.modules.get(&stem));
            let module = module.with_context(|| format!("no module is given for {name}"))?;
            *name = module.display().to_string();
            Ok(())
        })?;
        let mut ports = Ports { pins: &self.pins, map: BTreeMap::new(), held: Vec::new() };
        // The wanted ports come first: one of them may be the next that the system hands out.
        for &original in self.pins.keys() {
            ports.mapped(original)?;
        }
        for_each_address(&mut tree, &mut |address| ports.rewrite(address))?;
        let admin = admin_port(&mut tree, &mut ports)?;
        share_no_ports(&mut tree);
        Ok(Rendered { tree, ports: ports.map, admin, held: ports.held })
    }
}

/// Checks that `port` is free on the loopback address.
///
/// # Errors
///
/// Fails if the port is not free. The message gives the reason in one line.
pub fn ensure_free(port: u16) -> Result<()> {
    hold(port).map(drop)
}

/// The ports that were found so far.
struct Ports<'a> {
    pins: &'a BTreeMap<u16, u16>,
    map: BTreeMap<u16, u16>,
    held: Vec<TcpListener>,
}

impl Ports<'_> {
    fn rewrite(&mut self, address: &mut Map<String, Value>) -> Result<()> {
        let host = address.get("address").and_then(Value::as_str).unwrap_or_default();
        if !matches!(host, "0.0.0.0" | "127.0.0.1" | "localhost" | "::" | "::1") {
            return Ok(());
        }
        address.insert("address".into(), LOOPBACK.into());
        if let Some(port) = address.get("port_value") {
            let port = port.as_u64().and_then(|port| u16::try_from(port).ok());
            let port = port.with_context(|| format!("{} is not a port", address["port_value"]))?;
            address.insert("port_value".into(), self.mapped(port)?.into());
        }
        Ok(())
    }

    /// Returns the port for this one. It is the same for every mention, whichever side listens
    /// there.
    fn mapped(&mut self, original: u16) -> Result<u16> {
        if let Some(&port) = self.map.get(&original) {
            return Ok(port);
        }
        let port = self.free(self.pins.get(&original).copied().unwrap_or(0))?;
        self.map.insert(original, port);
        Ok(port)
    }

    /// Takes a port. 0 takes any free port.
    fn free(&mut self, wanted: u16) -> Result<u16> {
        let listener = hold(wanted)?;
        let port = listener.local_addr().context("a listener without an address")?.port();
        self.held.push(listener);
        Ok(port)
    }
}

fn hold(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow!("port {port} is taken; pick another with --port N, or --port 0 for a free one")
        }
        io::ErrorKind::PermissionDenied => anyhow!("port {port} is not for you to use; pick another with --port N"),
        _ => anyhow!(error).context(format!("cannot listen on port {port}")),
    })
}

/// Returns the port of the admin interface, and adds the interface if there is none.
fn admin_port(tree: &mut Value, ports: &mut Ports<'_>) -> Result<u16> {
    if let Some(port) = tree.pointer("/admin/address/socket_address/port_value") {
        return port.as_u64().and_then(|port| u16::try_from(port).ok()).context("the admin interface has no port");
    }
    let port = ports.free(0)?;
    tree["admin"] = json!({ "address": { "socket_address": { "address": LOOPBACK, "port_value": port } } });
    Ok(port)
}

/// Makes the TCP listeners fail if their port is in use. Otherwise they would share the port with
/// another Envoy, and take its requests.
fn share_no_ports(tree: &mut Value) {
    let listeners = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten() {
        let udp = listener.pointer("/address/socket_address/protocol").is_some_and(|protocol| protocol == "UDP");
        if let Some(listener) = listener.as_object_mut().filter(|_| !udp) {
            listener.entry("enable_reuse_port").or_insert(false.into());
        }
    }
}

fn for_each_address(tree: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>) -> Result<()>) -> Result<()> {
    for_each_field(tree, &mut |name, value| match value {
        Value::Object(address) if name == "socket_address" => change(address),
        _ => Ok(()),
    })
}

fn for_each_module(tree: &mut Value, change: &mut impl FnMut(&mut String) -> Result<()>) -> Result<()> {
    for_each_field(tree, &mut |name, value| match value {
        Value::String(file) if name == "filename" && file.ends_with(".wasm") => change(file),
        _ => Ok(()),
    })
}

fn for_each_field(tree: &mut Value, change: &mut dyn FnMut(&str, &mut Value) -> Result<()>) -> Result<()> {
    match tree {
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| {
            change(name, value)?;
            for_each_field(value, change)
        }),
        Value::Array(items) => items.iter_mut().try_for_each(|item| for_each_field(item, change)),
        _ => Ok(()),
    }
}

fn stem(file: &str) -> Option<String> {
    Some(Path::new(file).file_stem()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;

/// Changes every object with a key, the outermost last.
fn each(tree: &mut Value, key: &str, change: &impl Fn(&mut serde_json::Map<String, Value>)) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, key, change)),
        Value::Object(object) => {
            object.values_mut().for_each(|value| each(value, key, change));
            if object.contains_key(key) {
                change(object);
            }
        }
        _ => {}
    }
}
