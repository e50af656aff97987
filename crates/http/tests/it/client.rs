//! The client against a remote that misbehaves on the wire.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use unicrm_core::ErrorKind;
use unicrm_http::{Attempt, ClientConfig, Effect, Replay, Retrier, RetryPolicy, TransportErrorKind, Verdict};

use crate::support::{Script, Scripted, answer, get, local_client, raw_server};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn quick() -> ClientConfig {
    ClientConfig { read_timeout: Duration::from_millis(200), ..ClientConfig::default() }
}

/// Fetches once from a remote that answers with these bytes and closes.
async fn kind_after(script: Script) -> TransportErrorKind {
    let (url, _) = raw_server(vec![script]).await;
    local_client(&quick()).fetch(get(&url)).await.expect_err("the fault must be noticed").kind()
}

#[tokio::test]
async fn a_cut_body_is_an_error_in_every_form() {
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    for cut in [
        format!("{json}Content-Length: 100\r\n\r\n{{\"records\":["),
        format!("{json}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
        format!("{json}Transfer-Encoding: chunked\r\n\r\n50\r\nabcde"),
    ] {
        assert_eq!(kind_after(Script::Answer(cut.into_bytes())).await, TransportErrorKind::IncompleteBody);
    }
    let whole = gzip(b"{\"records\":[1,2,3,4,5,6,7,8,9]}");
    let cut = answer("200 OK", "Content-Encoding: gzip\r\n", &whole[..whole.len() - 5]);
    assert_eq!(kind_after(Script::Answer(cut)).await, TransportErrorKind::IncompleteBody);
}

#[tokio::test]
async fn silence_ends_in_a_time_out_before_and_inside_the_body() {
    assert_eq!(kind_after(Script::Stall(Vec::new())).await, TransportErrorKind::Timeout);
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec();
    assert_eq!(kind_after(Script::Stall(begun)).await, TransportErrorKind::Timeout);
}

#[tokio::test]
async fn what_was_never_sent_is_told_from_what_was_lost() {
    let (url, heads) = raw_server(vec![Script::Answer(Vec::new())]).await;
    let client = local_client(&quick());
    let lost = client.fetch(get(&url)).await.unwrap_err();
    assert_eq!((lost.kind(), lost.effect()), (TransportErrorKind::Lost, Effect::Unknown));
    assert_eq!(lost.into_error(Replay::Unsafe).kind(), ErrorKind::InDoubt);
    assert_eq!(heads.lock().unwrap().len(), 1);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/path?sid=planted", listener.local_addr().unwrap());
    drop(listener);
    let unsent = client.fetch(get(&nobody)).await.unwrap_err();
    assert_eq!((unsent.kind(), unsent.effect()), (TransportErrorKind::Connect, Effect::None));
    let shown = format!("{unsent} {unsent:?}");
    assert!(shown.contains("/path") && !shown.contains("planted"), "{shown}");
    assert_eq!(unsent.into_error(Replay::Unsafe).kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn gzip_is_told_by_its_bytes() {
    let text = b"{\"totalSize\":0}".as_slice();
    let json = "Content-Type: application/json\r\n";
    let labelled = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    for wire in [
        answer("200 OK", json, text),
        answer("200 OK", labelled, &gzip(text)),
        answer("200 OK", labelled, text),
        answer("200 OK", labelled, &gzip(&gzip(text))),
        answer("200 OK", json, &gzip(text)),
    ] {
        let (url, heads) = raw_server(vec![Script::Answer(wire)]).await;
        let client = local_client(&ClientConfig::default());
        let body = client.fetch(get(&url)).await.unwrap().into_body();
        assert_eq!(&body[..], text);
        assert!(heads.lock().unwrap()[0].contains("accept-encoding: gzip"));
    }
}

#[tokio::test]
async fn size_is_bounded_after_unpacking() {
    let bomb = answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(&vec![b'0'; 50 << 20]));
    let (url, _) = raw_server(vec![Script::Answer(bomb.clone())]).await;
    let client = local_client(&ClientConfig { max_body: 1 << 20, ..ClientConfig::default() });
    let error = client.fetch(get(&url)).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::TooLarge { limit: 1 << 20 });
    assert!(client.usage().counts().bytes_received < bomb.len() as u64 + 1);
}

#[tokio::test]
async fn a_large_body_streams_in_chunks() {
    let rows: Vec<u8> = (0..200_000).flat_map(|n| format!("{n},name\n").into_bytes()).collect();
    let wire = answer("200 OK", "Content-Type: text/csv\r\nContent-Encoding: gzip\r\n", &gzip(&rows));
    let (url, _) = raw_server(vec![Script::Answer(wire)]).await;
    let client = local_client(&ClientConfig::default());
    let mut body = client.send(get(&url)).await.unwrap().into_body();
    let (mut read, mut chunks) = (Vec::new(), 0);
    while let Some(chunk) = body.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
        chunks += 1;
    }
    assert!(read == rows && chunks > 3, "{} bytes in {chunks} chunks", read.len());
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (elsewhere, visits) = raw_server(vec![Script::Answer(answer("200 OK", "", b"{}"))]).await;
        let location = format!("Location: {elsewhere}/secur/login?sid=planted\r\n");
        let moved = answer(&format!("{status} Moved"), &location, b"");
        let (url, _) = raw_server(vec![Script::Answer(moved)]).await;
        let error = local_client(&quick()).fetch(get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Redirected { status });
        assert!(error.location().unwrap().as_str().ends_with("sid=planted"));
        assert!(!format!("{error} {error:?}").contains("planted"));
        assert!(visits.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn several_choices_and_not_modified_are_answers() {
    for status in ["300 Multiple Choices", "304 Not Modified"] {
        let (url, _) = raw_server(vec![Script::Answer(answer(status, "Location: /x\r\n", b""))]).await;
        let response = local_client(&quick()).fetch(get(&url)).await.unwrap();
        assert!(status.starts_with(response.status().as_str()));
    }
}

#[tokio::test]
async fn nothing_goes_to_a_host_that_is_not_allowed() {
    let transport = Scripted::new(|_, _| Ok((200, String::new())));
    let client = transport.client();
    for url in [
        "https://evil.org/?token=planted",
        "http://login.example.com/?token=planted",
        "https://me:planted@login.example.com/",
        "/relative",
    ] {
        let error = client.fetch(get(url)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (TransportErrorKind::Refused, Effect::None));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("planted"), "{shown}");
        assert_eq!(error.into_error(Replay::Unsafe).kind(), ErrorKind::InvalidConfig);
    }
    assert!(transport.bodies.lock().unwrap().is_empty());
    client.fetch(get("https://login.example.com/")).await.unwrap();
    assert_eq!(transport.bodies.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_read_survives_a_cut_body_and_a_lost_connection() {
    let scripts = vec![
        Script::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec()),
        Script::Answer(Vec::new()),
        Script::Answer(answer("200 OK", "", b"complete!")),
    ];
    let (url, heads) = raw_server(scripts).await;
    let client = local_client(&quick());
    let policy = RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() };
    let retrier = Retrier::new(policy).with_usage(Arc::clone(client.usage()));
    let body = retrier.run(Replay::Safe, |attempt| {
        let mut request = get(&url);
        request.extensions_mut().insert(Attempt(attempt));
        let client = &client;
        async move {
            match client.fetch(request).await {
                Ok(response) => Verdict::Done(response.into_body()),
                Err(error) => error.verdict(Replay::Safe),
            }
        }
    });
    assert_eq!(&body.await.unwrap()[..], b"complete!");
    assert_eq!((client.usage().counts().requests, client.usage().counts().retries), (3, 2));
    assert_eq!(heads.lock().unwrap().len(), 3);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn one_event_per_attempt_and_no_secret_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("only this test sets it");

    let app = Router::new().route("/traced/{*rest}", any(|| async { "planted-body" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut request = http::Request::post(format!("http://{address}/traced/path?token=planted-query"))
        .header("authorization", "Bearer planted-token")
        .header("cookie", "sid=planted-cookie")
        .body(Bytes::from_static(b"planted-form"))
        .unwrap();
    request.extensions_mut().insert(Attempt(7));
    local_client(&ClientConfig::default()).fetch(request).await.unwrap();

    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let events: Vec<_> =
        text.lines().filter(|line| line.contains("unicrm_http") && line.contains("/traced/")).collect();
    assert_eq!(events.len(), 1, "{text}");
    assert!(events[0].contains("attempt=7") && events[0].contains("status=200"), "{}", events[0]);
    assert!(!text.contains("planted"), "{text}");
}
