//! What a record is found by: its numbers, its addresses and the words of its names, as keys that are compared letter by
//! letter. The same for every database.

use unicrm_core::{
    EmailAddress, Error, ErrorKind, ObjectKind, PhoneNumber, Record, Result, SearchQuery, SearchRequest,
};
use unicrm_phone::{Phone, Region};

use crate::StoredRecord;

/// The objects that are found by phone, e-mail or text.
pub(crate) const SEARCHED: [ObjectKind; 3] = [ObjectKind::Account, ObjectKind::Contact, ObjectKind::Lead];

/// Most records of one answer.
pub(crate) const MOST: u32 = 2_000;
/// Letters and digits that a text must have at least, as at the remote.
const FEWEST: usize = 2;
/// What is longer is cut: nobody types so much of a word.
const LONGEST: usize = 100;

/// Appends the keys of a record, with a space between; false for objects that are not searched.
///
/// A number begins with `+`, or with `#` where it is that of no country; an address holds an `@`; everything else is a
/// word of a name. So no key of one sort is ever one of another.
pub(crate) fn push_keys(record: &Record, region: Region, keys: &mut String) -> bool {
    let (names, addresses, numbers): (&[&Option<String>], &[EmailAddress], &[PhoneNumber]) = match record {
        Record::Account(account) => (&[&account.name], &[], &account.phone_numbers),
        Record::Contact(contact) => {
            (&[&contact.first_name, &contact.last_name], &contact.email_addresses, &contact.phone_numbers)
        }
        Record::Lead(lead) => {
            (&[&lead.first_name, &lead.last_name, &lead.company], &lead.email_addresses, &lead.phone_numbers)
        }
        _ => return false,
    };
    let mut push = |key: &str| {
        if !keys.is_empty() {
            keys.push(' ');
        }
        keys.push_str(key);
    };
    names.iter().filter_map(|name| name.as_deref()).for_each(|name| words(name, &mut push));
    let addresses = addresses.iter().filter_map(|address| address.email_address.as_deref());
    addresses.filter_map(email_key).for_each(|key| push(&key));
    let numbers = numbers.iter().filter_map(|number| number.phone_number.as_deref());
    numbers.flat_map(|number| Phone::all_in(number, region)).for_each(|phone| push(&phone_key(&phone)));
    true
}

/// Which keys a record must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// This one.
    Key(String),
    /// For each of these one that begins so.
    Beginnings(Vec<String>),
}

impl Wanted {
    /// What is looked for, or an error that says what is wrong with it.
    pub(crate) fn of(query: &SearchQuery, region: Region) -> Result<Self> {
        let unfit = |message| {
            Error::new(ErrorKind::InvalidRequest, message).with_field("/query", "cannot be searched for")
        };
        match query {
            SearchQuery::Phone(text) => Phone::parse(text, region)
                .map(|phone| Self::Key(phone_key(&phone)))
                .ok_or_else(|| unfit("a phone number has three digits at least, such as +1 415 555 0100")),
            SearchQuery::Email(text) => email_key(text).map(Self::Key).ok_or_else(|| {
                unfit("an e-mail address is such as ada@example.com")
                    .with_advice("to look for a part of a name, search by text")
            }),
            SearchQuery::Text(text) => {
                let mut beginnings = Vec::new();
                words(text, |word| beginnings.push(word.to_owned()));
                let letters: usize = beginnings.iter().map(|word| word.chars().count()).sum();
                match letters < FEWEST {
                    true => Err(unfit("a search needs 2 letters or digits at least")),
                    false => Ok(Self::Beginnings(beginnings)),
                }
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "the store is not searched in this way")),
        }
    }
}

/// Whether a record that has the key is what was looked for: the key of an address leaves out what no address should have.
pub(crate) fn is_meant(query: &SearchQuery, record: &Record) -> bool {
    let addresses = match record {
        Record::Contact(contact) => &contact.email_addresses[..],
        Record::Lead(lead) => &lead.email_addresses[..],
        _ => &[],
    };
    match query {
        SearchQuery::Email(wanted) => {
            let wanted = wanted.trim().to_lowercase();
            let mut own = addresses.iter().filter_map(|address| address.email_address.as_deref());
            own.any(|address| address.trim().to_lowercase() == wanted)
        }
        _ => true,
    }
}

/// Puts what was found together, object by object, at most as many as asked for: each object has the same share, and one
/// with few records leaves room to the others.
pub(crate) fn share(found: Vec<Vec<StoredRecord>>, request: &SearchRequest) -> Vec<StoredRecord> {
    let most = request.limit.min(MOST) as usize;
    let mut lists: Vec<_> = found.into_iter().map(Vec::into_iter).collect();
    let mut shared = Vec::new();
    loop {
        let before = shared.len();
        for (place, list) in lists.iter_mut().enumerate() {
            if shared.len() < most {
                shared.extend(list.next().map(|record| (place, record)));
            }
        }
        if shared.len() == before {
            break;
        }
    }
    shared.sort_by_key(|(place, _)| *place);
    shared.into_iter().map(|(_, record)| record).collect()
}

fn phone_key(phone: &Phone) -> String {
    if phone.key().starts_with('+') { phone.key().to_owned() } else { format!("#{}", phone.key()) }
}

/// An address in lower case. Characters that would end a key, or that a database may not hold, are one and the same.
fn email_key(address: &str) -> Option<String> {
    let address = address.trim();
    if address.split('@').filter(|part| !part.is_empty()).count() < 2 {
        return None;
    }
    let plain = |c: char| {
        let divides = c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\');
        if divides { '_' } else { c }
    };
    Some(address.to_lowercase().chars().take(LONGEST).map(plain).collect())
}

/// The words of a text in lower case.
fn words(text: &str, mut each: impl FnMut(&str)) {
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word: String = word.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
        each(&word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicrm_core::{Contact, Lead, Stage};

    use super::*;

    fn keys(record: impl Into<Record>) -> String {
        let mut keys = String::new();
        push_keys(&record.into(), Region::default(), &mut keys);
        keys
    }

    #[test]
    fn a_record_has_words_addresses_and_numbers() {
        let mut contact = Contact::default();
        contact.first_name = Some("Anne-Marie".to_owned());
        contact.last_name = Some("O'Neil".to_owned());
        contact.email_addresses =
            ["A.ONeil@Example.com", "nobody", ""].map(|text| EmailAddress::new(text, "Work")).to_vec();
        contact.phone_numbers =
            ["(415) 555-0100 x7", "+999 1234", "n/a"].map(|text| PhoneNumber::new(text, "Work")).to_vec();
        assert_eq!(keys(contact), "anne marie o neil a.oneil@example.com +14155550100 #9991234");
        let mut lead = Lead::default();
        lead.company = Some("Élan & Co".to_owned());
        assert_eq!(keys(lead), "élan co");
        assert!(!push_keys(&Stage::default().into(), Region::default(), &mut String::new()));
    }

    #[test]
    fn what_cannot_be_searched_for_is_an_error_that_says_why() {
        for (query, why) in [
            (SearchQuery::Phone("Bob".to_owned()), "three digits"),
            (SearchQuery::Email("bob".to_owned()), "such as"),
            (SearchQuery::Email("@example.com".to_owned()), "such as"),
            (SearchQuery::Text("a &".to_owned()), "2 letters"),
        ] {
            let error = Wanted::of(&query, Region::default()).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidRequest && error.message().contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_record_has_the_keys_of_all_that_it_holds(name in any::<String>(), address in any::<String>(), number in "[-+0-9 x./]{0,20}") {
            let mut contact = Contact::default();
            contact.last_name = Some(name.clone());
            contact.email_addresses = vec![EmailAddress::new(address.clone(), "Work")];
            contact.phone_numbers = vec![PhoneNumber::new(number.clone(), "Work")];
            let all = keys(contact.clone());
            let own: Vec<&str> = all.split(' ').filter(|key| !key.is_empty()).collect();
            for query in [SearchQuery::Text(name), SearchQuery::Email(address)] {
                match Wanted::of(&query, Region::default()) {
                    Ok(Wanted::Key(key)) => prop_assert!(own.contains(&&*key), "{} in {}", key, all),
                    Ok(Wanted::Beginnings(words)) => prop_assert!(words.iter().all(|word| own.contains(&&**word)), "{:?} in {}", words, all),
                    Err(_) => {}
                }
                prop_assert!(is_meant(&query, &contact.clone().into()));
            }
            for phone in Phone::all_in(&number, Region::default()) {
                prop_assert!(own.contains(&&*phone_key(&phone)), "{} in {}", phone.key(), all);
            }
        }
    }
}
