//! A real Envoy with a configuration, from its start to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use sluicegate_workspace::children::{self, Owned};
use sluicegate_workspace::{self as workspace, Allocator, guest};
use tempfile::TempDir;

use crate::binary::Envoy;
use crate::config::{Config, Rendered};
use crate::http::{self, Response};
use crate::log::{self, Log};

/// The longest time until Envoy serves.
const START: Duration = Duration::from_secs(20);
/// The interval at which the admin interface is asked whether Envoy serves.
const POLL: Duration = Duration::from_millis(20);
/// The number of attempts to start, because another process may be faster to take a port.
const ATTEMPTS: usize = 3;

/// The options with which an Envoy is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of worker threads, each of which has a VM.
    pub concurrency: u32,
    /// The level of Envoy's own log.
    pub log_level: String,
    /// The levels of components, such as `wasm:trace`, or an empty text for none.
    pub component_log_level: String,
    /// For how many seconds a listener that is removed still serves its connections; `None` is
    /// Envoy's own choice, ten minutes.
    pub drain_seconds: Option<u32>,
}

impl Default for Options {
    /// Returns the options for one worker, with everything that a filter logs.
    fn default() -> Self {
        Self { concurrency: 1, log_level: "info".into(), component_log_level: "wasm:trace".into(), drain_seconds: None }
    }
}

/// A running Envoy. Dropping this value ends Envoy, also when a panic drops it.
///
/// Envoy listens on free ports of the loopback address. [`Proxy::port`] returns Envoy's port for a
/// port in the configuration. A value in a `static` is never dropped, so keep a proxy in a local
/// variable.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use sluicegate_envoy::Proxy;
/// use sluicegate_workspace::Allocator;
///
/// # fn main() -> anyhow::Result<()> {
/// let proxy = Proxy::for_example("http_headers", Some(Allocator::Talc))?;
/// let response = proxy.get(18000, "/")?;
/// assert_eq!(response.status, 200);
/// proxy.wait_for_log("wasm log", Duration::from_secs(5))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    child: Owned,
    ports: BTreeMap<u16, u16>,
    admin: u16,
    log: Log,
    /// Holds the configuration for as long as Envoy may read it.
    _folder: TempDir,
}

impl Proxy {
    /// Builds an example, provisions Envoy, and starts it with the example's configuration.
    ///
    /// # Errors
    ///
    /// Fails if any of these steps fails. The message says which.
    pub fn for_example(name: &str, allocator: Option<Allocator>) -> Result<Self> {
        Self::for_example_with(name, allocator, &Options::default())
    }

    /// Does the work of [`Proxy::for_example`], with options.
    ///
    /// # Errors
    ///
    /// Fails where [`Proxy::for_example`] fails.
    pub fn for_example_with(name: &str, allocator: Option<Allocator>, options: &Options) -> Result<Self> {
        Self::start(&Envoy::provision()?, &example(name, allocator)?, options)
    }

    /// Does the work of [`Proxy::for_example`], with features of the SDK in the modules, such as
    /// `abi-0-1-0`.
    ///
    /// # Errors
    ///
    /// Fails where [`Proxy::for_example`] fails.
    pub fn for_example_built_with(name: &str, allocator: Option<Allocator>, features: &[&str]) -> Result<Self> {
        Self::start(&Envoy::provision()?, &example_built_with(name, allocator, features)?, &Options::default())
    }

    /// Starts Envoy and waits, up to 20 seconds, until it serves.
    ///
    /// # Errors
    ///
    /// Fails if Envoy refuses the configuration, with Envoy's reason, or if Envoy does not serve in
    /// time.
    pub fn start(envoy: &Envoy, config: &Config, options: &Options) -> Result<Self> {
        let mut attempt = 1;
        loop {
            // Another process may take a free port between the moment when it is released and the
            // moment when Envoy takes it.
            match Self::attempt(envoy, config.render()?, options) {
                Err(error) if attempt < ATTEMPTS && error.to_string().contains("Address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Returns Envoy's port for a port in the configuration.
    ///
    /// # Panics
    ///
    /// Panics if the configuration has no such port.
    pub fn port(&self, original: u16) -> u16 {
        match self.ports.get(&original) {
            Some(&port) => port,
            None => panic!("the configuration has no port {original}, but {:?}", self.ports.keys()),
        }
    }

    /// Returns the URL of `path` at a port of the configuration.
    ///
    /// # Panics
    ///
    /// Panics if the configuration has no such port.
    pub fn url(&self, original: u16, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port(original))
    }

    /// Sends a GET for `path` to a port of the configuration.
    ///
    /// # Errors
    ///
    /// Fails if there is no response. A status such as 500 is not an error.
    ///
    /// # Panics
    ///
    /// Panics if the configuration has no such port.
    pub fn get(&self, original: u16, path: &str) -> Result<Response> {
        self.request("GET", original, path, &[], b"")
    }

    /// Sends a request to a port of the configuration.
    ///
    /// # Errors
    ///
    /// Fails if there is no response. A status such as 500 is not an error.
    ///
    /// # Panics
    ///
    /// Panics if the configuration has no such port.
    pub fn request(
        &self,
        method: &str,
        original: u16,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        http::send(method, &self.url(original, path), headers, body)
    }

    /// Returns the URL of `path` at the admin interface.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// Returns the body of the admin interface's response to a GET of `path`, such as
    /// `/config_dump`.
    ///
    /// # Errors
    ///
    /// Fails if the response is not a 200.
    pub fn admin(&self, path: &str) -> Result<String> {
        let response = http::send("GET", &self.admin_url(path), &[], b"")?;
        if response.status != 200 {
            bail!("the admin interface returned {} for {path}: {}", response.status, response.text().trim());
        }
        Ok(response.text().into_owned())
    }

    /// Returns Envoy's counters and gauges by name. Workers report theirs with a delay of up to
    /// some seconds.
    ///
    /// # Errors
    ///
    /// Fails if the admin interface does not respond.
    pub fn stats(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.admin("/stats")?;
        let stats = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(stats.collect())
    }

    /// Returns everything that Envoy has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Returns the text that Envoy has logged after the first `offset` bytes, for a reader that
    /// follows.
    pub fn log_from(&self, offset: usize) -> String {
        self.log.text_from(offset)
    }

    /// Waits until Envoy's log contains `text`. Text that was logged before counts.
    ///
    /// # Errors
    ///
    /// Fails if the log does not contain the text in time. The message has the end of the log.
    pub fn wait_for_log(&self, text: &str, patience: Duration) -> Result<()> {
        if self.log.wait_for(text, patience) {
            return Ok(());
        }
        bail!("no `{text}` in Envoy's log within {patience:?}; it ends with:\n{}", log::tail(&self.log(), 20))
    }

    /// Returns the id of Envoy's process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns whether Envoy still runs.
    pub fn is_running(&self) -> bool {
        self.child.ended().is_ok_and(|status| status.is_none())
    }

    /// Returns the log itself, for a reader that follows it.
    pub fn shared_log(&self) -> &Log {
        &self.log
    }

    fn attempt(envoy: &Envoy, rendered: Rendered, options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a folder for Envoy's configuration")?;
        let file = folder.path().join("envoy.json");
        std::fs::write(&file, rendered.tree.to_string()).context("cannot write Envoy's configuration")?;
        let mut command = command(&envoy.path, &file, options);
        drop(rendered.held);
        let child = children::spawn(&mut command).with_context(|| format!("cannot run {}", envoy.path.display()))?;
        let log = child.take_stderr().map(Log::read).unwrap_or_default();
        let proxy = Self { child, ports: rendered.ports, admin: rendered.admin, log, _folder: folder };
        proxy.wait_until_it_serves()?;
        Ok(proxy)
    }

    fn wait_until_it_serves(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.child.ended().context("Envoy's process is gone")? {
                self.log.wait_for_end(Duration::from_secs(1));
                let reason = log::reason(&self.log());
                return Err(match reason {
                    Some(reason) => anyhow!("Envoy refused the configuration: {reason}"),
                    None => anyhow!("Envoy ended at once ({status})"),
                });
            }
            if self.serves() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        let reason = log::reason(&self.log()).unwrap_or_else(|| "it said nothing".into());
        bail!("Envoy does not serve after {START:?}: {reason}")
    }

    /// Returns whether Envoy serves, by asking the admin interface. A connection to a listener
    /// would be one more for the filter to see.
    fn serves(&self) -> bool {
        let started = "listener_manager.workers_started";
        self.admin("/ready").is_ok()
            && self.admin(&format!("/stats?filter=^{started}$")).is_ok_and(|stat| stat.contains(": 1"))
    }
}

/// Returns the configuration of an example, after building its modules.
///
/// # Errors
///
/// Fails if there is no such example, or if a build fails.
pub fn example(name: &str, allocator: Option<Allocator>) -> Result<Config> {
    example_built_with(name, allocator, &[])
}

fn example_built_with(name: &str, allocator: Option<Allocator>, features: &[&str]) -> Result<Config> {
    guest::ensure_example(name)?;
    let config = Config::read(&workspace::example_config(name))?;
    workspace::example_packages(name)?.into_iter().try_fold(config, |config, package| {
        let module = guest::build_with(&package, allocator, features)?;
        Ok(config.with_module(&package.replace('-', "_"), &module))
    })
}

fn command(envoy: &Path, config: &Path, options: &Options) -> Command {
    let mut command = Command::new(envoy);
    command.arg("-c").arg(config).arg("--concurrency").arg(options.concurrency.to_string());
    command.args(["--disable-hot-restart", "--log-level", &options.log_level]);
    if !options.component_log_level.is_empty() {
        command.args(["--component-log-level", &options.component_log_level]);
    }
    if let Some(seconds) = options.drain_seconds {
        command.args(["--drain-time-s", &seconds.to_string(), "--drain-strategy", "immediate"]);
    }
    command.current_dir(workspace::root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}
