//! One field of an sObject, with the facts that a describe gives and the defaults that follow from its type.

/// A field as describe shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSchema {
    /// API name.
    pub name: String,
    /// Label in the org's language.
    pub label: String,
    /// Data type.
    pub ty: FieldType,
    /// Greatest number of characters, 0 where that has no meaning.
    pub length: u32,
    /// Greatest number of bytes.
    pub byte_length: u32,
    /// Digits in all, of fractional numbers.
    pub precision: u8,
    /// Digits after the point.
    pub scale: u8,
    /// Digits of whole numbers.
    pub digits: u8,
    /// Whether it may be null.
    pub nillable: bool,
    /// Whether a create may set it.
    pub createable: bool,
    /// Whether an update may set it.
    pub updateable: bool,
    /// Whether it was added by the org.
    pub custom: bool,
    /// Whether it is a formula.
    pub calculated: bool,
    /// Whether WHERE may name it.
    pub filterable: bool,
    /// Whether ORDER BY may name it.
    pub sortable: bool,
    /// Whether GROUP BY may name it.
    pub groupable: bool,
    /// Whether COUNT, MIN and the like may name it.
    pub aggregatable: bool,
    /// Whether no two records may have the same value.
    pub unique: bool,
    /// Whether it is an external id, by which upsert finds records.
    pub external_id: bool,
    /// Whether upsert and retrieve may find records by it.
    pub id_lookup: bool,
    /// Whether comparisons mind the case.
    pub case_sensitive: bool,
    /// Whether a create without it gets a default.
    pub defaulted_on_create: bool,
    /// Whether it is the name of the record.
    pub name_field: bool,
    /// Whether it points at several kinds of records through the Name object.
    pub name_pointing: bool,
    /// Whether only the listed picklist values are accepted.
    pub restricted_picklist: bool,
    /// Whether the picklist depends on `controller_name`.
    pub dependent_picklist: bool,
    /// Whether it holds HTML.
    pub html_formatted: bool,
    /// Whether it counts up by itself.
    pub auto_number: bool,
    /// Whether field-level security applies to it.
    pub permissionable: bool,
    /// Whether a reference can be of several kinds.
    pub polymorphic_foreign_key: bool,
    /// Whether search can narrow by it.
    pub search_prefilterable: bool,
    /// Whether the record goes when the referenced one goes.
    pub cascade_delete: bool,
    /// Whether the referenced record cannot go while this one exists.
    pub restricted_delete: bool,
    /// Value of a new record, where describe states one.
    pub default_value: Option<DefaultValue>,
    /// Objects that a reference may point to.
    pub reference_to: Vec<String>,
    /// Name by which SOQL walks to the referenced record.
    pub relationship_name: Option<String>,
    /// Name by which SOQL walks from the referenced record to these.
    pub child_relationship_name: Option<String>,
    /// Values of a picklist, in order.
    pub picklist: Vec<PicklistValue>,
    /// The compound field that this is a part of.
    pub compound_field_name: Option<String>,
    /// The field that this picklist depends on.
    pub controller_name: Option<String>,
    /// Kind of text: `personname`, `plaintextarea`, ...
    pub extra_type_info: Option<String>,
    /// Help text of a custom field.
    pub inline_help_text: Option<String>,
}

/// A data type, as describe names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Record id.
    Id,
    /// One line of text.
    String,
    /// Text of several lines.
    TextArea,
    /// True or false, never null.
    Boolean,
    /// Whole number.
    Int,
    /// Fractional number.
    Double,
    /// Amount of money.
    Currency,
    /// Percentage.
    Percent,
    /// Day without time.
    Date,
    /// Instant.
    DateTime,
    /// Time of day.
    Time,
    /// Id of another record.
    Reference,
    /// One of several values.
    Picklist,
    /// Some of several values, separated by semicolons.
    MultiPicklist,
    /// One of several values, or any other text.
    ComboBox,
    /// E-mail address.
    Email,
    /// Phone number.
    Phone,
    /// Web address.
    Url,
    /// Bytes.
    Base64,
    /// Compound of an address's parts.
    Address,
    /// Text that is stored encrypted.
    EncryptedString,
    /// Any type.
    AnyType,
    /// Compound of latitude and longitude.
    Location,
}

/// Value of a new record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// Of a boolean.
    Boolean(bool),
    /// Of a text or picklist.
    Text(String),
}

/// One value of a picklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicklistValue {
    /// API name, which records hold.
    pub value: String,
    /// Label; some of Salesforce's own lists have none.
    pub label: Option<String>,
    /// Whether new records may take it.
    pub active: bool,
    /// Whether new records take it by default.
    pub default_value: bool,
    /// Bit set of the controlling values, base64.
    pub valid_for: Option<String>,
}

impl PicklistValue {
    /// An active value whose label is the value itself.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { label: Some(value.clone()), value, active: true, default_value: false, valid_for: None }
    }
}

impl FieldSchema {
    /// A nillable, writable field of a type, with the flags and sizes that fields of that type usually have.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: FieldType) -> Self {
        use FieldType as T;
        let name = name.into();
        let compound = matches!(ty, T::Address | T::Location);
        let own = matches!(ty, T::Id) || compound;
        let boolean = ty == T::Boolean;
        let groups =
            !matches!(ty, T::Double | T::Currency | T::Percent | T::DateTime | T::ComboBox | T::Base64)
                && !compound;
        let mut field = Self {
            label: default_label(&name),
            custom: name.ends_with("__c"),
            name,
            ty,
            length: 0,
            byte_length: 0,
            precision: 0,
            scale: 0,
            digits: 0,
            nillable: !boolean && ty != T::Id,
            createable: !own,
            updateable: !own,
            calculated: false,
            filterable: ty != T::Base64,
            sortable: !compound && ty != T::Base64,
            groupable: groups,
            aggregatable: !boolean && !compound && ty != T::Base64,
            unique: false,
            external_id: false,
            id_lookup: matches!(ty, T::Id | T::Email),
            case_sensitive: false,
            defaulted_on_create: boolean || ty == T::Id,
            name_field: false,
            name_pointing: false,
            restricted_picklist: false,
            dependent_picklist: false,
            html_formatted: false,
            auto_number: false,
            permissionable: false,
            polymorphic_foreign_key: false,
            search_prefilterable: false,
            cascade_delete: false,
            restricted_delete: false,
            default_value: boolean.then_some(DefaultValue::Boolean(false)),
            reference_to: Vec::new(),
            relationship_name: None,
            child_relationship_name: None,
            picklist: Vec::new(),
            compound_field_name: None,
            controller_name: None,
            extra_type_info: None,
            inline_help_text: None,
        };
        if ty == T::TextArea {
            field.extra_type_info = Some("plaintextarea".to_owned());
        }
        let (length, precision, scale, digits) = match ty {
            T::Id | T::Reference => (18, 0, 0, 0),
            T::TextArea => (32_000, 0, 0, 0),
            T::String | T::Picklist | T::ComboBox | T::Url | T::AnyType | T::EncryptedString => {
                (255, 0, 0, 0)
            }
            T::MultiPicklist => (4099, 0, 0, 0),
            T::Email => (80, 0, 0, 0),
            T::Phone => (40, 0, 0, 0),
            T::Double | T::Currency => (0, 18, 2, 0),
            T::Percent => (0, 3, 0, 0),
            T::Int => (0, 0, 0, 8),
            T::Boolean | T::Date | T::DateTime | T::Time | T::Base64 | T::Address | T::Location => {
                (0, 0, 0, 0)
            }
        };
        field.precision = precision;
        field.scale = scale;
        field.digits = digits;
        field.set_length(length);
        field
    }

    /// Sets the length and what follows from it: bytes, and whether a text area is short enough to filter by.
    pub fn set_length(&mut self, length: u32) {
        self.length = length;
        self.byte_length = if self.ty.is_id() { length } else { length.saturating_mul(3) };
        if self.ty == FieldType::TextArea {
            let short = length <= 255;
            self.filterable = short;
            self.sortable = short;
            self.groupable = short;
            self.aggregatable = short;
        }
    }

    /// Makes it a reference to these objects, walked by `relationship_name`.
    #[must_use]
    pub fn to(mut self, objects: &[&str], relationship_name: Option<&str>) -> Self {
        self.reference_to = objects.iter().map(|o| (*o).to_owned()).collect();
        self.relationship_name = relationship_name.map(str::to_owned);
        self.name_pointing = objects.len() > 1;
        self.polymorphic_foreign_key = objects.len() > 1;
        self
    }

    /// Whether it is a reference that may point to this object.
    #[must_use]
    pub fn refers_to(&self, object: &str) -> bool {
        self.reference_to.iter().any(|target| target.eq_ignore_ascii_case(object))
    }

    /// The picklist value of this API name.
    #[must_use]
    pub fn picklist_value(&self, value: &str) -> Option<&PicklistValue> {
        self.picklist.iter().find(|p| p.value.eq_ignore_ascii_case(value))
    }
}

impl FieldType {
    /// Its name in a describe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::String => "string",
            Self::TextArea => "textarea",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Reference => "reference",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::ComboBox => "combobox",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Base64 => "base64",
            Self::Address => "address",
            Self::EncryptedString => "encryptedstring",
            Self::AnyType => "anyType",
            Self::Location => "location",
        }
    }

    /// The type that describe gives this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALL_TYPES.iter().copied().find(|ty| ty.name() == name)
    }

    /// The XML type of its values.
    #[must_use]
    pub fn soap_type(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            Self::Time => "xsd:time",
            Self::Base64 => "xsd:base64Binary",
            Self::Address => "urn:address",
            Self::Location => "urn:location",
            Self::AnyType => "xsd:anyType",
            _ => "xsd:string",
        }
    }

    /// Whether values are record ids.
    #[must_use]
    pub fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference)
    }

    /// Whether values are text that compares without regard to case.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::String
                | Self::TextArea
                | Self::Picklist
                | Self::MultiPicklist
                | Self::ComboBox
                | Self::Email
                | Self::Phone
                | Self::Url
                | Self::EncryptedString
                | Self::AnyType
        )
    }

    /// Whether it has no column of its own, its value being made of other fields.
    #[must_use]
    pub fn is_compound(self) -> bool {
        matches!(self, Self::Address | Self::Location)
    }

    /// Whether values are fractional numbers, stored as whole numbers scaled by the field's scale.
    #[must_use]
    pub fn is_decimal(self) -> bool {
        matches!(self, Self::Double | Self::Currency | Self::Percent)
    }
}

const ALL_TYPES: [FieldType; 23] = [
    FieldType::Id,
    FieldType::String,
    FieldType::TextArea,
    FieldType::Boolean,
    FieldType::Int,
    FieldType::Double,
    FieldType::Currency,
    FieldType::Percent,
    FieldType::Date,
    FieldType::DateTime,
    FieldType::Time,
    FieldType::Reference,
    FieldType::Picklist,
    FieldType::MultiPicklist,
    FieldType::ComboBox,
    FieldType::Email,
    FieldType::Phone,
    FieldType::Url,
    FieldType::Base64,
    FieldType::Address,
    FieldType::EncryptedString,
    FieldType::AnyType,
    FieldType::Location,
];

/// `BillingCity` is "Billing City", `AccountId` is "Account ID".
pub(crate) fn default_label(name: &str) -> String {
    let base = name.strip_suffix("__c").unwrap_or(name);
    let (base, id) = match base.strip_suffix("Id") {
        Some(rest) if !rest.is_empty() => (rest, true),
        _ => (base, false),
    };
    let mut label = String::with_capacity(name.len() + 8);
    let mut previous = ' ';
    for c in base.chars() {
        let c = if c == '_' { ' ' } else { c };
        if c.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
            label.push(' ');
        }
        label.push(c);
        previous = c;
    }
    if id {
        label.push_str(" ID");
    }
    label
}
