//! Connections that can be cut from inside a handler, which the server library does not allow.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use super::tls::Tls;

const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// What a handler knows of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Which of the emulator's hosts was called; none on the encrypted side, which answers for all of them.
    pub(crate) host: Option<usize>,
    /// Whether the connection is encrypted.
    pub(crate) encrypted: bool,
    state: Arc<AtomicU8>,
}

impl Peer {
    /// Ends the connection before anything more is written.
    pub(crate) fn close(&self) {
        self.state.store(CLOSE, Ordering::Release);
    }

    /// The same, with a reset instead of an orderly end.
    pub(crate) fn reset(&self) {
        self.state.store(RESET, Ordering::Release);
    }
}

/// Accepts the connections of one host, or those of the encrypted side.
#[derive(Debug)]
pub(crate) struct HostListener {
    pub(crate) tcp: TcpListener,
    pub(crate) side: Side,
}

/// What a listener answers as.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    /// One of the org's hosts, in plain HTTP.
    Host(usize),
    /// Any host, through tunnels and TLS.
    Encrypted(Tls),
}

impl HostListener {
    /// The next connection. What cannot be accepted is left out.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.tcp.accept().await {
                Ok((tcp, address)) => {
                    // Pages are written in several pieces: without this the last one waits for an acknowledgement.
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY");
                    }
                    return (tcp, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Side {
    /// A connection that requests can be read from.
    pub(crate) async fn open(&self, tcp: TcpStream, address: SocketAddr) -> io::Result<(Link, Peer)> {
        let (host, wire) = match self {
            Self::Host(host) => (Some(*host), Wire::Plain(tcp)),
            Self::Encrypted(tls) => (None, tls.open(tcp).await?),
        };
        let encrypted = matches!(wire, Wire::Tls(_));
        let state = Arc::new(AtomicU8::new(OPEN));
        Ok((Link { wire, state: Arc::clone(&state) }, Peer { address, host, encrypted, state }))
    }
}

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    wire: Wire,
    state: Arc<AtomicU8>,
}

impl Link {
    fn check(&self) -> io::Result<()> {
        match self.state.load(Ordering::Acquire) {
            OPEN => Ok(()),
            RESET => {
                // Dropped with lingering off, the socket sends RST instead of FIN.
                match &self.wire {
                    Wire::Plain(tcp) => tcp.set_zero_linger()?,
                    Wire::Tls(tls) => tls.get_ref().0.set_zero_linger()?,
                }
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Wire::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Wire::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Wire::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Wire::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Wire::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(tcp) => tcp.is_write_vectored(),
            Wire::Tls(tls) => tls.is_write_vectored(),
        }
    }
}
