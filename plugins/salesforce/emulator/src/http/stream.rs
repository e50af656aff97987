//! Bodies that are sent from a file as they are read, so that a result of any size takes little memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempPath;

/// Bytes that are read and sent at a time.
const PIECE: usize = 256 << 10;

/// A part of a file, with something in front of it. The file stays as long as anybody holds a part of it.
#[derive(Clone, Debug)]
pub(crate) struct FilePart {
    pub(crate) head: Bytes,
    pub(crate) file: Arc<TempPath>,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl FilePart {
    /// Bytes in all.
    pub(crate) fn len(&self) -> u64 {
        self.head.len() as u64 + self.length
    }

    /// All of it.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let mut whole = self.head.to_vec();
        self.open()?.take(self.length).read_to_end(&mut whole)?;
        if whole.len() as u64 == self.len() {
            Ok(whole.into())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn open(&self) -> io::Result<File> {
        let mut file = File::open(&**self.file)?;
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file)
    }

    /// A body of it, packed if wanted; `sent` is told of the bytes of each piece before it goes out.
    pub(crate) fn into_body(self, gzip: bool, sent: impl Fn(u64) + Send + Sync + 'static) -> Body {
        let encoder = gzip.then(|| GzEncoder::new(Vec::with_capacity(PIECE / 2), Compression::fast()));
        let reader = Reader { part: self, file: None, encoder, done: false };
        Body::from_stream(futures::stream::unfold((Some(reader), sent), |(reader, sent)| async move {
            let mut reader = reader?;
            let work = tokio::task::spawn_blocking(move || {
                let piece = reader.next();
                (reader, piece)
            });
            let Ok((reader, piece)) = work.await else {
                // What breaks off must not look like an end.
                return Some((Err(io::ErrorKind::Interrupted.into()), (None, sent)));
            };
            let piece = piece.transpose()?;
            if let Ok(piece) = &piece {
                sent(piece.len() as u64);
            }
            Some((piece, (Some(reader), sent)))
        }))
    }
}

/// How far a part has been read.
struct Reader {
    part: FilePart,
    file: Option<io::Take<File>>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    done: bool,
}

impl Reader {
    /// The next piece; none at the end. After an error there is nothing more.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.done {
            let raw = match self.raw() {
                Ok(raw) => raw,
                Err(error) => {
                    self.done = true;
                    return Err(error);
                }
            };
            self.done = raw.is_empty();
            let Some(encoder) = &mut self.encoder else {
                return Ok(Some(raw).filter(|raw| !raw.is_empty()));
            };
            encoder.write_all(&raw)?;
            let packed = if self.done {
                self.encoder.take().map(GzEncoder::finish).transpose()?.unwrap_or_default()
            } else {
                std::mem::take(encoder.get_mut())
            };
            if !packed.is_empty() {
                return Ok(Some(packed.into()));
            }
        }
        Ok(None)
    }

    fn raw(&mut self) -> io::Result<Bytes> {
        let mut piece = std::mem::take(&mut self.part.head).to_vec();
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.part.open()?.take(self.part.length)),
        };
        let wanted = PIECE.saturating_sub(piece.len()) as u64;
        let expected = wanted.min(file.limit());
        if file.by_ref().take(wanted).read_to_end(&mut piece)? as u64 != expected {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn part(head: &[u8], file: &[u8], start: usize, length: usize) -> FilePart {
        let mut temporary = tempfile::NamedTempFile::new().unwrap();
        temporary.write_all(file).unwrap();
        let file = Arc::new(temporary.into_temp_path());
        FilePart { head: head.to_vec().into(), file, start: start as u64, length: length as u64 }
    }

    #[tokio::test]
    async fn a_part_is_sent_whole_packed_or_not() {
        let data: Vec<u8> = (0..3 * PIECE + 17).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for (start, length) in [(0, data.len()), (10, PIECE), (PIECE - 1, 2 * PIECE + 5), (5, 0)] {
            let expected = [b"head\n", &data[start..start + length]].concat();
            for gzip in [false, true] {
                let counter = Arc::new(AtomicU64::new(0));
                let count = Arc::clone(&counter);
                let part = part(b"head\n", &data, start, length);
                assert_eq!(part.read().unwrap(), expected);
                let body = part.into_body(gzip, move |bytes| {
                    count.fetch_add(bytes, Ordering::Relaxed);
                });
                let sent = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                assert_eq!(counter.load(Ordering::Relaxed), sent.len() as u64);
                let mut received = Vec::new();
                if gzip {
                    GzDecoder::new(sent.as_ref()).read_to_end(&mut received).unwrap();
                } else {
                    received.extend_from_slice(&sent);
                }
                assert!(received == expected, "{start} {length} {gzip}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error_and_not_an_end() {
        let part = part(b"", b"short", 0, 10);
        assert!(part.read().is_err());
        assert!(axum::body::to_bytes(part.into_body(false, |_| {}), usize::MAX).await.is_err());
    }
}
