//! Numbers as the REST resources write them, from how they stand in CSV.

use std::borrow::Cow;

/// What has a larger exponent is no number of Salesforce's.
const MAX_EXPONENT: i64 = 40;

/// A number as REST writes it: plain digits, at least one behind the point, `1.6E13` as `16000000000000.0`. None when the
/// text is no number.
pub(super) fn decimal(text: &str) -> Option<Cow<'_, str>> {
    let number = Number::read(text)?;
    let fraction = number.fraction;
    let shortest = fraction.len() == 1 || (!fraction.is_empty() && !fraction.ends_with('0'));
    Some(if shortest && number.is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(number.plain()) })
}

/// A whole number as REST writes it: `5` for `5`, `5.0` and `5E0`. What is not whole is written as a decimal; none when the
/// text is no number.
pub(super) fn whole(text: &str) -> Option<Cow<'_, str>> {
    let number = Number::read(text)?;
    if number.is_plain(text) && number.fraction.is_empty() {
        return Some(Cow::Borrowed(text));
    }
    let plain = number.plain();
    Some(Cow::Owned(plain.strip_suffix(".0").map(str::to_owned).unwrap_or(plain)))
}

/// The parts of a number in text.
struct Number<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

impl<'t> Number<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent): (&str, i64) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (unsigned, 0),
        };
        if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let some = !(whole.is_empty() && fraction.is_empty());
        (some && digits(whole) && digits(fraction)).then_some(Self { negative, whole, fraction, exponent })
    }

    /// Whether the text itself is a JSON number without an exponent.
    fn is_plain(&self, text: &str) -> bool {
        let strange = text.contains(['e', 'E']) || text.starts_with('+') || text.ends_with('.');
        let padded = self.whole.len() > 1 && self.whole.starts_with('0');
        !strange && !padded && !self.whole.is_empty()
    }

    fn plain(&self) -> String {
        let digits = format!("{}{}", self.whole, self.fraction);
        // Where the point stands among the digits; before or behind all of them there are zeros.
        let point = i64::try_from(self.whole.len()).unwrap_or(0) + self.exponent;
        let count = i64::try_from(digits.len()).unwrap_or(0);
        let zeros = |number: i64| "0".repeat(usize::try_from(number).unwrap_or(0));
        let padded = format!("{}{digits}{}", zeros(-point), zeros(point - count));
        let (whole, fraction) = padded.split_at(usize::try_from(point.max(0)).unwrap_or(0).min(padded.len()));
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.negative { "-" } else { "" };
        let or_zero = |part: &str| if part.is_empty() { "0".to_owned() } else { part.to_owned() };
        format!("{sign}{}.{}", or_zero(whole), or_zero(fraction))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn numbers_of_csv_become_those_of_rest() {
        for (csv, rest) in [
            ("1.6147805824397E13", "16147805824397.0"),
            ("8.0E7", "80000000.0"),
            ("-1.2E-4", "-0.00012"),
            ("3.00E+07", "30000000.0"),
            ("1000.0", "1000.0"),
            ("1000.10", "1000.1"),
            ("1000", "1000.0"),
            ("0.0", "0.0"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("007", "7.0"),
            ("12345678901234567.89", "12345678901234567.89"),
        ] {
            assert_eq!(decimal(csv).as_deref(), Some(rest), "{csv}");
        }
        for (csv, rest) in
            [("5", "5"), ("5.0", "5"), ("5E0", "5"), ("-0", "-0"), ("1.5", "1.5"), ("2E3", "2000")]
        {
            assert_eq!(whole(csv).as_deref(), Some(rest), "{csv}");
        }
        for text in ["", "-", ".", "NA", "NaN", "1,5", "1.2.3", "E5", "1E", "1E99", "0x1", " 1"] {
            assert_eq!((decimal(text), whole(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(n in any::<i64>(), scale in 0_u32..=15, exponent in -6_i32..6) {
            let mantissa = Decimal::from_i128_with_scale(n.into(), scale);
            let text = format!("{mantissa}E{exponent}");
            let expected = Decimal::from_scientific(&text);
            prop_assume!(expected.is_ok());
            let written = decimal(&text).unwrap();
            let back: Decimal = written.parse().unwrap();
            prop_assert_eq!(back, expected.unwrap(), "{}", written);
            prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&written).is_ok());
        }

        #[test]
        fn any_text_is_a_json_number_or_none(text in "[-+0-9.eE]{0,12}|.{0,6}") {
            for number in [decimal(&text), whole(&text)].into_iter().flatten() {
                prop_assert!(serde_json::from_str::<serde_json::Number>(&number).is_ok(), "{}", number);
            }
        }
    }
}
