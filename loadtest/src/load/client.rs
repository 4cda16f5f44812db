//! The load: a closed loop over persistent connections, on one thread.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::variant::HEADERS;

/// The longest time to wait for a response. It is far more than any response takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The properties of a right response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Status 200.
    Unfiltered,
    /// Status 200 and the header that the filter adds, so that a filter that fails silently cannot
    /// look fast.
    Filtered,
}

/// The responses that came.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of wrong responses.
    pub(super) bad: u32,
    /// The problem of the first wrong response.
    pub(super) first_problem: Option<String>,
}

/// The connections to one Envoy.
pub(super) struct Client {
    runtime: Runtime,
    idle: Vec<Connection>,
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    expectation: Expectation,
}

impl Client {
    pub(super) fn connect(port: u16, connections: u32, expectation: Expectation) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start the client")?;
        let request = request(port)?;
        let connect = async || {
            let mut idle = Vec::new();
            for _ in 0..connections {
                let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
                stream.set_nodelay(true).context("cannot set up a connection")?;
                let (sender, driver) = handshake(TokioIo::new(stream)).await.context("cannot speak HTTP")?;
                // If the connection breaks, its next request fails.
                tokio::spawn(driver);
                idle.push(Connection { sender, request: request.clone(), expectation });
            }
            anyhow::Ok(idle)
        };
        let idle = runtime.block_on(connect())?;
        Ok(Self { runtime, idle })
    }

    /// Sends this many requests, on all connections at once, and checks every response.
    pub(super) fn fire(&mut self, requests: u32) -> Result<Tally> {
        let connections = std::mem::take(&mut self.idle);
        let count = u32::try_from(connections.len())?;
        let shares = (0..count).map(|at| requests / count + u32::from(at < requests % count));
        let volley = async {
            let mut tasks = JoinSet::new();
            for (mut connection, share) in connections.into_iter().zip(shares) {
                tasks.spawn(async move {
                    let tally = connection.send(share).await;
                    (connection, tally)
                });
            }
            tasks.join_all().await
        };
        let mut sum = Tally::default();
        for (connection, tally) in self.runtime.block_on(volley) {
            self.idle.push(connection);
            sum.bad += tally.bad;
            sum.first_problem = sum.first_problem.or(tally.first_problem);
        }
        Ok(sum)
    }
}

impl Connection {
    async fn send(&mut self, requests: u32) -> Tally {
        let mut tally = Tally::default();
        for sent in 0..requests {
            match self.exchange().await {
                Ok(None) => {}
                Ok(Some(problem)) => {
                    tally.bad += 1;
                    tally.first_problem.get_or_insert(problem);
                }
                // The connection cannot be used any more.
                Err(error) => {
                    tally.bad += requests - sent;
                    tally.first_problem.get_or_insert(format!("{error:#}"));
                    break;
                }
            }
        }
        tally
    }

    /// Sends one request, and reads the whole response. Returns the problem of the response, if it
    /// has one.
    async fn exchange(&mut self) -> Result<Option<String>> {
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(self.request.clone()).await?;
            let problem = problem(&response, self.expectation);
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            anyhow::Ok(problem)
        };
        timeout(PATIENCE, exchange).await.map_err(|_| anyhow!("no response within {PATIENCE:?}"))?
    }
}

fn request(port: u16) -> Result<Request<Empty<Bytes>>> {
    let request = Request::get("/").header(HOST, format!("127.0.0.1:{port}"));
    let request = HEADERS.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Empty::new()).context("the request is not valid")
}

fn problem(response: &Response<Incoming>, expectation: Expectation) -> Option<String> {
    let status = response.status();
    let marked = response.headers().get("x-filter").is_some_and(|value| value == "1");
    if status != StatusCode::OK {
        return Some(format!("status {status}"));
    }
    (marked != (expectation == Expectation::Filtered)).then(|| format!("x-filter is there: {marked}"))
}
