//! Draws for one record: the same seed, kind and number give the same values, whatever was drawn before.

use fake::Fake as _;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The kinds of draws, so that the n-th contact and the n-th lead differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User = 1,
    Account,
    Contact,
    Lead,
    Opportunity,
    Campaign,
    Case,
    Product,
    Task,
    Call,
    Email,
    ListEmail,
    Event,
    Note,
    ContentNote,
    ActivityDate,
}

/// Languages of names, companies and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locale {
    English,
    German,
    French,
    Japanese,
    Chinese,
    Portuguese,
    Turkish,
    Arabic,
}

/// The random source of one record.
#[derive(Debug)]
pub(crate) struct Draw {
    rng: ChaCha8Rng,
}

macro_rules! localised {
    ($locale:expr, $rng:expr, $module:ident :: $faker:ident) => {{
        use fake::faker::$module as f;
        match $locale {
            Locale::English => f::en::$faker().fake_with_rng::<String, _>($rng),
            Locale::German => f::de_de::$faker().fake_with_rng::<String, _>($rng),
            Locale::French => f::fr_fr::$faker().fake_with_rng::<String, _>($rng),
            Locale::Japanese => f::ja_jp::$faker().fake_with_rng::<String, _>($rng),
            Locale::Chinese => f::zh_cn::$faker().fake_with_rng::<String, _>($rng),
            Locale::Portuguese => f::pt_br::$faker().fake_with_rng::<String, _>($rng),
            Locale::Turkish => f::tr_tr::$faker().fake_with_rng::<String, _>($rng),
            Locale::Arabic => f::ar_sa::$faker().fake_with_rng::<String, _>($rng),
        }
    }};
}

impl Draw {
    /// The source of the `n`-th record of a kind.
    pub(crate) fn new(seed: u64, kind: Kind, n: u64) -> Self {
        let mixed = mix(seed ^ mix((kind as u64) << 48 ^ n));
        Self { rng: ChaCha8Rng::seed_from_u64(mixed) }
    }

    /// A number of `low..high`.
    pub(crate) fn number(&mut self, low: i64, high: i64) -> i64 {
        if low < high { self.rng.random_range(low..high) } else { low }
    }

    /// True in `percent` of a hundred draws.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// One of these.
    pub(crate) fn pick(&mut self, from: &'static [&'static str]) -> &'static str {
        let index = self.rng.random_range(0..from.len().max(1));
        from.get(index).copied().unwrap_or_default()
    }

    /// A language: English mostly.
    pub(crate) fn locale(&mut self) -> Locale {
        match self.rng.random_range(0..100) {
            0..70 => Locale::English,
            70..79 => Locale::German,
            79..87 => Locale::French,
            87..91 => Locale::Japanese,
            91..94 => Locale::Chinese,
            94..97 => Locale::Portuguese,
            97..99 => Locale::Turkish,
            _ => Locale::Arabic,
        }
    }

    /// A given name.
    pub(crate) fn first_name(&mut self, locale: Locale) -> String {
        localised!(locale, &mut self.rng, name::FirstName)
    }

    /// A family name.
    pub(crate) fn last_name(&mut self, locale: Locale) -> String {
        localised!(locale, &mut self.rng, name::LastName)
    }

    /// A company.
    pub(crate) fn company(&mut self, locale: Locale) -> String {
        localised!(locale, &mut self.rng, company::CompanyName)
    }

    /// A town.
    pub(crate) fn city(&mut self, locale: Locale) -> String {
        localised!(locale, &mut self.rng, address::CityName)
    }

    /// A street without a number.
    pub(crate) fn street(&mut self, locale: Locale) -> String {
        localised!(locale, &mut self.rng, address::StreetName)
    }

    /// A job.
    pub(crate) fn job(&mut self) -> String {
        fake::faker::job::en::Title().fake_with_rng(&mut self.rng)
    }

    /// A state of the United States.
    pub(crate) fn us_state(&mut self) -> (&'static str, &'static str) {
        let index = self.rng.random_range(0..super::address::STATES.len());
        super::address::STATES.get(index).copied().unwrap_or(("CA", "California"))
    }

    /// What a company says of itself.
    pub(crate) fn slogan(&mut self) -> String {
        fake::faker::company::en::CatchPhrase().fake_with_rng(&mut self.rng)
    }

    /// What a company does.
    pub(crate) fn project(&mut self) -> String {
        let noun: String = fake::faker::company::en::BsNoun().fake_with_rng(&mut self.rng);
        let adjective: String = fake::faker::company::en::BsAdj().fake_with_rng(&mut self.rng);
        format!("{adjective} {noun}")
    }

    /// A sentence.
    pub(crate) fn sentence(&mut self) -> String {
        fake::faker::lorem::en::Sentence(4..12).fake_with_rng(&mut self.rng)
    }

    /// Some sentences, of which some paragraphs.
    pub(crate) fn paragraphs(&mut self, count: i64) -> String {
        (0..count)
            .map(|_| fake::faker::lorem::en::Paragraph(2..5).fake_with_rng::<String, _>(&mut self.rng))
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// An address under a domain that is kept for examples, told apart by the record's number.
    pub(crate) fn email(&mut self, n: u64) -> String {
        let user: String = fake::faker::internet::en::Username().fake_with_rng(&mut self.rng);
        let user: String =
            user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')).collect();
        let domain = self.pick(&["example.com", "example.net", "example.org"]);
        format!("{}.{n}@{domain}", user.to_lowercase())
    }

    /// A phone number in one of the many ways in which people write them.
    pub(crate) fn phone(&mut self, locale: Locale) -> String {
        let mut digits = |count: u32| {
            let high = 10_i64.pow(count);
            self.rng.random_range(high / 10..high)
        };
        let (a, b, c) = (digits(3).clamp(201, 989), digits(3).clamp(200, 999), digits(4));
        match locale {
            Locale::German => format!("+49 {} {}", a % 90 + 30, b * 1000 + c % 1000),
            Locale::French => {
                format!("0{} {:02} {:02} {:02} {:02}", a % 5 + 1, a % 100, b % 100, c % 100, c / 100)
            }
            Locale::Japanese => format!("+81-{}-{c}-{}", a % 9 + 1, c + 11),
            Locale::Chinese => format!("+86 1{}{b}{c}", a % 90 + 30),
            Locale::Portuguese => format!("+55 ({}) 9{c}-{}", a % 80 + 11, 9999 - c % 8000),
            Locale::Turkish => format!("+90 ({a}) {b} {} {}", c / 100, c % 90 + 10),
            Locale::Arabic => format!("+9665{b}{c}"),
            Locale::English => match self.rng.random_range(0..6) {
                0 => format!("({a}) {b}-{c}"),
                1 => format!("+1 {a} {b} {c}"),
                2 => format!("{a}.{b}.{c}"),
                3 => format!("1-{a}-{b}-{c} x{}", c % 900 + 100),
                4 => format!("{a}{b}{c}"),
                _ => format!("{a}-{b}-{c}"),
            },
        }
    }
}

/// Text that trips careless readers: quotes, backslashes, markup, other scripts, emoji, combining marks, line breaks.
pub(crate) const TRICKY: [&str; 8] = [
    "\"Quoted\", it's 50% & <b>bold</b> \\ back\\slash",
    "Überprüfung: größer als ≥ 5 €, naïve façade",
    "会議の議題 🤝 打ち合わせ",
    "👩‍👩‍👧‍👦 family emoji, flag 🇨🇭, e\u{301} combining",
    "line one\nline two\r\nline three\ttabbed",
    "اجتماع المتابعة (RTL)",
    "comma,semicolon;pipe|equals=hash#",
    "{\"json\": [null, 1.50]} -- '; DROP TABLE x;",
];

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The instant of an epoch second; the epoch for one that no calendar has.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The day of an instant in UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
