//! The burst: every upload on a connection of its own, all at once, on one thread.
//!
//! Each upload comes in pieces over a second and a half, as over a network. Bytes that are written
//! at once over the loopback arrive at once, and a proxy with one worker would then get one upload
//! after the other.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

/// The longest time to wait for a response. An upload without a response by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// The responses to the uploads.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Answers {
    /// The number of uploads that went through the filter: 200 with the filter's header.
    pub(super) served: u32,
    /// The number of responses of 200 without the filter's header.
    pub(super) unfiltered: u32,
    /// The number of responses of 413.
    pub(super) too_large: u32,
    /// The number of responses of 503.
    pub(super) unavailable: u32,
    /// The number of responses with every other status.
    pub(super) other: u32,
    /// The number of uploads without a response: the connection broke, or nothing came within a
    /// minute.
    pub(super) lost: u32,
    /// The status of the giant, or `None` if it was lost or there was none.
    pub(super) giant: Option<u16>,
}

impl Answers {
    fn count(&mut self, answer: Option<(u16, bool)>) {
        *match answer {
            Some((200, true)) => &mut self.served,
            Some((200, false)) => &mut self.unfiltered,
            Some((413, _)) => &mut self.too_large,
            Some((503, _)) => &mut self.unavailable,
            Some(_) => &mut self.other,
            None => &mut self.lost,
        } += 1;
    }
}

/// The number of pieces of an upload, and the time between two pieces.
const PIECES: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);

type Sender = SendRequest<Paced>;

/// A body that is sent piece by piece.
struct Paced {
    piece: Bytes,
    left: usize,
    pause: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(whole: &Bytes) -> Self {
        Self { piece: whole.slice(..whole.len().div_ceil(PIECES)), left: whole.len(), pause: Box::pin(sleep(PAUSE)) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(sleep(PAUSE));
        let piece = self.piece.slice(..self.piece.len().min(self.left));
        self.left -= piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}

/// Sends this many uploads of `size` bytes, and the giant, all at once.
pub(super) fn burst(port: u16, uploads: u32, size: usize, giant: Option<usize>) -> Result<Answers> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start the client")?;
    let host: Arc<str> = format!("127.0.0.1:{port}").into();
    runtime.block_on(async {
        let mut senders = Vec::new();
        for _ in 0..uploads + u32::from(giant.is_some()) {
            senders.push(connect(port).await?);
        }
        let giant = giant.zip(senders.pop_if(|_| giant.is_some()));
        let body = Bytes::from(vec![7; size]);
        let mut tasks = JoinSet::new();
        for sender in senders {
            tasks.spawn(upload(sender, host.clone(), Paced::new(&body)));
        }
        let giant =
            giant.map(|(size, sender)| tokio::spawn(upload(sender, host.clone(), Paced::new(&vec![7; size].into()))));
        let mut answers = Answers::default();
        for answer in tasks.join_all().await {
            answers.count(answer);
        }
        if let Some(giant) = giant {
            answers.giant = giant.await.ok().flatten().map(|(status, _)| status);
        }
        Ok(answers)
    })
}

async fn connect(port: u16) -> Result<Sender> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
    let (sender, driver) = handshake(TokioIo::new(stream)).await.context("cannot speak HTTP")?;
    // If the connection breaks, its request fails.
    tokio::spawn(driver);
    Ok(sender)
}

/// Sends an upload. Returns the status, and whether the filter set its header, or `None` if no
/// response came.
async fn upload(mut sender: Sender, host: Arc<str>, body: Paced) -> Option<(u16, bool)> {
    let request = Request::post("/").header(HOST, &*host).body(body).ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        let answer = (response.status().as_u16(), response.headers().contains_key("x-checksum"));
        // The rest of a response that came before the upload's end may break off.
        let _ = response.into_body().collect().await;
        Some(answer)
    };
    timeout(PATIENCE, exchange).await.ok().flatten()
}
