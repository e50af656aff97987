//! Connections that can be cut from inside a handler, which the server library does not allow.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
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

impl Connected<IncomingStream<'_, HostListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, HostListener>) -> Self {
        Self { address: *stream.remote_addr(), host: stream.io().host, state: Arc::clone(&stream.io().state) }
    }
}

/// Accepts the connections of one host.
#[derive(Debug)]
pub(crate) struct HostListener {
    pub(crate) tcp: TcpListener,
    pub(crate) host: usize,
}

impl Listener for HostListener {
    type Io = Link;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.tcp.accept().await {
                Ok((tcp, address)) => {
                    // Pages are written in several pieces: without this the last one waits for an acknowledgement.
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY");
                    }
                    return (Link { tcp, host: self.host, state: Arc::new(AtomicU8::new(OPEN)) }, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    tcp: TcpStream,
    host: usize,
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
