//! Finding contacts, leads and accounts by phone, e-mail or text, in two calls mostly.
//!
//! Salesforce's search engine knows words, not numbers: it is asked for the spellings of a number and names candidates,
//! and only those whose number is the same in its normal form count. What it does not know, because a record is seconds
//! old or its number is written in an unusual way, a query finds that looks at the digits alone.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use unicrm_core::{Error, ErrorKind, Next, ObjectKind, Page, Result, Row, SearchQuery, SearchRequest, Usage};
use unicrm_phone::{Phone, Region};

use crate::api::{Client, Condition, Describe, FieldType, Hit, Literal, MOST_RECORDS, Sosl, Within};
use crate::error::Code;
use crate::read::source::Source;
use crate::read::{Reader, Wanted, is_hidden, unavailable};

/// Records of one object that a search names, so that it can be said how many there are.
const CANDIDATES: u32 = 200;
/// The last digits of a number, which every notation of it shows in this order.
const TAIL: usize = 7;

/// Searches an org.
#[derive(Debug)]
pub(crate) struct Searcher<'c> {
    pub(crate) client: &'c Client,
    pub(crate) reader: &'c Reader,
    /// The country of numbers without a country code.
    pub(crate) region: Region,
}

/// An object that is searched.
struct Place {
    source: Source,
    describe: Arc<Describe>,
}

impl Place {
    /// The fields of a type that hold what is looked for.
    fn fields(&self, ty: &FieldType) -> Vec<&str> {
        let fields = self.describe.fields.iter().filter(|field| field.field_type == *ty);
        fields.map(|field| field.name.as_str()).collect()
    }

    /// The condition that one of the fields of a type meets; none where there is no such field.
    fn any(&self, ty: &FieldType, condition: impl Fn(&str) -> Condition) -> Option<Condition> {
        let fields = self.describe.fields.iter().filter(|field| field.field_type == *ty && field.filterable);
        let conditions: Vec<Condition> = fields.map(|field| condition(&field.name)).collect();
        (!conditions.is_empty()).then(|| Condition::or(conditions))
    }
}

/// What Salesforce says of a field or an object that this user does not see any more.
const GONE: [Code; 2] = [Code::InvalidField, Code::InvalidType];

impl Searcher<'_> {
    /// One page with all that was found, at most as many rows as asked for; its count is how many there would be.
    pub(crate) async fn search(&self, request: &SearchRequest) -> Result<Page> {
        let mut usage = Usage::default();
        let found = match self.once(&mut usage, request).await {
            // A field or an object is gone since it was described.
            Err(error)
                if error.remote_code().is_some_and(|code| GONE.iter().any(|gone| gone.as_str() == code)) =>
            {
                let sources = request.kinds.iter().flat_map(|kind| Source::of(*kind));
                sources.for_each(|source| self.client.forget_describe(source.sobject()));
                self.once(&mut usage, request).await?
            }
            outcome => outcome?,
        };
        Ok(Page::new(found.rows, Next::End(None)).with_count(found.count as u64).with_usage(usage))
    }

    async fn once(&self, usage: &mut Usage, request: &SearchRequest) -> Result<Found> {
        let most = request.limit.min(MOST_RECORDS) as usize;
        let places = self.places(usage, &request.kinds).await?;
        match &request.query {
            _ if most == 0 || places.is_empty() => Ok(Found::default()),
            SearchQuery::Phone(text) => self.phone(usage, &places, text, most).await,
            SearchQuery::Email(text) => self.email(usage, &places, text, most).await,
            SearchQuery::Text(text) => self.text(usage, &places, text, most).await,
            _ => Err(Error::new(ErrorKind::Unsupported, "Salesforce is not searched in this way")),
        }
    }

    /// The objects that this user sees. One that is hidden is left out, unless nothing else is asked for.
    async fn places(&self, usage: &mut Usage, kinds: &[ObjectKind]) -> Result<Vec<Place>> {
        let mut sources: Vec<Source> = Vec::new();
        for source in kinds.iter().flat_map(|kind| Source::of(*kind)) {
            if !sources.contains(source) {
                sources.push(*source);
            }
        }
        let sobjects: Vec<&str> = sources.iter().map(|source| source.sobject()).collect();
        let describes = self.client.describe_many(usage, &sobjects).await?;
        let mut places = Vec::with_capacity(sources.len());
        let mut hidden = None;
        for (source, describe) in sources.into_iter().zip(describes) {
            match describe {
                Ok(describe) => places.push(Place { source, describe }),
                Err(fault) if is_hidden(&fault) => {
                    tracing::warn!(
                        object = source.sobject(),
                        "this user does not see the object: it is not searched"
                    );
                    hidden = Some(unavailable(source));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        match hidden {
            Some(error) if places.is_empty() => Err(error),
            _ => Ok(places),
        }
    }

    async fn phone(&self, usage: &mut Usage, places: &[Place], text: &str, most: usize) -> Result<Found> {
        let phone = Phone::parse(text, self.region)
            .ok_or_else(|| unfit("a phone number has three digits at least, such as +1 415 555 0100"))?;
        let is_it = |text: &String| Phone::all_in(text, self.region).any(|other| other == phone);
        let candidates = CANDIDATES.max(most as u32);
        let mut sosl = Sosl::any(phone.spellings(), Within::Phone);
        let with_phones = places.iter().filter(|place| !place.fields(&FieldType::Phone).is_empty());
        for place in with_phones.clone() {
            let fields = ["Id"].into_iter().chain(place.fields(&FieldType::Phone));
            sosl = sosl.returning(place.source.sobject(), fields, candidates);
        }
        if with_phones.count() == 0 {
            return Ok(Found::default());
        }
        let mut hits = self.client.search(usage, &sosl).await?;
        hits.retain(|hit| hit.texts.iter().any(is_it));
        if !hits.is_empty() {
            return self.whole(usage, places, &hits, most).await;
        }
        let digits = phone.national_digits();
        let tail: Vec<String> =
            digits.chars().skip(digits.len().saturating_sub(TAIL)).map(String::from).collect();
        let (asked, wanted): (Vec<&Place>, Vec<Wanted>) = places
            .iter()
            .filter_map(|place| {
                let condition =
                    place.any(&FieldType::Phone, |field| Condition::in_order(field, tail.clone()))?;
                Some((place, Wanted { source: place.source, condition, limit: candidates }))
            })
            .unzip();
        let mut lists = match self.reader.matching(usage, &wanted).await {
            // In an org of many millions no query looks into every number; what the search engine said stands.
            Err(error) if error.remote_code() == Some(Code::QueryTimeout.as_str()) => {
                tracing::warn!(
                    "the org is too large for a look at every phone number; its search found none"
                );
                Vec::new()
            }
            outcome => outcome?,
        };
        for (place, rows) in asked.into_iter().zip(&mut lists) {
            let fields = place.fields(&FieldType::Phone);
            rows.retain(|row| texts(row, &fields).iter().any(is_it));
        }
        Ok(Found::of(lists, most))
    }

    async fn email(&self, usage: &mut Usage, places: &[Place], text: &str, most: usize) -> Result<Found> {
        let address = text.trim();
        if address.split('@').filter(|part| !part.is_empty()).count() < 2 {
            return Err(unfit("an e-mail address is such as ada@example.com")
                .with_advice("to look for a part of an address, search by text"));
        }
        let wanted = |place: &Place| {
            let condition =
                place.any(&FieldType::Email, |field| Condition::eq(field, Literal::text(address)))?;
            Some(Wanted { source: place.source, condition, limit: most as u32 })
        };
        let wanted: Vec<Wanted> = places.iter().filter_map(wanted).collect();
        Ok(Found::of(self.reader.matching(usage, &wanted).await?, most))
    }

    async fn text(&self, usage: &mut Usage, places: &[Place], text: &str, most: usize) -> Result<Found> {
        let mut sosl = Sosl::words(text, Within::All);
        for place in places {
            sosl = sosl.returning(place.source.sobject(), ["Id"], CANDIDATES.max(most as u32));
        }
        let hits = self.client.search(usage, &sosl).await?;
        self.whole(usage, places, &hits, most).await
    }

    /// The whole records behind the hits of a search, in their order; those that are gone meanwhile are left out.
    async fn whole(&self, usage: &mut Usage, places: &[Place], hits: &[Hit], most: usize) -> Result<Found> {
        let count = hits.len();
        let of = |place: &Place| -> Vec<String> {
            let own = hits.iter().filter(|hit| hit.sobject.eq_ignore_ascii_case(place.source.sobject()));
            own.map(|hit| hit.id.clone()).collect()
        };
        let mut ids: Vec<Vec<String>> = places.iter().map(of).collect();
        share(&mut ids, most);
        let wanted: Vec<Wanted> = places
            .iter()
            .zip(&ids)
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(place, ids)| Wanted {
                source: place.source,
                condition: Condition::in_("Id", ids.iter().map(|id| Literal::id(id.as_str()))),
                limit: MOST_RECORDS,
            })
            .collect();
        let mut lists = self.reader.matching(usage, &wanted).await?;
        let order: HashMap<&str, usize> =
            ids.iter().flatten().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let place = |row: &Row| row.remote_id().and_then(|id| order.get(id.as_str()).copied());
        lists.iter_mut().for_each(|rows| rows.sort_by_key(place));
        Ok(Found { count, ..Found::of(lists, most) })
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<Row>,
    /// How many there are, the rows that are too many included.
    count: usize,
}

impl Found {
    fn of(mut lists: Vec<Vec<Row>>, most: usize) -> Self {
        let count = lists.iter().map(Vec::len).sum();
        share(&mut lists, most);
        Self { rows: lists.into_iter().flatten().collect(), count }
    }
}

/// Cuts lists to so many elements in all: each gives up the same, and a short one leaves room to the others.
fn share<T>(lists: &mut [Vec<T>], most: usize) {
    let mut shares = vec![0; lists.len()];
    let mut left = most;
    while left > 0 {
        let hungry: Vec<usize> = (0..lists.len()).filter(|&at| shares[at] < lists[at].len()).collect();
        let Some(each) = left.checked_div(hungry.len()) else { break };
        for at in hungry {
            let more = each.max(1).min(lists[at].len() - shares[at]).min(left);
            shares[at] += more;
            left -= more;
        }
    }
    for (list, share) in lists.iter_mut().zip(shares) {
        list.truncate(share);
    }
}

/// The texts in some cells of a row as it came.
fn texts(row: &Row, fields: &[&str]) -> Vec<String> {
    let Row::Live(live) = row else { return Vec::new() };
    let cells = live
        .raw
        .pieces()
        .next()
        .and_then(|(_, json)| serde_json::from_str::<HashMap<String, Box<RawValue>>>(json).ok());
    let cells = cells.unwrap_or_default();
    let text = |field: &&str| serde_json::from_str(cells.get(*field)?.get()).ok();
    fields.iter().filter_map(text).collect()
}

fn unfit(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("/query", "cannot be searched for")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_are_cut_fairly(lengths in proptest::collection::vec(0_usize..30, 0..4), most in 0_usize..50) {
            let mut lists: Vec<Vec<usize>> = lengths.iter().map(|length| (0..*length).collect()).collect();
            share(&mut lists, most);
            let kept: Vec<usize> = lists.iter().map(Vec::len).collect();
            prop_assert_eq!(kept.iter().sum::<usize>(), most.min(lengths.iter().sum()));
            // Whoever was cut has no less than the others, but for the rest of a division.
            let longest = kept.iter().max().copied().unwrap_or(0);
            for (kept, length) in kept.iter().zip(&lengths) {
                prop_assert!(kept == length || *kept + 1 >= longest, "{} of {}", kept, length);
            }
            prop_assert!(lists.iter().all(|list| list.iter().enumerate().all(|(at, value)| at == *value)));
        }
    }
}
