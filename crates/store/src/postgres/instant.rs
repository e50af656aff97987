//! Instants as PostgreSQL has them: microseconds around the year 2000, from 4713 BC on.

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use unicrm_core::{Error, ErrorKind, Result};

/// Microseconds from 1970 to 2000.
const EPOCH: i64 = 946_684_800_000_000;
/// 24 November 4714 BC, the first day that `timestamptz` holds.
const FIRST: i64 = -211_813_488_000_000_000;
/// How `timestamptz` spells `-infinity`: what is before its first day.
const BEFORE_ALL: i64 = i64::MIN;

/// The value of a `timestamptz` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(i64);

impl Instant {
    /// The instant, cut to what a column holds.
    pub(super) fn cut(instant: Timestamp) -> Self {
        let since_2000 = instant.as_microsecond() - EPOCH;
        Self(if since_2000 < FIRST { BEFORE_ALL } else { since_2000 })
    }

    /// Whether a column holds this instant exactly.
    pub(super) fn holds(instant: Timestamp) -> bool {
        Self::cut(instant).timestamp().is_ok_and(|cut| cut == instant)
    }

    /// The instant again.
    pub(super) fn timestamp(self) -> Result<Timestamp> {
        self.0
            .checked_add(EPOCH)
            .filter(|_| self.0 != BEFORE_ALL)
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a column holds an instant beyond all calendars"))
    }
}

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        // Of `timestamptz`, in every PostgreSQL.
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        // Of `timestamptz[]`.
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Instant {
    fn decode(value: PgValueRef<'_>) -> std::result::Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(i64::from_be_bytes(value.as_bytes()?.try_into()?))),
            PgValueFormat::Text => Err("an instant came as text".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_column_holds_comes_back_and_what_it_does_not_is_known(
            second in Timestamp::MIN.as_second() + 1..Timestamp::MAX.as_second(),
            nanosecond in prop_oneof![Just(0), (0..1_000_000).prop_map(|micros| micros * 1000), 0..1_000_000_000_i32],
        ) {
            let instant = Timestamp::new(second, nanosecond).unwrap();
            let micros = instant.subsec_nanosecond() % 1000 == 0;
            let late = instant.as_microsecond() - EPOCH >= FIRST;
            prop_assert_eq!(Instant::holds(instant), micros && late);
            if late {
                let off = Instant::cut(instant).timestamp().unwrap().as_nanosecond() - instant.as_nanosecond();
                prop_assert!(off.abs() < 1000);
            }
        }
    }

    #[test]
    fn infinity_is_no_instant() {
        assert!(Instant(BEFORE_ALL).timestamp().is_err());
        assert!(Instant(i64::MAX).timestamp().is_err());
    }
}
