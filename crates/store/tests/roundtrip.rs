//! What was stored is read back equal: for every field of every object.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use unicrm_core::{
    Amount, FieldInfo, FieldType, LiveRow, ObjectKind, Record, RemoteId, Row, Value, compute_id,
};
use unicrm_store::{Epoch, Include, PageCommit, Store};
use uuid::Uuid;

use crate::place::Place;

type Given = Option<Value<'static>>;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,30}", any::<String>(), Just("\0 null inside".to_owned()), Just(String::new())]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let seconds = Timestamp::MIN.as_second() + 1..Timestamp::MAX.as_second();
    (seconds, prop_oneof![Just(0), (0..1000_i32).prop_map(|ms| ms * 1_000_000), 0..1_000_000_000_i32])
        .prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap())
}

fn amount() -> impl Strategy<Value = String> {
    ("-?[1-9][0-9]{0,16}", "(\\.[0-9]{1,9})?").prop_map(|(whole, rest)| whole + &rest)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn quoted(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    text.prop_map(|text| serde_json::to_string(&text).unwrap())
}

/// JSON of an object in which each key may be absent.
fn object(keys: &[&'static str], value: impl Fn() -> BoxedStrategy<String>) -> BoxedStrategy<String> {
    let keys = keys.to_vec();
    proptest::collection::vec(proptest::option::of(value()), keys.len())
        .prop_map(move |values| {
            let pairs =
                keys.iter().zip(values).filter_map(|(key, value)| Some(format!("\"{key}\":{}", value?)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        })
        .boxed()
}

fn any_json() -> BoxedStrategy<String> {
    prop_oneof![
        quoted(text()),
        Just("null".to_owned()),
        Just("12345678901234567.890".to_owned()),
        Just(r#"{"z": 1, "a": [true, {"b": "c"}]}"#.to_owned()),
    ]
    .boxed()
}

fn json(ty: FieldType) -> BoxedStrategy<String> {
    let texts = || quoted(text()).boxed();
    match ty {
        FieldType::Address => object(
            &["street_1", "street_2", "city", "state", "postal_code", "country", "address_type"],
            texts,
        ),
        FieldType::EmailAddress => object(&["email_address", "email_address_type"], texts),
        FieldType::PhoneNumber => object(&["phone_number", "phone_number_type"], texts),
        FieldType::RemoteField => (
            prop_oneof![
                texts(),
                object(&["id", "display_name", "remote_key_name", "description"], texts),
                Just(r#"{"remote_key_name":"Tier__c","field_choices":["a",{"value":"b"}]}"#.to_owned()),
            ],
            any_json(),
        )
            .prop_map(|(class, value)| format!(r#"{{"remote_field_class":{class},"value":{value}}}"#))
            .boxed(),
        FieldType::RemoteData => (texts(), any_json())
            .prop_map(|(path, data)| format!(r#"{{"path":{path},"data":{data}}}"#))
            .boxed(),
        FieldType::FieldMappings => any_json()
            .prop_map(|value| format!(r#"{{"linked_account_defined_targets":{{"tier":{value}}}}}"#))
            .boxed(),
        FieldType::Reference(_) => prop_oneof![
            uuid().prop_map(|id| format!("\"{id}\"")),
            texts().prop_map(|remote_id| format!(r#"{{"remote_id":{remote_id}}}"#)),
        ]
        .boxed(),
        other => panic!("no strategy for a list of {other:?}"),
    }
}

fn value(field: &FieldInfo) -> BoxedStrategy<Given> {
    let ty = field.ty;
    let some = if field.list {
        proptest::collection::vec(json(ty), 0..4)
            .prop_map(|items| Value::Json(format!("[{}]", items.join(",")).into()))
            .boxed()
    } else {
        match ty {
            FieldType::Text | FieldType::RemoteId => text().prop_map(|text| Value::Text(text.into())).boxed(),
            FieldType::Enum(known) => prop_oneof![select(known).prop_map(str::to_owned), text()]
                .prop_map(|text| Value::Text(text.into()))
                .boxed(),
            FieldType::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            FieldType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            FieldType::Timestamp => instant().prop_map(Value::Timestamp).boxed(),
            FieldType::Amount => {
                amount().prop_map(|text| Value::Amount(text.parse::<Amount>().unwrap())).boxed()
            }
            FieldType::Reference(_) => prop_oneof![
                uuid().prop_map(|id| (Some(id), None)),
                text().prop_map(|remote_id| (None, Some(RemoteId::from(remote_id)))),
                (uuid(), text()).prop_map(|(id, remote_id)| (Some(id), Some(RemoteId::from(remote_id)))),
            ]
            .prop_map(|(id, remote_id)| Value::Reference { id, remote_id })
            .boxed(),
            FieldType::FieldMappings => json(ty).prop_map(|json| Value::Json(json.into())).boxed(),
            other => panic!("no strategy for {other:?}"),
        }
    };
    proptest::option::weighted(0.8, some).boxed()
}

/// Fields that are the store's own to fill in.
const OURS: [&str; 4] = ["id", "remote_id", "created_at", "modified_at"];

fn record() -> impl Strategy<Value = Record> {
    select(&ObjectKind::ALL[..]).prop_flat_map(|kind| {
        let fields: Vec<_> =
            Record::fields_of(kind).iter().filter(|field| !OURS.contains(&field.name)).collect();
        let values: Vec<_> = fields.iter().map(|field| value(field)).collect();
        ("[a-zA-Z0-9é_:-]{1,20}", values).prop_map(move |(remote_id, values)| {
            let mut record = Record::empty(kind);
            record.set("remote_id", Some(Value::Text(remote_id.into()))).unwrap();
            for (field, value) in fields.iter().zip(values) {
                record.set(field.name, value).unwrap();
            }
            record
        })
    })
}

pub(crate) async fn what_was_stored_is_read_back_equal(place: Place) {
    let (store, _, epoch) = crate::linked(&place).await;
    crate::for_all(crate::cases(200), &record(), async |given| check(&*store, epoch, given).await).await;
}

async fn check(store: &dyn Store, epoch: Epoch, mut given: Record) -> Result<(), TestCaseError> {
    // All cases share a store, and a record of an earlier one would lend its raw record to this one.
    static CASES: AtomicU64 = AtomicU64::new(0);
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    let remote_id = given.remote_id().map(|remote_id| format!("{remote_id} {case}")).unwrap();
    given.set("remote_id", Some(Value::Text(remote_id.into()))).unwrap();

    let kind = given.kind();
    let page = || PageCommit::new(epoch, kind, vec![Row::Live(LiveRow::new(given.clone()))]);
    store.commit_page(page()).await.unwrap();
    let id = compute_id(epoch.linked_account, kind, given.remote_id().unwrap().as_str());
    let stored = store.get(kind, id, Include::everything()).await.unwrap().unwrap().record;

    prop_assert_eq!(stored.id(), Some(id));
    prop_assert!(stored.get("created_at").is_some() && stored.get("modified_at").is_some());
    let mut expected = given.clone();
    for ours in ["id", "created_at", "modified_at"] {
        expected.set(ours, stored.get(ours)).unwrap();
    }
    // JSON shows what equality forgives, such as `100.50` and `100.5`.
    prop_assert_eq!(stored.to_json(), expected.to_json());
    prop_assert_eq!(&stored, &expected);
    // References keep the remote id beside the unified one.
    for field in Record::fields_of(kind) {
        if let Some(reference @ Value::Reference { .. }) = given.get(field.name) {
            prop_assert_eq!(stored.get(field.name), Some(reference));
        }
    }

    let again = store.commit_page(page()).await.unwrap().counts;
    prop_assert_eq!((again.unchanged, again.created + again.updated), (1, 0));
    Ok(())
}

pub(crate) async fn a_list_of_references_keeps_its_remote_ids(place: Place) {
    use unicrm_core::{Contact, Engagement, Id, Ref};
    let (store, account, epoch) = crate::linked(&place).await;
    let mut call = Engagement::default();
    call.remote_id = Some("00T1".into());
    call.contacts = vec![
        Ref::remote(account.id, "003a"),
        Ref::unified(Id::<Contact>::compute(account.id, "003b")),
        Ref::by_remote_id("003c"),
    ];
    let rows = vec![Row::Live(LiveRow::new(call.clone()))];
    store.commit_page(PageCommit::new(epoch, ObjectKind::Engagement, rows)).await.unwrap();
    let id = compute_id(account.id, ObjectKind::Engagement, "00T1");
    let Some(Record::Engagement(stored)) =
        store.get(ObjectKind::Engagement, id, Include::default()).await.unwrap().map(|stored| stored.record)
    else {
        panic!("the engagement is there");
    };
    let parts = |list: &[Ref<Contact>]| -> Vec<_> {
        list.iter().map(|contact| (contact.id(), contact.remote_id().cloned())).collect()
    };
    assert_eq!(parts(&stored.contacts), parts(&call.contacts));
}

pub(crate) async fn the_raw_record_comes_back_as_it_came(place: Place) {
    use unicrm_core::RawRecord;
    let (store, account, epoch) = crate::linked(&place).await;
    let mut raw =
        RawRecord::new("/sobjects/Contact", &format!(r#"{{"Id":"003x","Bio":"{}"}}"#, "la".repeat(200)));
    raw.append(RawRecord::new("/csv", "not,json"));
    let row = LiveRow::new(crate::contact("003x", "Feig")).with_raw(raw.clone());
    crate::commit(&*store, epoch, vec![Row::Live(row)]).await;
    let id = compute_id(account.id, ObjectKind::Contact, "003x");
    assert_eq!(store.raw(ObjectKind::Contact, id).await.unwrap().unwrap(), raw);
    let get = async |include| match store.get(ObjectKind::Contact, id, include).await.unwrap().unwrap().record
    {
        Record::Contact(contact) => contact.remote_data,
        other => panic!("{other:?}"),
    };
    assert_eq!(get(Include::everything()).await, raw.to_remote_data());
    assert!(get(Include::default()).await.is_empty());
    assert!(store.raw(ObjectKind::Contact, Uuid::nil()).await.unwrap().is_none());
}

pub(crate) async fn a_record_without_a_place_for_its_raw_form_is_read_all_the_same(place: Place) {
    use unicrm_core::{EngagementType, RawRecord};
    let (store, account, epoch) = crate::linked(&place).await;
    let mut call = EngagementType::default();
    call.remote_id = Some("Task:Call".into());
    call.name = Some("Call".to_owned());
    let raw = RawRecord::new("/picklist", r#"{"value":"Call"}"#);
    let rows = vec![Row::Live(LiveRow::new(call).with_raw(raw.clone()))];
    store.commit_page(PageCommit::new(epoch, ObjectKind::EngagementType, rows)).await.unwrap();
    let id = compute_id(account.id, ObjectKind::EngagementType, "Task:Call");
    let stored = store.get(ObjectKind::EngagementType, id, Include::everything()).await.unwrap().unwrap();
    assert_eq!(stored.record.get("name"), Some(Value::Text("Call".into())));
    assert_eq!(store.raw(ObjectKind::EngagementType, id).await.unwrap().unwrap(), raw);
}
