//! Times as Salesforce writes them. Instants and dates are two types and never tried one for the other.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads a datetime: `2026-11-22T10:11:12.000+0000`, with `Z`, or with any other offset.
pub(crate) fn parse_datetime(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Reads a date: `2026-11-22` and nothing else, so that no time of day is lost unseen.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let plain = |at: usize, byte: u8| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    let written_so = text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| plain(at, byte));
    written_so.then(|| text.parse().ok()).flatten()
}

/// A datetime as SOQL literals and request bodies have it: `2026-11-22T10:11:12.000Z`. Salesforce keeps milliseconds;
/// what is finer is cut off.
pub(crate) fn datetime_text(at: Timestamp) -> String {
    let milliseconds = at.as_nanosecond().div_euclid(1_000_000);
    let cut =
        i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(at);
    format!("{cut:.3}")
}

/// A datetime as Salesforce's answers have it: `2026-11-22T10:11:12.000+0000`.
pub(crate) fn remote_datetime_text(at: Timestamp) -> String {
    let text = datetime_text(at);
    format!("{}+0000", text.strip_suffix('Z').unwrap_or(&text))
}

/// Midnight UTC of a date: what a date is in the unified model.
pub(crate) fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The UTC date of an instant, and whether a time of day was lost.
pub(crate) fn utc_date(at: Timestamp) -> (Date, bool) {
    let date = at.to_zoned(TimeZone::UTC).date();
    (date, midnight(date) != Some(at))
}

/// Reads the `Date` header of an answer: the server's clock, in whole seconds.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_that_salesforce_writes() {
        let at: Timestamp = "2026-11-22T10:11:12Z".parse().unwrap();
        for text in [
            "2026-11-22T10:11:12.000+0000",
            "2026-11-22T10:11:12.000Z",
            "2026-11-22T10:11:12Z",
            "2026-11-22T15:41:12.000+05:30",
        ] {
            assert_eq!(parse_datetime(text), Some(at), "{text}");
        }
        for text in ["2026-11-22", "10:30:00.000Z", "", "null", "2026-11-22T10:11:12.000"] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
        for text in [
            "2026-11-22T00:00:00.000+0000",
            "2026-11-22Z",
            "20261122",
            "2026-13-01",
            "2026-02-30",
            "",
            "26-11-22",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(
            parse_http_date("Tue, 13 Apr 2021 11:33:05 GMT"),
            Some("2021-04-13T11:33:05Z".parse().unwrap())
        );
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn texts_as_salesforce_takes_them() {
        let at: Timestamp = "2026-11-22T10:11:12.3459Z".parse().unwrap();
        assert_eq!(datetime_text(at), "2026-11-22T10:11:12.345Z");
        assert_eq!(remote_datetime_text(at), "2026-11-22T10:11:12.345+0000");
        let before: Timestamp = "1960-01-01T00:00:00.9999Z".parse().unwrap();
        assert_eq!(datetime_text(before), "1960-01-01T00:00:00.999Z");
    }

    proptest! {
        #[test]
        fn milliseconds_survive(ms in -2_208_988_800_000_i64..=64_060_588_800_000) {
            let at = Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(parse_datetime(&datetime_text(at)), Some(at));
            prop_assert_eq!(parse_datetime(&remote_datetime_text(at)), Some(at));
        }

        #[test]
        fn a_date_is_its_midnight(days in -25_000_i32..700_000) {
            let date = Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let at = midnight(date).unwrap();
            prop_assert_eq!(utc_date(at), (date, false));
            prop_assert_eq!(parse_date(&date.to_string()), Some(date));
            prop_assert_eq!(utc_date(at.checked_add(jiff::SignedDuration::from_millis(1)).unwrap()), (date, true));
        }
    }
}
