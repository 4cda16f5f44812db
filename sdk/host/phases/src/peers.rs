//! The client, the upstream and the called service of a cell, as raw sockets.

mod side;

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::config::Place;
use crate::moment::{Kind, Setting, Step};
use side::Side;

/// The data that a cell's peers received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Of the client's connection.
    pub client: Vec<u8>,
    /// `true` if Envoy closed the client's connection.
    pub client_ended: bool,
    /// Of each connection to the upstream.
    pub upstream: Vec<Vec<u8>>,
    /// Of all connections to the service.
    pub service: Vec<u8>,
}

/// The peers of one cell.
#[derive(Debug)]
pub struct Peers {
    place: Place,
    listener: std::path::PathBuf,
    /// The listener that is there in the end.
    last_listener: std::path::PathBuf,
    upstream: UnixListener,
    service: UnixListener,
    client: Option<Side>,
    upstreams: Vec<Side>,
    services: Vec<Side>,
}

impl Peers {
    /// Listens where Envoy will connect to.
    ///
    /// # Errors
    ///
    /// When a socket cannot be made.
    pub fn listen(folder: &Path, place: &Place) -> Result<Self> {
        let listen = |letter| -> Result<UnixListener> {
            let listener = UnixListener::bind(place.socket(folder, letter)).context("cannot listen")?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok(Self {
            place: place.clone(),
            listener: place.socket(folder, 'l'),
            last_listener: place.socket(folder, if place.setting == Setting::Unloaded { 'p' } else { 'l' }),
            upstream: listen('u')?,
            service: listen('s')?,
            client: None,
            upstreams: Vec::new(),
            services: Vec::new(),
        })
    }

    /// Makes one move.
    ///
    /// # Errors
    ///
    /// When Envoy takes no connection.
    pub fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Connect => self.connect()?,
            Step::Request => {
                self.connect()?;
                self.client_sends(
                    b"POST / HTTP/1.1\r\nhost: host\r\nconnection: close\r\nx-gone: yes\r\n\
                    transfer-encoding: chunked\r\n\r\n",
                );
            }
            Step::Get => {
                self.connect()?;
                self.client_sends(b"GET / HTTP/1.1\r\nhost: host\r\nconnection: close\r\nx-gone: yes\r\n\r\n");
            }
            Step::Part(text) => self.client_sends(&chunk(text)),
            Step::Trailers => self.client_sends(b"0\r\nx-trailer: one\r\n\r\n"),
            Step::Response => {
                self.upstream_sends(b"HTTP/1.1 200 OK\r\nx-gone: yes\r\ntransfer-encoding: chunked\r\n\r\n");
            }
            Step::Empty => self.upstream_sends(b"HTTP/1.1 200 OK\r\nx-gone: yes\r\ncontent-length: 0\r\n\r\n"),
            Step::End => self.client_sends(b"0\r\n\r\n"),
            Step::BackEnd => self.upstream_sends(b"0\r\n\r\n"),
            Step::Back(text) => self.upstream_sends(&chunk(text)),
            Step::BackTrailers => self.upstream_sends(b"0\r\nx-trailer: two\r\n\r\n"),
            Step::Answer => self.answer(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\nx-trailer: three\r\n\r\n",
            ),
            Step::GrpcAnswer => self
                .answer(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 6\r\n\r\nanswer"),
            Step::Leave => self.leave(),
            Step::Upgrade => {
                self.connect()?;
                self.client_sends(
                    b"GET / HTTP/1.1\r\nhost: host\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-gone: yes\r\n\r\n",
                );
            }
            Step::Switch => self.upstream_sends(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-gone: yes\r\n\r\n",
            ),
            Step::Tunnel => {
                self.connect()?;
                self.client_sends(b"CONNECT host:80 HTTP/1.1\r\nhost: host:80\r\nx-gone: yes\r\n\r\n");
            }
            Step::Grant => self.upstream_sends(b"HTTP/1.1 200 OK\r\nx-gone: yes\r\n\r\n"),
            Step::Metadata => {
                if let Some(client) = &mut self.client {
                    client.send_metadata();
                }
            }
            Step::BackMetadata => {
                if let Some(side) = self.upstreams.first_mut() {
                    side.send_metadata();
                }
            }
            Step::Tick | Step::Unload => {}
            Step::FromClient(text) => self.client_sends(text.as_bytes()),
            Step::FromUpstream(text) => self.upstream_sends(text.as_bytes()),
            Step::CloseUpstream => {
                if let Some(side) = self.upstreams.first() {
                    let _ = side.stream.shutdown(Shutdown::Both);
                }
            }
        }
        Ok(())
    }

    /// Returns the data that all peers received so far.
    #[must_use]
    pub fn received(&self) -> Received {
        Received {
            client: self.client.as_ref().map(|side| side.bytes.clone()).unwrap_or_default(),
            client_ended: self.client.as_ref().is_some_and(|side| side.ended),
            upstream: self.upstreams.iter().map(|side| side.bytes.clone()).collect(),
            service: self.services.iter().flat_map(|side| side.bytes.clone()).collect(),
        }
    }

    /// Returns whether the client has no connection any more.
    #[must_use]
    pub fn client_ended(&self) -> bool {
        self.client.as_ref().is_none_or(|side| side.ended)
    }

    /// Drops all connections.
    pub fn drop_connections(&mut self) {
        self.client = None;
        self.upstreams.clear();
        self.services.clear();
    }

    /// Returns whether another client is served. `rest` waits until Envoy has nothing more to do,
    /// and returns whether that came.
    pub fn probe(&mut self, rest: impl Fn() -> bool) -> bool {
        self.drop_connections();
        let Ok(stream) = UnixStream::connect(&self.last_listener) else { return false };
        let Ok(client) = Side::new(stream) else { return false };
        let client = self.client.insert(client);
        let (request, answer): (&[u8], &[u8]) = match self.place.kind {
            Kind::Http => (
                b"GET /probe HTTP/1.1\r\nhost: host\r\nconnection: close\r\n\r\n",
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            ),
            Kind::Tcp => (b"probe", b"HTTP/1.1 200 ok"),
        };
        client.send(request);
        let mut answered = 0;
        while rest() && self.look() {
            let waiting = self.upstreams.iter_mut().skip(answered);
            for side in waiting.filter(|side| side.bytes.windows(5).any(|window| window == b"probe")) {
                side.send(answer);
                answered += 1;
            }
        }
        self.client.as_ref().is_some_and(|client| client.bytes.starts_with(b"HTTP/1.1 200"))
    }

    fn connect(&mut self) -> Result<()> {
        let stream = UnixStream::connect(&self.listener).context("Envoy takes no connection")?;
        self.client =
            Some(if self.place.setting == Setting::Metadata { Side::client(stream) } else { Side::new(stream) }?);
        Ok(())
    }

    fn leave(&mut self) {
        self.look();
        if let Some(client) = &mut self.client {
            let _ = client.stream.shutdown(Shutdown::Both);
            client.ended = false;
        }
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        if let Some(client) = &mut self.client {
            client.send(bytes);
        }
    }

    fn upstream_sends(&mut self, bytes: &[u8]) {
        if let Some(side) = self.upstreams.first_mut() {
            side.send(bytes);
        }
    }

    /// Answers the first connection.
    fn answer(&mut self, answer: &[u8]) {
        if let Some(side) = self.services.first_mut() {
            side.send(answer);
        }
    }

    fn accept_all(&mut self) {
        while let Ok((stream, _)) = self.upstream.accept() {
            let side = if self.place.setting == Setting::Metadata { Side::server(stream) } else { Side::new(stream) };
            self.upstreams.extend(side.ok());
        }
        while let Ok((stream, _)) = self.service.accept() {
            self.services.extend(Side::new(stream).ok());
        }
    }

    /// Takes what is there, and says whether anything is new.
    pub fn look(&mut self) -> bool {
        let before = self.sum();
        self.accept_all();
        for side in self.client.iter_mut().chain(&mut self.upstreams).chain(&mut self.services) {
            side.look();
        }
        self.sum() != before
    }

    /// Returns the amount of data that came, of any kind.
    fn sum(&self) -> usize {
        let sides = self.client.iter().chain(&self.upstreams).chain(&self.services);
        sides.map(|side| side.count + 1 + usize::from(side.ended)).sum()
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
