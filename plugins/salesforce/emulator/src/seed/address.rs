//! Postal addresses with the parts that records have.

use rust_decimal::Decimal;

use super::draw::{Draw, Locale};
use crate::org::Record;

/// One address.
#[derive(Debug)]
pub(crate) struct Address {
    street: String,
    city: String,
    state: Option<(&'static str, &'static str)>,
    postal_code: String,
    country: (&'static str, &'static str),
    position: Option<(Decimal, Decimal)>,
}

/// How the street is broken into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    One,
    LineFeed,
    CarriageReturn,
}

impl Address {
    /// An address of that language's country.
    pub(crate) fn draw(draw: &mut Draw, locale: Locale, lines: Lines) -> Self {
        let number = draw.number(1, 400);
        let name = draw.street(locale);
        let first = match locale {
            Locale::English | Locale::French => format!("{number} {name}"),
            _ => format!("{name} {number}"),
        };
        let floor = draw.number(1, 40);
        let street = match lines {
            Lines::One => first,
            Lines::LineFeed => format!("{first}\nFloor {floor}\nc/o Reception"),
            Lines::CarriageReturn => format!("{first}\r\nSuite {floor}00\r\nAttn: Accounts payable"),
        };
        let position = draw.chance(20).then(|| {
            (
                Decimal::new(draw.number(-60_000_000, 70_000_000), 6),
                Decimal::new(draw.number(-180_000_000, 180_000_000), 6),
            )
        });
        Self {
            street: clip(&street, 255),
            city: clip(&draw.city(locale), 40),
            state: (locale == Locale::English).then(|| draw.us_state()),
            postal_code: match locale {
                Locale::Japanese => format!("{}-{}", draw.number(100, 999), draw.number(1000, 9999)),
                Locale::Chinese => format!("{}", draw.number(100_000, 999_999)),
                // Leading zeros must live: New England has them.
                _ => format!("{:05}", draw.number(1001, 99_999)),
            },
            country: country(locale),
            position,
        }
    }

    /// Writes the parts under a prefix: `Mailing`, `Billing`, or none for Lead.
    pub(crate) fn write(self, record: &mut Record, prefix: &str, codes: bool) {
        let mut set = |part: &str, value: crate::org::Value| record.set(&format!("{prefix}{part}"), value);
        set("Street", self.street.into());
        set("City", self.city.into());
        set("PostalCode", self.postal_code.into());
        set("Country", self.country.0.into());
        set("State", self.state.map(|(_, name)| name).into());
        if codes {
            set("CountryCode", self.country.1.into());
            set("StateCode", self.state.map(|(code, _)| code).into());
        }
        if let Some((latitude, longitude)) = self.position {
            set("Latitude", latitude.into());
            set("Longitude", longitude.into());
            set("GeocodeAccuracy", "Address".into());
        }
    }
}

fn country(locale: Locale) -> (&'static str, &'static str) {
    match locale {
        Locale::English => ("United States", "US"),
        Locale::German => ("Germany", "DE"),
        Locale::French => ("France", "FR"),
        Locale::Japanese => ("Japan", "JP"),
        Locale::Chinese => ("China", "CN"),
        Locale::Portuguese => ("Brazil", "BR"),
        Locale::Turkish => ("Turkey", "TR"),
        Locale::Arabic => ("Saudi Arabia", "SA"),
    }
}

/// The first `max` characters.
pub(crate) fn clip(text: &str, max: usize) -> String {
    text.chars().take(max).collect::<String>().trim_end().to_owned()
}

/// States that drawn addresses lie in: code and name.
pub(crate) const STATES: [(&str, &str); 20] = [
    ("AZ", "Arizona"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("MA", "Massachusetts"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("NC", "North Carolina"),
    ("NJ", "New Jersey"),
    ("NY", "New York"),
    ("OH", "Ohio"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("TX", "Texas"),
    ("VA", "Virginia"),
    ("WA", "Washington"),
];
