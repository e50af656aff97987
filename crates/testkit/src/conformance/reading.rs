//! The cases of reading.

use std::collections::BTreeMap;

use futures::StreamExt;
use unicrm_core::{
    Capability, ConvertLead, ErrorKind, ExternalKey, FieldType, GoneReason, Next, ObjectKind, PageToken,
    Provider, ProviderExt, RawRequest, ReadPart, ReadRequest, Record, RecordPatch, RemoteId, Retry, Row,
    Scope, SearchQuery, SearchRequest, Shape, Value, Watermark, WriteOperation, compute_id,
};

use super::{Fault, Harness, SECRET, assert_unsupported, declaring, live_ids, read_all};

/// The provider's static description maps every object that it declares, each field once, by names that the object has.
pub async fn info_maps_every_object<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let info = provider.info();
    assert!(
        info.slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
        "{}",
        info.slug
    );
    for kind in declaring(&*provider, Capability::Read) {
        let mapping =
            info.mapping(kind).unwrap_or_else(|| panic!("{kind} is declared and has no field table"));
        assert!(!mapping.remote_objects.is_empty(), "{kind} has no remote object");
        let mut seen = BTreeMap::new();
        for field in mapping.fields {
            assert!(Record::has_field(kind, field.unified), "{kind} has no field {}", field.unified);
            assert!(seen.insert(field.unified, ()).is_none(), "{kind}.{} is mapped twice", field.unified);
        }
        assert!(seen.contains_key("remote_id"), "{kind} does not map its remote id");
    }
}

/// What is not declared answers `Unsupported`, for every object and every capability.
pub async fn undeclared_capabilities_answer_unsupported<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let mut refused = 0;
    for kind in ObjectKind::ALL {
        for capability in Capability::ALL {
            if provider.capabilities().allows(kind, capability) {
                continue;
            }
            refused += 1;
            let what = format!("{capability} of {kind}");
            let page = |part: ReadPart| provider.read_page(part);
            let write = |operation| provider.write_one(operation);
            let empty = RecordPatch::from_record(Record::empty(kind));
            match capability {
                Capability::Read => assert_unsupported(&what, page(ReadPart::all(kind)).await),
                Capability::ReadSince => {
                    assert_unsupported(
                        &what,
                        page(ReadPart::new(kind, Scope::Since(Watermark::new("0")))).await,
                    );
                }
                Capability::ReadByIds => {
                    assert_unsupported(
                        &what,
                        page(ReadPart::new(kind, Scope::Ids(vec![RemoteId::from("1")]))).await,
                    );
                }
                Capability::ReadIds => {
                    assert_unsupported(&what, page(ReadPart::all(kind).shape(Shape::Ids)).await)
                }
                Capability::Count => {
                    assert_unsupported(&what, page(ReadPart::all(kind).shape(Shape::Count)).await)
                }
                Capability::Describe => assert_unsupported(&what, provider.describe(kind).await),
                Capability::SearchPhone => {
                    let query = SearchQuery::Phone("+14155550100".to_owned());
                    assert_unsupported(&what, provider.search(SearchRequest::new(query).kinds([kind])).await);
                }
                Capability::SearchEmail => {
                    let query = SearchQuery::Email("a@b.example".to_owned());
                    assert_unsupported(&what, provider.search(SearchRequest::new(query).kinds([kind])).await);
                }
                Capability::SearchText => {
                    let query = SearchQuery::Text("klink".to_owned());
                    assert_unsupported(&what, provider.search(SearchRequest::new(query).kinds([kind])).await);
                }
                Capability::Create => assert_unsupported(&what, write(WriteOperation::create(empty)).await),
                Capability::Update => {
                    assert_unsupported(&what, write(WriteOperation::update("1", empty)).await)
                }
                Capability::Upsert => {
                    let key = ExternalKey::new("Key__c", "1");
                    assert_unsupported(&what, write(WriteOperation::upsert(key, empty)).await);
                }
                Capability::Delete => {
                    assert_unsupported(&what, write(WriteOperation::delete(kind, "1")).await)
                }
                // Only leads are converted: for other objects there is no request to refuse.
                Capability::Convert if kind != ObjectKind::Lead => {}
                Capability::Convert => {
                    assert_unsupported(&what, write(WriteOperation::Convert(ConvertLead::new("1"))).await);
                }
                Capability::Changes => {
                    let request = unicrm_core::ChangesRequest::new([kind]);
                    assert_unsupported(&what, provider.changes(request).await);
                }
                // What a reading shows of deletions is no request of its own; `deletions_are_shown` checks it.
                _ => {}
            }
        }
    }
    if !provider.capabilities().raw_requests() {
        refused += 1;
        assert_unsupported("a raw request", provider.send(RawRequest::new("GET", "/")).await);
    }
    assert!(refused > 0, "no remote can convert stages");
}

/// The access report says who we are and covers every object that can be read.
pub async fn access_says_who_and_what<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let access = provider.access().await.expect("an access report");
    assert!(!access.identity.user_id.is_empty() && !access.identity.username.is_empty());
    for kind in declaring(&*provider, Capability::Read) {
        let object =
            access.objects.get(&kind).unwrap_or_else(|| panic!("{kind} is not in the access report"));
        assert!(object.readable, "the harness connects a user who may read {kind}");
        assert!(object.fields.iter().any(|field| field.readable), "no readable field of {kind}");
    }
}

/// The schema of an object names every unified field that its field table takes from the remote.
pub async fn describe_names_every_mapped_field<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Describe) {
        let schema = provider.describe(kind).await.expect("a schema");
        assert_eq!(schema.kind, kind);
        assert!(!schema.fields.is_empty(), "{kind} has no field");
        let access = provider.access().await.expect("an access report");
        let readable = access.objects[&kind].fields.iter().filter(|field| field.readable);
        let from_remote = |name: &str| {
            let ours = ["id", "created_at", "modified_at", "remote_data", "remote_fields", "field_mappings"];
            !ours.contains(&name) && !name.ends_with("_url")
        };
        for field in readable.filter(|field| from_remote(&field.field) && !field.remote.is_empty()) {
            assert!(
                schema.fields.iter().any(|known| known.unified.as_deref() == Some(&field.field)),
                "{kind}.{} is readable and not in the schema",
                field.field
            );
        }
    }
}

/// A reading that ends has shown every record that the upstream has.
pub async fn read_shows_every_record_once_or_more<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Read) {
        let rows = read_all(&*provider, ReadPart::all(kind)).await;
        assert!(rows.iter().all(|row| !matches!(row, Row::Rejected { .. })), "{kind}: {rows:?}");
        let expected = harness.upstream().live_ids(kind).await;
        assert!(!expected.is_empty(), "the harness starts with some {kind}");
        assert_eq!(live_ids(&rows), expected, "{kind}");
    }
}

/// The size of the pages does not change what is read.
pub async fn pages_are_drained_whatever_their_size<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Read) {
        let expected = harness.upstream().live_ids(kind).await;
        for size in [1, 3, 10_000] {
            let rows = read_all(&*provider, ReadPart::all(kind).page_size(size)).await;
            assert_eq!(live_ids(&rows), expected, "{kind} in pages of {size}");
        }
    }
}

/// A page token is serialisable and good for a new connection.
pub async fn a_page_token_survives_a_restart<H: Harness>() {
    let harness = H::start().await;
    let mut provider = harness.provider();
    for kind in declaring(&*provider, Capability::Read) {
        let mut rows = Vec::new();
        let mut part = ReadPart::all(kind).page_size(2);
        loop {
            let page = provider.read_page(part.clone()).await.expect("a page");
            rows.extend(page.rows);
            let Next::More(token) = page.next else { break };
            let kept = serde_json::to_string(&token).expect("a serialisable token");
            let token: PageToken = serde_json::from_str(&kept).expect("the token again");
            part = part.after(token);
            provider = harness.reconnect().await;
        }
        assert_eq!(live_ids(&rows), harness.upstream().live_ids(kind).await, "{kind}");
    }
}

/// Unified ids are computed from linked account, kind and remote id, and so are those of references.
pub async fn ids_and_references_are_computed<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let account = harness.linked_account();
    let mut references = 0;
    for kind in declaring(&*provider, Capability::Read) {
        for row in read_all(&*provider, ReadPart::all(kind)).await {
            let Row::Live(row) = row else { continue };
            let remote_id = row.record.remote_id().expect("a remote id");
            assert_eq!(row.record.id(), Some(compute_id(account, kind, remote_id.as_str())));
            row.record.visit(&mut |field, value| {
                if let (FieldType::Reference(target), Some(Value::Reference { id, remote_id })) =
                    (field.ty, value)
                {
                    let remote_id =
                        remote_id.unwrap_or_else(|| panic!("{kind}.{} has no remote id", field.name));
                    assert_eq!(
                        id,
                        Some(compute_id(account, target, remote_id.as_str())),
                        "{kind}.{}",
                        field.name
                    );
                    references += 1;
                }
            });
        }
    }
    assert!(references > 0, "the harness has records that refer to others");
}

/// A live row brings what the remote sent, as JSON.
pub async fn the_raw_record_comes_along<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Read) {
        for row in read_all(&*provider, ReadPart::all(kind)).await {
            let Row::Live(row) = row else { continue };
            assert!(!row.raw.is_empty(), "{kind} {:?} has no raw record", row.record.remote_id());
            for (path, body) in row.raw.pieces() {
                assert!(!path.is_empty());
                assert!(unicrm_core::Json::parse(body).is_ok(), "{kind}: {body} is no JSON");
            }
        }
    }
}

/// A reading since a watermark shows what was made and changed after it.
pub async fn since_a_watermark_shows_what_changed<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::ReadSince) {
        let watermark = provider.read_to_end(ReadPart::all(kind)).await.expect("a reading");
        let watermark =
            watermark.unwrap_or_else(|| panic!("{kind} declares read_since and gives no watermark"));
        if !harness.upstream().takes(kind) {
            continue;
        }
        let touched = harness.upstream().touch(kind).await;
        let made = harness.upstream().insert(harness.sample(kind)).await;
        let changed = live_ids(&read_all(&*provider, ReadPart::new(kind, Scope::Since(watermark))).await);
        assert!(changed.contains(&touched), "{kind} {touched} was changed and is not shown");
        assert!(changed.contains(&made), "{kind} {made} was made and is not shown");
    }
}

/// A deleted record is shown as gone, by a reading since a watermark and by one of all records.
pub async fn deletions_are_shown<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Deletions) {
        let remote_id = harness.upstream().insert(harness.sample(kind)).await;
        let watermark = provider.read_to_end(ReadPart::all(kind)).await.expect("a reading");
        harness.upstream().delete(kind, &remote_id).await;
        let scopes = [Scope::All].into_iter().chain(watermark.map(Scope::Since));
        for scope in scopes {
            let rows = read_all(&*provider, ReadPart::new(kind, scope.clone())).await;
            let gone = rows.iter().find_map(|row| match row {
                Row::Gone(gone) if gone.remote_id == remote_id => Some(gone),
                _ => None,
            });
            let gone = gone
                .unwrap_or_else(|| panic!("{kind} {remote_id} was deleted and is not shown by {scope:?}"));
            assert_eq!(gone.reason, GoneReason::Deleted);
            assert!(!live_ids(&rows).contains(&remote_id));
        }
    }
}

/// Reading by ids answers for each id: with the record, or that it is gone.
pub async fn reading_by_ids_answers_for_each_id<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::ReadByIds) {
        let mut wanted: Vec<_> = harness.upstream().live_ids(kind).await.into_iter().take(3).collect();
        let known = wanted.clone();
        // An id of the right form that no record has: that of a record of another moment, deleted for good, is as good as any.
        let absent = absent_id(&known);
        wanted.push(absent.clone());
        let rows = read_all(&*provider, ReadPart::new(kind, Scope::Ids(wanted))).await;
        assert_eq!(live_ids(&rows), known.into_iter().collect(), "{kind}");
        assert!(
            rows.iter().any(|row| matches!(row, Row::Gone(gone) if gone.remote_id == absent)),
            "{kind} {absent} is not answered for"
        );
    }
}

/// An id of the same form as the known ones, that none of them is.
fn absent_id(known: &[RemoteId]) -> RemoteId {
    let model = known.first().map_or("1", RemoteId::as_str);
    let changed: String = model
        .char_indices()
        .map(|(i, c)| match c {
            // The middle of an id is a serial number everywhere; its ends may be a prefix or a checksum.
            '0'..='9' | 'a'..='z' | 'A'..='Z' if (5..12).contains(&i) => 'z',
            other => other,
        })
        .collect();
    if changed == model { RemoteId::from(format!("{model}-absent")) } else { RemoteId::from(changed) }
}

/// The ids shape shows the same records as the full shape.
pub async fn the_ids_shape_shows_the_same_records<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::ReadIds) {
        let rows = read_all(&*provider, ReadPart::all(kind).shape(Shape::Ids).page_size(3)).await;
        assert!(
            rows.iter().all(|row| !matches!(row, Row::Live(_))),
            "{kind}: whole records in the ids shape"
        );
        assert_eq!(live_ids(&rows), harness.upstream().live_ids(kind).await, "{kind}");
    }
}

/// The count is the number of live records, and brings no rows.
pub async fn the_count_is_the_number_of_live_records<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Count) {
        let page = provider.read_page(ReadPart::all(kind).shape(Shape::Count)).await.expect("a count");
        assert!(
            page.rows.is_empty() && page.next_token().is_none(),
            "{kind}: a count is one page without rows"
        );
        assert_eq!(page.count, Some(harness.upstream().live_ids(kind).await.len() as u64), "{kind}");
    }
}

/// Two readings with nothing in between give the same records.
pub async fn reading_twice_gives_the_same<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::Read) {
        let reading = |rows: Vec<Row>| -> BTreeMap<RemoteId, String> {
            rows.into_iter()
                .filter_map(|row| match row {
                    Row::Live(row) => Some((row.record.remote_id().cloned()?, row.record.to_json())),
                    _ => None,
                })
                .collect()
        };
        let first = reading(read_all(&*provider, ReadPart::all(kind)).await);
        let second = reading(read_all(&*provider, ReadPart::all(kind)).await);
        assert_eq!(first, second, "{kind}");
    }
}

/// A part that cannot be read fails alone.
pub async fn parts_are_independent<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let kind = ObjectKind::Contact;
    let broken = ReadPart::all(ObjectKind::Account).after(PageToken::new("this is no token"));
    let request = ReadRequest::new(broken).and(ReadPart::all(kind)).and(ReadPart::all(ObjectKind::User));
    let pages = provider.read(request).await.expect("a page of each part");
    assert_eq!(pages.len(), 3);
    let error = pages[0].as_ref().expect_err("a token that is none");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert!(pages[1].is_ok() && pages[2].is_ok());
}

/// Reads all contacts two a page, with a fault before the second page.
async fn read_over_a_fault<H: Harness>(fault: Fault) -> Option<(Result<Vec<Row>, unicrm_core::Error>, H)> {
    let harness = H::start().await;
    let provider = harness.provider();
    let mut pages = provider.pages(ReadPart::all(ObjectKind::Contact).page_size(2));
    let mut rows = pages.next().await.expect("a page").expect("a page without a fault").rows;
    if !harness.upstream().fail(fault).await {
        assert_no_wire(&*provider);
        return None;
    }
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => rows.extend(page.rows),
            Err(error) => {
                drop(pages);
                return Some((Err(error), harness));
            }
        }
    }
    drop(pages);
    Some((Ok(rows), harness))
}

/// Only a provider without a sign-in, and so without a wire, may be spared the faults of one.
fn assert_no_wire(provider: &dyn Provider) {
    assert!(
        provider.info().auth_flows.is_empty(),
        "a provider that signs in has a wire: its harness must let it fail"
    );
}

async fn survives<H: Harness>(fault: Fault) {
    let Some((rows, harness)) = read_over_a_fault::<H>(fault).await else { return };
    let rows = rows.unwrap_or_else(|error| panic!("{fault:?} should be survived: {error:?}"));
    assert_eq!(live_ids(&rows), harness.upstream().live_ids(ObjectKind::Contact).await);
}

/// A session that expires in the middle of a reading is renewed, and no row is lost.
pub async fn an_expired_session_is_renewed_in_the_middle_of_a_reading<H: Harness>() {
    survives::<H>(Fault::SessionExpired).await;
}

/// Credentials that are refused give an error that asks for linking again.
pub async fn refused_credentials_ask_for_relinking<H: Harness>() {
    let Some((rows, _)) = read_over_a_fault::<H>(Fault::CredentialsRefused).await else { return };
    let error = rows.expect_err("refused credentials");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Relink), "{error:?}");
}

/// A remote that asks to wait is waited for.
pub async fn a_throttled_reading_goes_on<H: Harness>() {
    survives::<H>(Fault::Throttled).await;
}

/// A short outage is survived.
pub async fn an_outage_is_survived<H: Harness>() {
    survives::<H>(Fault::Unavailable).await;
}

/// An answer that ends in the middle of its body is asked for again.
pub async fn a_cut_body_loses_no_row<H: Harness>() {
    survives::<H>(Fault::CutBody).await;
}

/// A quota that is used up is an error that says when to go on, and the token of the last page goes on from there.
pub async fn a_used_up_quota_is_a_resumable_stop<H: Harness>() {
    let Some((rows, _)) = read_over_a_fault::<H>(Fault::QuotaExhausted).await else { return };
    let error = rows.expect_err("a quota that is used up");
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error:?}");
    assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error:?}");
}

/// A reading that is dropped half way leaves the provider in working order.
pub async fn a_dropped_reading_does_no_harm<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for _ in 0..10 {
        let reading = read_all(&*provider, ReadPart::all(ObjectKind::Contact).page_size(1));
        let _cut_off = tokio::time::timeout(std::time::Duration::from_millis(1), reading).await;
    }
    let rows = read_all(&*provider, ReadPart::all(ObjectKind::Contact)).await;
    assert_eq!(live_ids(&rows), harness.upstream().live_ids(ObjectKind::Contact).await);
}

/// No debug print, error or description shows a secret.
pub async fn secrets_are_never_shown<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    let mut shown = format!("{provider:?} {provider:#?} {:?}", provider.info());
    shown += &format!("{:?}", provider.access().await);
    shown += &format!("{:?}", provider.describe(ObjectKind::Contact).await);
    shown += &format!("{:?}", provider.send(RawRequest::new("GET", "/no/such/path?q=1")).await);
    if harness.upstream().fail(Fault::CredentialsRefused).await {
        let error =
            provider.read_page(ReadPart::all(ObjectKind::Contact)).await.expect_err("refused credentials");
        let mut chain: Option<&dyn std::error::Error> = Some(&error);
        while let Some(layer) = chain {
            shown += &format!("{layer} {layer:?}");
            chain = layer.source();
        }
    } else {
        assert_no_wire(&*provider);
    }
    assert!(!shown.contains(SECRET), "the planted secret is shown: {shown}");
}
