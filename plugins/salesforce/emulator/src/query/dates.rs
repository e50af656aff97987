//! Date literals as spans of days. The org's time zone is UTC, its fiscal year the calendar year, its week starts on Sunday.

use jiff::civil::{Date, Weekday};
use jiff::{Span, Timestamp, tz::TimeZone};

use crate::soql::literal::{DateLiteral, Unit};

/// Days from `start` up to but without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) start: Date,
    pub(super) end: Date,
}

/// The span that a literal means at `now`; none when it leaves the calendar.
pub(super) fn days(literal: DateLiteral, now: Timestamp) -> Option<Days> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let span = |start: Date, end: Date| Some(Days { start, end });
    match literal {
        DateLiteral::Yesterday => unit_span(Unit::Day, today, -1, 1),
        DateLiteral::Today => unit_span(Unit::Day, today, 0, 1),
        DateLiteral::Tomorrow => unit_span(Unit::Day, today, 1, 1),
        // The last days end with today.
        DateLiteral::Last90Days => span(shift(today, Unit::Day, -90)?, shift(today, Unit::Day, 1)?),
        DateLiteral::LastN(Unit::Day, n) => {
            span(shift(today, Unit::Day, -i64::from(n))?, shift(today, Unit::Day, 1)?)
        }
        DateLiteral::Next90Days => unit_span(Unit::Day, today, 1, 90),
        DateLiteral::Last(unit) => unit_span(unit, today, -1, 1),
        DateLiteral::This(unit) => unit_span(unit, today, 0, 1),
        DateLiteral::Next(unit) => unit_span(unit, today, 1, 1),
        // Whole weeks, months and so on before or after the one of today.
        DateLiteral::LastN(unit, n) => unit_span(unit, today, -i64::from(n), n.into()),
        DateLiteral::NextN(unit, n) => unit_span(unit, today, 1, n.into()),
        DateLiteral::Ago(unit, n) => unit_span(unit, today, -i64::from(n), 1),
    }
}

/// `count` units, the first of them `from` units after the one of `today`.
fn unit_span(unit: Unit, today: Date, from: i64, count: i64) -> Option<Days> {
    let first = begin(unit, today)?;
    Some(Days { start: shift(first, unit, from)?, end: shift(first, unit, from + count)? })
}

fn begin(unit: Unit, day: Date) -> Option<Date> {
    let month = match unit {
        Unit::Day => return Some(day),
        Unit::Week => {
            let since_sunday = day.weekday().since(Weekday::Sunday);
            return shift(day, Unit::Day, -i64::from(since_sunday));
        }
        Unit::Month => day.month(),
        Unit::Quarter | Unit::FiscalQuarter => (day.month() - 1) / 3 * 3 + 1,
        Unit::Year | Unit::FiscalYear => 1,
    };
    Date::new(day.year(), month, 1).ok()
}

fn shift(day: Date, unit: Unit, by: i64) -> Option<Date> {
    let span = match unit {
        Unit::Day => Span::new().try_days(by),
        Unit::Week => Span::new().try_weeks(by),
        Unit::Month => Span::new().try_months(by),
        Unit::Quarter | Unit::FiscalQuarter => Span::new().try_months(by.checked_mul(3)?),
        Unit::Year | Unit::FiscalYear => Span::new().try_years(by),
    };
    day.checked_add(span.ok()?).ok()
}

/// Midnight of a day in milliseconds since 1970.
pub(super) fn midnight(day: Date) -> Option<i64> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(literal: DateLiteral) -> String {
        let now = "2026-11-22T10:11:12Z".parse().expect("valid");
        days(literal, now).map_or("none".to_owned(), |d| format!("{}..{}", d.start, d.end))
    }

    #[test]
    fn spans_follow_the_documentation() {
        use DateLiteral::*;
        for (literal, span) in [
            (Today, "2026-11-22..2026-11-23"),
            (Yesterday, "2026-11-21..2026-11-22"),
            (This(Unit::Week), "2026-11-22..2026-11-29"),
            (Last(Unit::Week), "2026-11-15..2026-11-22"),
            (Last(Unit::Month), "2026-10-01..2026-11-01"),
            (This(Unit::Quarter), "2026-10-01..2027-01-01"),
            (Next(Unit::FiscalQuarter), "2027-01-01..2027-04-01"),
            (Last(Unit::Year), "2025-01-01..2026-01-01"),
            (LastN(Unit::Day, 7), "2026-11-15..2026-11-23"),
            (NextN(Unit::Day, 7), "2026-11-23..2026-11-30"),
            (Ago(Unit::Day, 3), "2026-11-19..2026-11-20"),
            (LastN(Unit::Month, 2), "2026-09-01..2026-11-01"),
            (Next90Days, "2026-11-23..2027-02-21"),
            (LastN(Unit::Year, u32::MAX), "none"),
        ] {
            assert_eq!(at(literal), span, "{literal}");
        }
    }

    proptest! {
        #[test]
        fn neighbours_touch(seconds in 0i64..4_000_000_000, n in 1u32..200) {
            let now = Timestamp::from_second(seconds).expect("in range");
            for unit in [Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
                let this = days(DateLiteral::This(unit), now).expect("in range");
                let last = days(DateLiteral::LastN(unit, n), now).expect("in range");
                let next = days(DateLiteral::NextN(unit, n), now).expect("in range");
                let today = now.to_zoned(TimeZone::UTC).date();
                prop_assert!(this.start <= today && today < this.end);
                prop_assert_eq!(last.end, this.start);
                prop_assert_eq!(next.start, this.end);
                let earliest = days(DateLiteral::Ago(unit, n), now).expect("in range");
                prop_assert_eq!(earliest.start, last.start);
            }
        }
    }
}
