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

const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// What a handler knows of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Which of the emulator's hosts was called.
    pub(crate) host: usize,
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

/// Accepts the connections of one host.
#[derive(Debug)]
pub(crate) struct HostListener {
    pub(crate) tcp: TcpListener,
    pub(crate) host: usize,
}

impl HostListener {
    /// The next connection. What cannot be accepted is left out.
    pub(crate) async fn accept(&self) -> (Link, Peer) {
        loop {
            match self.tcp.accept().await {
                Ok((tcp, address)) => {
                    // Pages are written in several pieces: without this the last one waits for an acknowledgement.
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY");
                    }
                    let state = Arc::new(AtomicU8::new(OPEN));
                    return (
                        Link { tcp, state: Arc::clone(&state) },
                        Peer { address, host: self.host, state },
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    tcp: TcpStream,
    state: Arc<AtomicU8>,
}

impl Link {
    fn check(&self) -> io::Result<()> {
        match self.state.load(Ordering::Acquire) {
            OPEN => Ok(()),
            RESET => {
                // Dropped with lingering off, the socket sends RST instead of FIN.
                self.tcp.set_zero_linger()?;
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
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
