//! The raw record, kept compactly: its pieces behind their lengths, deflated when that saves space.

use std::io::Read as _;

use flate2::{Compress, Compression, FlushCompress, Status};
use unicrm_core::{Error, ErrorKind, RawRecord, RemoteData, Result};

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;
/// Below this, deflating costs more than it saves.
const WORTH_IT: usize = 128;
/// No raw record is larger; what claims to be is damaged.
const LARGEST: u64 = 1 << 30;

/// Packs raw records, one after the other, with buffers of its own.
pub(crate) struct Packer {
    compress: Compress,
    frame: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        Self { compress: Compress::new(Compression::fast(), false), frame: Vec::new() }
    }

    /// Frames a raw record, or what a record brings as its `remote_data` when there is none. What is returned is what to
    /// hash, empty when there is nothing; [`Packer::pack`] then packs it.
    pub(crate) fn frame(&mut self, raw: &RawRecord, remote_data: &[RemoteData]) -> &[u8] {
        self.frame.clear();
        let given = raw.pieces().chain(
            remote_data
                .iter()
                .filter(|_| raw.is_empty())
                .map(|data| (data.path.as_str(), data.data.as_str())),
        );
        for text in given.flat_map(|(path, body)| [path, body]) {
            self.frame.extend_from_slice(&(text.len() as u64).to_le_bytes());
            self.frame.extend_from_slice(text.as_bytes());
        }
        &self.frame
    }

    /// Packs what was framed last; none when that was nothing.
    pub(crate) fn pack(&mut self) -> Option<Vec<u8>> {
        if self.frame.is_empty() {
            return None;
        }
        if self.frame.len() >= WORTH_IT {
            // Only as much room as saves something: what does not fit is kept as it is.
            let mut packed = Vec::with_capacity(self.frame.len() - 1);
            packed.push(DEFLATED);
            self.compress.reset();
            let status = self.compress.compress_vec(&self.frame, &mut packed, FlushCompress::Finish);
            if matches!(status, Ok(Status::StreamEnd)) {
                packed.shrink_to_fit();
                return Some(packed);
            }
        }
        let mut packed = Vec::with_capacity(1 + self.frame.len());
        packed.push(PLAIN);
        packed.extend_from_slice(&self.frame);
        Some(packed)
    }
}

/// The raw record again.
pub(crate) fn unpack(packed: &[u8]) -> Result<RawRecord> {
    read(packed).ok_or_else(|| Error::new(ErrorKind::Internal, "the raw record is damaged"))
}

fn read(packed: &[u8]) -> Option<RawRecord> {
    let (format, body) = packed.split_first()?;
    let mut inflated = Vec::new();
    let mut frame = match *format {
        PLAIN => body,
        DEFLATED => {
            flate2::read::DeflateDecoder::new(body).take(LARGEST).read_to_end(&mut inflated).ok()?;
            &inflated
        }
        _ => return None,
    };
    let mut text = || {
        let (len, rest) = frame.split_first_chunk::<8>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        frame = rest;
        Some((std::str::from_utf8(text).ok()?, rest.is_empty()))
    };
    let mut raw = RawRecord::default();
    let mut at_end = false;
    while !at_end {
        let (path, _) = text()?;
        let (body, last) = text()?;
        raw.append(RawRecord::new(path.to_owned(), body));
        at_end = last;
    }
    Some(raw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(pieces in proptest::collection::vec((".{0,20}", ".{0,600}"), 1..4)) {
            let mut packer = Packer::new();
            for _ in 0..2 {
                let mut raw = RawRecord::default();
                for (path, body) in &pieces {
                    raw.append(RawRecord::new(path.clone(), body));
                }
                packer.frame(&raw, &[]);
                prop_assert_eq!(unpack(&packer.pack().unwrap()).unwrap(), raw);
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(bytes: Vec<u8>) {
            // Whatever is not a packed record is refused; the few bytes that are one come back as one.
            if let Ok(raw) = unpack(&bytes) {
                prop_assert!(!raw.is_empty());
            }
        }
    }

    #[test]
    fn repeated_text_takes_less_space_than_it_has() {
        let mut packer = Packer::new();
        let body = format!("[{}]", r#"{"Id":"003","Name":null},"#.repeat(40));
        packer.frame(&RawRecord::new("/sobjects/Contact", &body), &[]);
        assert!(packer.pack().unwrap().len() < body.len() / 4);
        packer.frame(&RawRecord::default(), &[]);
        assert!(packer.pack().is_none());
    }
}
