//! Decompression by what the bytes are, not by what the header says.
//!
//! Some remotes and proxies label plain bodies as gzip, or compress twice. So each layer looks at the first two bytes:
//! `1f 8b` is unpacked, anything else passes unchanged. A text body never begins so; a file might be a gzip file by
//! right, and is unpacked only as often as the header declares.

use std::io::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures::stream;
use http::HeaderMap;

use crate::body::BodyStream;
use crate::failure::{TransportError, TransportErrorKind};

/// Input is fed in slices of this size: one of them unpacks to at most about a thousand times as much.
const SLICE: usize = 8 * 1024;
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Unpacks the body as its headers and its bytes demand.
pub(crate) fn decoded(headers: &HeaderMap, body: BodyStream) -> Result<BodyStream, TransportError> {
    let Some(layers) = layers(headers) else {
        return Err(TransportError::at(TransportErrorKind::UnsupportedEncoding, &*body.target()));
    };
    Ok((0..layers).fold(body, |body, _| layer(body)))
}

/// How many layers of gzip may be taken off, or none if another encoding is declared.
fn layers(headers: &HeaderMap) -> Option<usize> {
    let mut declared = 0;
    for value in headers.get_all(http::header::CONTENT_ENCODING) {
        for coding in value.to_str().ok()?.split(',').map(str::trim) {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => declared += 1,
                _ => return None,
            }
        }
    }
    Some(if is_text(headers) { 2 } else { declared.min(2) })
}

fn is_text(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(http::header::CONTENT_TYPE) else { return true };
    let value = value.as_bytes().to_ascii_lowercase();
    let essence = String::from_utf8_lossy(&value);
    ["text/", "json", "xml", "csv", "urlencoded", "javascript"].iter().any(|word| essence.contains(word))
}

fn layer(body: BodyStream) -> BodyStream {
    let target = body.target();
    let state = Layer { source: body, input: Bytes::new(), mode: Mode::Unknown, target: Arc::clone(&target) };
    BodyStream::new(stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|chunk| (chunk, state)))
    }))
    .of_request(target)
}

struct Layer {
    source: BodyStream,
    input: Bytes,
    mode: Mode,
    target: Arc<str>,
}

enum Mode {
    Unknown,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Ended,
}

impl Layer {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match &mut self.mode {
                Mode::Unknown => self.look().await?,
                Mode::Plain if self.input.is_empty() => return self.source.chunk().await,
                Mode::Plain => return Ok(Some(std::mem::take(&mut self.input))),
                Mode::Gzip(decoder) => {
                    if self.input.is_empty() {
                        match self.source.chunk().await? {
                            Some(chunk) => self.input = chunk,
                            None => {
                                decoder.try_finish().map_err(|error| damaged(&self.target, error))?;
                                let rest = std::mem::take(decoder.get_mut());
                                self.mode = Mode::Ended;
                                return Ok((!rest.is_empty()).then(|| Bytes::from(rest)));
                            }
                        }
                    }
                    let slice = self.input.split_to(SLICE.min(self.input.len()));
                    decoder.write_all(&slice).map_err(|error| damaged(&self.target, error))?;
                    let unpacked = std::mem::take(decoder.get_mut());
                    if !unpacked.is_empty() {
                        return Ok(Some(Bytes::from(unpacked)));
                    }
                }
                Mode::Ended => return Ok(None),
            }
        }
    }

    /// Reads until the first two bytes are known.
    async fn look(&mut self) -> Result<(), TransportError> {
        while self.input.len() < MAGIC.len() {
            let Some(chunk) = self.source.chunk().await? else { break };
            if self.input.is_empty() {
                self.input = chunk;
            } else {
                let mut joined = BytesMut::from(std::mem::take(&mut self.input));
                joined.extend_from_slice(&chunk);
                self.input = joined.freeze();
            }
        }
        self.mode = if self.input.starts_with(&MAGIC) {
            Mode::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
        } else {
            Mode::Plain
        };
        Ok(())
    }
}

fn damaged(target: &Arc<str>, error: std::io::Error) -> TransportError {
    TransportError::at(TransportErrorKind::IncompleteBody, &**target)
        .with_detail("its compression ends early or is damaged")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: Option<&'static str>, kind: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-encoding", encoding), ("content-type", kind)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        headers
    }

    fn unpack(headers: &HeaderMap, wire: &[u8], chunk: usize, limit: usize) -> Result<Bytes, TransportError> {
        let chunks: Vec<_> = wire.chunks(chunk).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        block_on(decoded(headers, BodyStream::new(stream::iter(chunks)))?.collect(limit))
    }

    const JSON: Option<&str> = Some("application/json;charset=UTF-8");
    const FILE: Option<&str> = Some("application/octet-stream");

    proptest! {
        #[test]
        fn a_text_comes_out_whatever_the_label_says(
            text in "[ -~]{0,3000}",
            chunk in 1_usize..300,
            label in proptest::sample::select(vec![None, Some("gzip"), Some("x-gzip"), Some("gzip, gzip"), Some("identity")]),
            times in 0_usize..3,
        ) {
            let wire = (0..times).fold(text.clone().into_bytes(), |data, _| gzip(&data));
            let out = unpack(&headers(label, JSON), &wire, chunk, 10_000).unwrap();
            prop_assert_eq!(&out[..], text.as_bytes());
        }

        #[test]
        fn a_cut_anywhere_is_an_error(text in "[a-z]{1,500}", at in 0.0_f64..1.0) {
            let wire = gzip(text.as_bytes());
            let cut = 2 + (at * (wire.len() - 2) as f64) as usize;
            prop_assume!(cut < wire.len());
            let error = unpack(&headers(Some("gzip"), JSON), &wire[..cut], 7, 10_000).unwrap_err();
            prop_assert_eq!(error.kind(), TransportErrorKind::IncompleteBody);
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), chunk in 1_usize..50) {
            let mut wire = MAGIC.to_vec();
            wire.extend(bytes);
            let _outcome = unpack(&headers(Some("gzip"), JSON), &wire, chunk, 100_000);
        }
    }

    #[test]
    fn members_that_follow_one_another_are_one_text() {
        let wire = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(&unpack(&headers(Some("gzip"), JSON), &wire, 5, 100).unwrap()[..], b"one two");
    }

    #[test]
    fn a_file_is_unpacked_only_as_declared() {
        let file = gzip(b"archive");
        assert_eq!(&unpack(&headers(None, FILE), &file, 9, 1000).unwrap()[..], &file[..]);
        assert_eq!(&unpack(&headers(Some("gzip"), FILE), &gzip(&file), 9, 1000).unwrap()[..], &file[..]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&gzip(&vec![0_u8; 200 << 20]));
        let error = unpack(&headers(Some("gzip"), JSON), &bomb, 1 << 20, 1 << 20).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::TooLarge { limit: 1 << 20 });
    }

    #[test]
    fn one_slice_unpacks_to_a_bounded_chunk() {
        let bomb = gzip(&vec![0_u8; 64 << 20]);
        let body = decoded(&headers(Some("gzip"), FILE), BodyStream::from(Bytes::from(bomb))).unwrap();
        let largest = block_on(async {
            let mut body = body;
            let mut largest = 0;
            while let Some(chunk) = body.chunk().await.unwrap() {
                largest = largest.max(chunk.len());
            }
            largest
        });
        assert!(largest <= 1100 * SLICE, "{largest}");
    }

    #[test]
    fn an_encoding_that_was_not_asked_for_is_refused() {
        let error = unpack(&headers(Some("br"), JSON), b"x", 1, 10).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::UnsupportedEncoding);
    }
}
