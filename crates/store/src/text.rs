//! How times and ids look in columns: readable, and sorted as text as they are in time.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, Result};
use uuid::Uuid;

/// Appends an instant in RFC 3339 with `Z` and always three digits after the second, so that text order is time order;
/// nine where three would lose something.
pub(crate) fn push_timestamp(text: &mut String, instant: Timestamp) {
    // Writing into a string cannot fail.
    let written = if instant.subsec_nanosecond() % 1_000_000 == 0 {
        write!(text, "{instant:.3}")
    } else {
        write!(text, "{instant:.9}")
    };
    debug_assert!(written.is_ok());
}

pub(crate) fn timestamp(instant: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    push_timestamp(&mut text, instant);
    text
}

pub(crate) fn push_uuid(text: &mut String, id: Uuid) {
    text.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

/// The present, in the precision in which it is stored.
pub(crate) fn present() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The present as it is stored.
pub(crate) fn now() -> String {
    timestamp(present())
}

pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|source: jiff::Error| {
        Error::new(ErrorKind::Internal, format!("{text:?} is not an instant")).with_source(source)
    })
}

pub(crate) fn parse_uuid(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|source| {
        Error::new(ErrorKind::Internal, format!("{text:?} is not a UUID")).with_source(source)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn instants_come_back_and_sort_as_text(a in 0..4_102_444_800_000_i64, b in 0..4_102_444_800_000_i64, nanos: u32) {
            let at = |ms| Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(timestamp(at(a)).cmp(&timestamp(at(b))), a.cmp(&b));
            let fine = Timestamp::new(a / 1000, (nanos % 1_000_000_000) as i32).unwrap();
            prop_assert_eq!(parse_timestamp(&timestamp(fine)).unwrap(), fine);
        }
    }

    #[test]
    fn an_instant_looks_like_this() {
        assert_eq!(timestamp("2021-09-15T00:00:00Z".parse().unwrap()), "2021-09-15T00:00:00.000Z");
    }
}
