//! Phone numbers in one normal form, so that any two notations of a number can be compared.
//!
//! People write `+1 (415) 555-0100`, `415.555.0100` and `(415) 555-0100 x12`, and mean one line. The search at a remote
//! and the search in the store take the same number for the same, because both ask here.
//!
//! ```
//! use unicrm_phone::{Phone, Region};
//! let called = Phone::parse("+1 (415) 555-0100", Region::default()).expect("a number");
//! for notation in ["4155550100", "415.555.0100", "(415) 555-0100 x12", "001 415 555 0100", "1-415-555-0100"] {
//!     let region = if notation.starts_with("00") { "DE".parse()? } else { Region::default() };
//!     assert_eq!(Phone::parse(notation, region), Some(called.clone()), "{notation}");
//! }
//! # Ok::<_, unicrm_core::Error>(())
//! ```

mod region;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};

pub use region::Region;

/// Digits that a text must have at least to be looked for: shorter ones would match half a phone book.
const FEWEST: usize = 3;
/// The longest text that is taken for a phone number; Salesforce's own fields hold 40 characters.
const LONGEST: usize = 250;
/// Digits of a number that stands beside another one in the same text.
const WHOLE: usize = 7;

/// A phone number. Two are equal when they reach the same line: country and number count, notation and extension do not.
#[derive(Clone, Debug)]
pub struct Phone {
    key: String,
    number: Option<PhoneNumber>,
}

impl Phone {
    /// Reads a number. One without the code of a country belongs to the region.
    ///
    /// A text that is no phone number of any country, such as an extension of the house, is kept as its digits and equal
    /// to texts with the same digits. None when there are fewer than three digits, or more than 250 characters.
    ///
    /// ```
    /// use unicrm_phone::{Phone, Region};
    /// let london = Phone::parse("020 7946 0000", "GB".parse()?).expect("a number");
    /// assert_eq!(london.key(), "+442079460000");
    /// assert_eq!(Phone::parse("ask Bob", Region::default()), None);
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    #[must_use]
    pub fn parse(text: &str, region: Region) -> Option<Self> {
        if text.len() > LONGEST || text.chars().filter(|c| c.is_numeric()).count() < FEWEST {
            return None;
        }
        if let Ok(number) = PHONE_NUMBER_UTIL.parse(text, Some(region.0)) {
            let key = number.format_as(PhoneNumberFormat::E164).into_owned();
            return Some(Self { key, number: Some(number) });
        }
        let digits = digits(text);
        (digits.len() >= FEWEST).then_some(Self { key: digits, number: None })
    }

    /// All numbers of a text: people put two into one field, with a slash, a comma, a semicolon or a line break between.
    ///
    /// ```
    /// use unicrm_phone::{Phone, Region};
    /// let both: Vec<_> = Phone::all_in("415-555-0100 / 415-555-0199", Region::default()).collect();
    /// assert_eq!(both.iter().map(Phone::key).collect::<Vec<_>>(), ["+14155550100", "+14155550199"]);
    /// ```
    pub fn all_in(text: &str, region: Region) -> impl Iterator<Item = Self> {
        let divides = |c: char| matches!(c, '/' | ',' | ';' | '|' | '\n');
        let whole = |part: &&str| part.bytes().filter(u8::is_ascii_digit).count() >= WHOLE;
        // A slash alone may also stand between area code and number.
        let several = text.contains(divides) && text.split(divides).filter(whole).count() > 1;
        let one = (!several).then_some(text);
        let many = several.then(|| text.split(divides).filter(move |part| whole(part)));
        one.into_iter().chain(many.into_iter().flatten()).filter_map(move |part| Self::parse(part, region))
    }

    /// The normal form: E.164 with its plus sign, or the bare digits of a text that is no number of any country.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The digits without the code of the country and without the prefix that is dialled within it.
    #[must_use]
    pub fn national_digits(&self) -> String {
        self.number.as_ref().map_or_else(|| self.key.clone(), PhoneNumber::get_national_significant_number)
    }

    /// The ways in which the number is usually written, as digits in groups: with and without country, divided and not.
    /// For search engines that know words and no numbers.
    ///
    /// ```
    /// use unicrm_phone::{Phone, Region};
    /// let phone = Phone::parse("4155550100", Region::default()).expect("a number");
    /// assert_eq!(phone.spellings(), ["4155550100", "14155550100", "415 5550100", "415 555 0100", "1 415 555 0100"]);
    /// ```
    #[must_use]
    pub fn spellings(&self) -> Vec<String> {
        let Some(number) = &self.number else { return vec![self.key.clone()] };
        let mut number = number.clone();
        number.extension = None;
        let national = groups(&number.format_as(PhoneNumberFormat::National));
        let international = groups(&number.format_as(PhoneNumberFormat::International));
        // The code of the area, and the rest in one piece.
        let halves = match national.split_once(' ') {
            Some((area, rest)) => format!("{area} {}", rest.replace(' ', "")),
            None => national.clone(),
        };
        let all = [
            self.national_digits(),
            digits(&self.key),
            national.replace(' ', ""),
            halves,
            national,
            international,
        ];
        let mut spellings: Vec<String> = Vec::with_capacity(all.len());
        for spelling in all {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
        spellings
    }
}

impl PartialEq for Phone {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Phone {}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The groups of digits of a text, with a space between.
fn groups(text: &str) -> String {
    let groups: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str, region: &str) -> Option<String> {
        Phone::parse(text, region.parse().expect("a region")).map(|phone| phone.key)
    }

    #[test]
    fn notations_of_one_number_are_equal() {
        for (region, expected, notations) in [
            (
                "US",
                "+14155550100",
                &[
                    "+1 (415) 555-0100",
                    "4155550100",
                    "415.555.0100",
                    "(415) 555-0100 x12",
                    "(415) 555-0100 ext. 12",
                    "1-415-555-0100",
                    "011 1 415 555 0100",
                    "tel:+1-415-555-0100",
                    " +14155550100 ",
                    "+1 415 555 0100;ext=7",
                    "４１５-５５５-０１００",
                ][..],
            ),
            (
                "GB",
                "+442079460000",
                &["020 7946 0000", "+44 (0)20 7946 0000", "0044 20 7946 0000", "(020) 79460000"],
            ),
            ("DE", "+4930123456", &["030/123456", "+49 30 123456", "0049-30-123456", "(030) 12 34 56"]),
            ("IT", "+390612345678", &["06 1234 5678", "+39 06 12345678"]),
            ("US", "+18003569377", &["1-800-FLOWERS", "(800) 356-9377"]),
        ] {
            for notation in notations {
                assert_eq!(key(notation, region).as_deref(), Some(expected), "{notation} in {region}");
            }
        }
    }

    #[test]
    fn other_numbers_are_others() {
        let called = key("+1 415 555 0100", "US");
        for other in
            ["+1 415 555 0101", "415 555 010", "+44 4155550100", "5550100", "0100", "+49 415 5550100"]
        {
            assert_ne!(key(other, "US"), called, "{other}");
        }
    }

    #[test]
    fn what_is_no_number_is_its_digits_or_nothing() {
        for (text, expected) in [
            ("", None),
            ("ask Bob", None),
            ("12", None),
            ("+", None),
            ("+999 123 4567", Some("9991234567")),
            (&"9".repeat(40), Some(&*"9".repeat(40))),
            (&"9".repeat(251), None),
        ] {
            assert_eq!(key(text, "US").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_slash_divides_numbers_or_belongs_to_one() {
        let all = |text: &str, region: &str| -> Vec<String> {
            Phone::all_in(text, region.parse().expect("a region")).map(|phone| phone.key).collect()
        };
        assert_eq!(all("030/123456", "DE"), ["+4930123456"]);
        assert_eq!(all("415-555-0100, 415-555-0199 x3", "US"), ["+14155550100", "+14155550199"]);
        assert_eq!(all("415-555-0100\n(415) 555-0199", "US"), ["+14155550100", "+14155550199"]);
        assert_eq!(all("n/a", "US"), [""; 0]);
    }

    #[test]
    fn spellings_are_groups_of_digits() {
        let spellings = |text: &str, region: &str| {
            Phone::parse(text, region.parse().expect("a region")).expect("a number").spellings()
        };
        assert_eq!(
            spellings("+44 20 7946 0000", "US"),
            ["2079460000", "442079460000", "02079460000", "020 79460000", "020 7946 0000", "44 20 7946 0000"]
        );
        assert_eq!(spellings("415 555 0100 x12", "US").last().map(String::as_str), Some("1 415 555 0100"));
        assert_eq!(spellings("+999 123 4567", "US"), ["9991234567"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>(), region in "[A-Z]{2}") {
            let region = region.parse().unwrap_or_default();
            for phone in Phone::all_in(&text, region) {
                let _spellings = phone.spellings();
                prop_assert!(phone.key().trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit()));
            }
        }

        #[test]
        fn texts_like_numbers_are_read_without_a_panic(text in "[-+0-9 ()./,;x#*a-cＡ０é]{0,40}") {
            for phone in Phone::all_in(&text, Region::default()) {
                // The normal form is a number of itself, whatever the region.
                if phone.key().starts_with('+') {
                    let again = Phone::parse(phone.key(), "DE".parse().expect("a region"));
                    prop_assert_eq!(again.as_ref().map(Phone::key), Some(phone.key()));
                }
                for spelling in phone.spellings() {
                    prop_assert!(spelling.bytes().all(|byte| byte.is_ascii_digit() || byte == b' '), "{}", spelling);
                }
            }
        }

        #[test]
        fn punctuation_never_changes_a_number(number in "[2-9][0-9]{2}[2-9][0-9]{6}", dividers in "[-. ()]{10}") {
            let noisy: String = number.chars().zip(dividers.chars()).flat_map(|(digit, divider)| [digit, divider]).collect();
            prop_assert_eq!(key(&noisy, "US"), key(&number, "US"), "{}", noisy);
        }
    }
}
