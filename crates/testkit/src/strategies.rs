//! Any record of any object, with hostile values.
//!
//! One strategy serves all ten objects, since it is made from their field lists: a new field is covered the day it is
//! added. A [`Profile`] says what a particular remote can hold.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rust_decimal::Decimal;
use unicrm_core::{
    Address, AddressType, Amount, EmailAddress, FieldInfo, FieldMappings, FieldType, Json, LinkedAccountId,
    ObjectKind, PhoneNumber, Record, RemoteData, RemoteField, RemoteFieldClass, RemoteId, Value, compute_id,
};

/// The linked account of all generated records.
#[must_use]
pub fn linked_account() -> LinkedAccountId {
    LinkedAccountId::from_uuid(uuid::uuid!("6f1c8a52-0d6e-4d52-9a0b-3f0f8f8b5a10"))
}

type FieldStrategy = BoxedStrategy<Option<Value<'static>>>;

/// What a remote can hold: how its ids look, and the values of the fields that are not free.
///
/// ```
/// use proptest::prelude::*;
/// use unicrm_core::ObjectKind;
/// use unicrm_testkit::Profile;
/// let profile = Profile::any().with_remote_ids(|kind| format!("{kind}-[0-9]{{6}}"));
/// proptest!(|(record in profile.record(ObjectKind::Stage))| {
///     prop_assert!(record.remote_id().unwrap().as_str().starts_with("stage-"));
/// });
/// ```
#[derive(Clone)]
pub struct Profile {
    remote_ids: Arc<dyn Fn(ObjectKind) -> BoxedStrategy<String> + Send + Sync>,
    fields: HashMap<(ObjectKind, &'static str), Arc<dyn Fn() -> FieldStrategy + Send + Sync>>,
    texts: BoxedText,
}

type BoxedText = Arc<dyn Fn() -> BoxedStrategy<String> + Send + Sync>;

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("fields", &self.fields.keys()).finish_non_exhaustive()
    }
}

impl Profile {
    /// A remote that holds whatever the model holds.
    #[must_use]
    pub fn any() -> Self {
        Self {
            remote_ids: Arc::new(|_| "[A-Za-z0-9:_ é-]{1,24}".boxed()),
            fields: HashMap::new(),
            texts: Arc::new(|| text().boxed()),
        }
    }

    /// Remote ids match this regular expression, per kind.
    #[must_use]
    pub fn with_remote_ids(self, pattern: impl Fn(ObjectKind) -> String + Send + Sync + 'static) -> Self {
        self.with_remote_id_strategy(move |kind| {
            proptest::string::string_regex(&pattern(kind)).expect("a regular expression").boxed()
        })
    }

    /// Remote ids come from this strategy, per kind.
    #[must_use]
    pub fn with_remote_id_strategy(
        mut self,
        strategy: impl Fn(ObjectKind) -> BoxedStrategy<String> + Send + Sync + 'static,
    ) -> Self {
        self.remote_ids = Arc::new(strategy);
        self
    }

    /// Free texts come from this strategy.
    #[must_use]
    pub fn with_texts(
        mut self,
        strategy: impl Fn() -> BoxedStrategy<String> + Send + Sync + 'static,
    ) -> Self {
        self.texts = Arc::new(strategy);
        self
    }

    /// A field's values come from this strategy.
    #[must_use]
    pub fn with_field(
        mut self,
        kind: ObjectKind,
        field: &'static str,
        strategy: impl Fn() -> BoxedStrategy<Option<Value<'static>>> + Send + Sync + 'static,
    ) -> Self {
        self.fields.insert((kind, field), Arc::new(strategy));
        self
    }

    /// A field never has a value.
    #[must_use]
    pub fn without_field(self, kind: ObjectKind, field: &'static str) -> Self {
        self.with_field(kind, field, || Just(None).boxed())
    }

    /// A remote id of a kind.
    pub fn remote_id(&self, kind: ObjectKind) -> BoxedStrategy<String> {
        (self.remote_ids)(kind)
    }

    /// A record with its ids, and any of its other fields.
    pub fn record(&self, kind: ObjectKind) -> BoxedStrategy<Record> {
        let fields: Vec<FieldStrategy> =
            Record::fields_of(kind).iter().map(|field| self.field(kind, field)).collect();
        (self.remote_id(kind), fields)
            .prop_map(move |(remote_id, values)| {
                let mut record = Record::empty(kind);
                for (field, value) in Record::fields_of(kind).iter().zip(values) {
                    let value = match field.ty {
                        FieldType::Id => Some(Value::Id(compute_id(linked_account(), kind, &remote_id))),
                        FieldType::RemoteId => Some(Value::Text(remote_id.clone().into())),
                        _ => value,
                    };
                    record.set(field.name, value).expect("the strategy gives values of the field's type");
                }
                record
            })
            .boxed()
    }

    fn field(&self, kind: ObjectKind, field: &FieldInfo) -> FieldStrategy {
        if let Some(strategy) = self.fields.get(&(kind, field.name)) {
            return strategy();
        }
        if field.list {
            return self.list(field.ty);
        }
        let one: BoxedStrategy<Value<'static>> = match field.ty {
            FieldType::Id | FieldType::RemoteId => return Just(None).boxed(),
            FieldType::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            FieldType::Amount => amount().prop_map(Value::Amount).boxed(),
            FieldType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            FieldType::Timestamp => timestamp().prop_map(Value::Timestamp).boxed(),
            FieldType::Reference(kind) => self.reference(kind),
            FieldType::Enum(known) => prop_oneof![
                4 => proptest::sample::select(known).prop_map(str::to_owned),
                1 => (self.texts)(),
            ]
            .prop_map(|text| Value::Text(text.into()))
            .boxed(),
            FieldType::FieldMappings => field_mappings().prop_map(|lifted| json(&lifted)).boxed(),
            _ => (self.texts)().prop_map(|text| Value::Text(text.into())).boxed(),
        };
        option::weighted(0.6, one).boxed()
    }

    /// A reference as a plugin makes it: with both ids.
    pub fn reference(&self, kind: ObjectKind) -> BoxedStrategy<Value<'static>> {
        self.remote_id(kind)
            .prop_map(move |remote_id| Value::Reference {
                id: Some(compute_id(linked_account(), kind, &remote_id)),
                remote_id: Some(RemoteId::from(remote_id)),
            })
            .boxed()
    }

    fn list(&self, ty: FieldType) -> FieldStrategy {
        fn some<T: serde::Serialize + fmt::Debug + 'static>(
            items: impl Strategy<Value = Vec<T>> + 'static,
        ) -> FieldStrategy {
            items.prop_map(|items| (!items.is_empty()).then(|| json(&items))).boxed()
        }
        let text = || option::of((self.texts)());
        match ty {
            FieldType::Address => some(vec(address(&self.texts), 0..3)),
            FieldType::EmailAddress => some(vec(
                (text(), text()).prop_map(|(email_address, email_address_type)| {
                    let mut email = EmailAddress::default();
                    email.email_address = email_address;
                    email.email_address_type = email_address_type;
                    email
                }),
                0..3,
            )),
            FieldType::PhoneNumber => some(vec(
                (text(), text()).prop_map(|(phone_number, phone_number_type)| {
                    let mut phone = PhoneNumber::default();
                    phone.phone_number = phone_number;
                    phone.phone_number_type = phone_number_type;
                    phone
                }),
                0..3,
            )),
            FieldType::RemoteField => some(vec(remote_field(), 0..3)),
            FieldType::RemoteData => some(vec(
                ("[/a-zA-Z]{1,12}", json_value()).prop_map(|(path, data)| RemoteData::new(path, data)),
                0..2,
            )),
            // A list of references holds unified ids in JSON, so only those can come back.
            FieldType::Reference(kind) => some(vec(
                self.remote_id(kind).prop_map(move |id| compute_id(linked_account(), kind, &id)),
                0..4,
            )),
            _ => Just(None).boxed(),
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Value<'static> {
    Value::Json(Json::of(value).as_str().to_owned().into())
}

/// Text that breaks careless code: quotes, escapes, line breaks, wildcards, other scripts, look-alikes of nothing.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::sample::select(HOSTILE).prop_map(str::to_owned),
        3 => "[a-zA-Z0-9 .,'-]{1,40}",
        2 => "\\PC{1,60}",
        1 => "[ \t\r\n\"'\\\\%_&<>;,]{1,20}",
        1 => "[a-z]{200,300}",
    ]
}

/// Texts that have broken somebody's connector.
pub const HOSTILE: &[&str] = &[
    "NA",
    "null",
    "NaN",
    "#N/A",
    "true",
    "0",
    "''; DROP TABLE contacts; --",
    "O'Brien \\' \\\" \\\\",
    "100% _sure_",
    "<b>bold</b> &amp; &lt;",
    "Zoë Größe 商談成立 Ünïcödé",
    "👩‍👩‍👧‍👦 family",
    "\u{202e}right to left",
    "a\u{0301} combining",
    "line one\nline two",
    "line one\r\nline two\rthree",
    " leading and trailing ",
    "\ttab",
    "\u{feff}mark",
    "{\"json\": [1]}",
    "a,b;\"c\"",
    "=cmd|' /C calc'!A0",
];

/// Instants: ordinary ones, and those at the ends of what connectors have mistaken.
pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    prop_oneof![
        6 => (at("1970-01-01T00:00:00Z").as_millisecond()..at("2100-01-01T00:00:00Z").as_millisecond())
            .prop_map(|ms| Timestamp::from_millisecond(ms).expect("in range")),
        1 => proptest::sample::select(vec![
            at("1700-01-01T00:00:00Z"),
            at("1969-12-31T23:59:59.999Z"),
            at("2000-02-29T12:00:00Z"),
            at("2024-12-31T23:59:59Z"),
            at("2038-01-19T03:14:08Z"),
            at("4000-12-31T23:59:59Z"),
        ]),
    ]
}

/// Amounts of up to 18 digits, 2 of them behind the point: what Salesforce and its like hold.
pub fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => (-999_999_999_999_999_999_i64..=999_999_999_999_999_999).prop_map(|cents| Decimal::new(cents, 2)),
        1 => proptest::sample::select(vec![Decimal::ZERO, Decimal::ONE, Decimal::new(1, 2), Decimal::new(-1, 2)]),
    ]
    .prop_map(Amount::from)
}

fn address(texts: &BoxedText) -> impl Strategy<Value = Address> + use<> {
    let text = || option::of(texts());
    let kind = option::of(prop_oneof![
        proptest::sample::select(AddressType::KNOWN).prop_map(AddressType::from),
        texts().prop_map(|text| AddressType::from(&*text)),
    ]);
    (text(), text(), text(), text(), text(), text(), kind).prop_map(
        |(street_1, street_2, city, state, postal_code, country, address_type)| {
            let mut address = Address::default();
            address.street_1 = street_1;
            address.street_2 = street_2;
            address.city = city;
            address.state = state;
            address.postal_code = postal_code;
            address.country = country;
            address.address_type = address_type;
            address
        },
    )
}

/// Any JSON value, as exact text.
pub fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,6})?",
        text().prop_map(|text| Json::text(&text).as_str().to_owned()),
    ];
    let value = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec(("[a-z]{1,6}", inner), 0..3).prop_map(|pairs| {
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    });
    value.prop_map(|text| Json::parse(text).expect("JSON by construction"))
}

fn remote_field() -> impl Strategy<Value = RemoteField> {
    ("[A-Z][a-z]{1,8}__c", json_value()).prop_map(|(key, value)| {
        let mut class = RemoteFieldClass::default();
        class.id = Some(key.clone());
        class.remote_key_name = Some(key);
        class.is_custom = Some(true);
        RemoteField::new(Arc::new(class), value)
    })
}

fn field_mappings() -> impl Strategy<Value = FieldMappings> {
    vec(("[a-z]{1,8}", json_value()), 0..3).prop_map(|pairs| {
        let mut lifted = FieldMappings::default();
        lifted.linked_account_defined_targets = pairs.into_iter().collect();
        lifted
    })
}
