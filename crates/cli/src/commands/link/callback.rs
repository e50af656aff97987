//! The loopback redirect: where the browser comes back to after a person has signed in.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::errors::{Failure, Result};

/// The path that other command lines for Salesforce use too, so that one callback URL of an app serves all.
const PATH: &str = "/OauthRedirect";
/// Browsers open connections in advance and may send nothing on them.
const PATIENCE: Duration = Duration::from_secs(15);
/// Connections at a time.
const OPEN: usize = 32;
/// No browser sends a longer head.
const HEAD: usize = 16 << 10;

/// Listens on this machine alone. Dropping it ends the listening.
#[derive(Debug)]
pub(super) struct Callback {
    port: u16,
    arrivals: mpsc::Receiver<Arrival>,
    _listening: JoinSet<()>,
}

/// A browser that came back and waits for a page.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Path and query of its request.
    pub(super) target: String,
    stream: TcpStream,
}

impl Callback {
    /// Listens on a port; 0 takes a free one. `localhost` may mean either of the two loopback addresses.
    pub(super) async fn listen(port: u16) -> Result<Self> {
        let failed = |error| {
            Failure::usage(format!("port {port} of this machine cannot be listened on"))
                .because(error)
                .advice("choose another --callback-port, and add its callback URL to the app")
        };
        let first = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
        let port = first.local_addr()?.port();
        let (sender, arrivals) = mpsc::channel(OPEN);
        let mut listening = JoinSet::new();
        // A machine without IPv6 has no second address.
        if let Ok(second) = TcpListener::bind(("::1", port)).await {
            listening.spawn(serve(second, sender.clone()));
        }
        listening.spawn(serve(first, sender));
        Ok(Self { port, arrivals, _listening: listening })
    }

    /// What the app must have among its callback URLs.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}{PATH}", self.port)
    }

    /// The next browser that comes back; none when nobody listens any more.
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}

impl Arrival {
    /// Shows a page. A browser that has gone away needs none.
    pub(super) async fn answer(mut self, title: &str, text: &str) {
        let page = page(title, text);
        let sent = async {
            self.stream.write_all(page.as_bytes()).await?;
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, sent).await {
            tracing::debug!(%error, "the browser did not take its page");
        }
    }
}

async fn serve(listener: TcpListener, arrivals: mpsc::Sender<Arrival>) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= OPEN {
            open.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let one = tokio::time::timeout(PATIENCE, receive(stream, arrivals.clone()));
                open.spawn(async { drop(one.await) });
            }
            // Too many open files, for instance: that passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn receive(mut stream: TcpStream, arrivals: mpsc::Sender<Arrival>) {
    let Some(head) = read_head(&mut stream).await else { return };
    match target(&head) {
        Some(target) => {
            let target = target.to_owned();
            // It fails when nobody waits any more; then the connection just ends.
            drop(arrivals.send(Arrival { target, stream }).await);
        }
        // Browsers ask for an icon too.
        None => {
            let nothing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(nothing).await);
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.ok()?;
        if count == 0 || head.len() + count > HEAD {
            return None;
        }
        head.extend_from_slice(buffer.get(..count)?);
    }
    Some(head)
}

/// Path and query of a GET of the redirect's path.
fn target(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (Some("GET"), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    let path = target.split('?').next()?;
    (version.starts_with("HTTP/1.") && path == PATH && words.next().is_none()).then_some(target)
}

fn page(title: &str, text: &str) -> String {
    let (title, text) = (escape(title), escape(text));
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body style=\"font-family:sans-serif;margin:4em auto;max-width:36em\"><h1>{title}</h1><p>{text}</p></body></html>"
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_the_redirects_path_is_one() {
        let found = target(b"GET /OauthRedirect?code=a&state=b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(found, Some("/OauthRedirect?code=a&state=b"));
        for other in [
            &b"GET /favicon.ico HTTP/1.1\r\n\r\n"[..],
            b"POST /OauthRedirect?code=a HTTP/1.1\r\n\r\n",
            b"GET /OauthRedirectX?code=a HTTP/1.1\r\n\r\n",
            b"GET http://evil.example.org/OauthRedirect HTTP/1.1\r\n\r\n",
            b"GET /OauthRedirect?code=a b HTTP/1.1\r\n\r\n",
            b"GET /OauthRedirect\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
            b"",
        ] {
            assert_eq!(target(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn what_an_error_says_is_text_on_the_page() {
        let page = page("Not linked", "<script>alert(1)</script> & \"x\"");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
        let (head, body) = page.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }

    #[tokio::test]
    async fn connections_that_say_nothing_do_not_keep_a_browser_waiting() {
        let mut callback = Callback::listen(0).await.expect("a free port");
        let address = ("127.0.0.1", callback.port);
        let mut silent = Vec::new();
        for _ in 0..OPEN - 1 {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let mut icon = TcpStream::connect(address).await.expect("a connection");
        icon.write_all(b"GET /favicon.ico HTTP/1.1\r\n\r\n").await.expect("sent");
        let mut text = String::new();
        icon.read_to_string(&mut text).await.expect("an answer");
        assert!(text.starts_with("HTTP/1.1 404"), "{text}");
        let mut browser = TcpStream::connect(address).await.expect("a connection");
        browser.write_all(b"GET /OauthRedirect?x=1 HTTP/1.1\r\n\r\n").await.expect("sent");
        let arrival = callback.next().await.expect("an arrival");
        assert_eq!(arrival.target, "/OauthRedirect?x=1");
        arrival.answer("Done", "Go on.").await;
        let mut page = String::new();
        browser.read_to_string(&mut page).await.expect("a page");
        assert!(page.ends_with("</html>") && page.contains("Go on."), "{page}");
    }
}
