//! What a provider is: static data that needs no call.

use serde::Serialize;

use crate::ObjectKind;

/// What a provider is.
///
/// ```
/// use unicrm_core::memory;
/// assert_eq!(memory::INFO.slug, "memory");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderInfo {
    /// The name in `kebab-case`, unique among all providers: `salesforce`.
    pub slug: &'static str,
    /// The name that people see: `Salesforce`.
    pub name: &'static str,
    /// One sentence about it.
    pub description: &'static str,
    /// The ways to sign in.
    pub auth_flows: &'static [AuthFlow],
    /// How the ten objects map, field by field: the one table that documents, queries and tests are made from.
    pub mappings: &'static [ObjectMapping],
}

impl ProviderInfo {
    /// The mapping of an object.
    #[must_use]
    pub fn mapping(&self, kind: ObjectKind) -> Option<&'static ObjectMapping> {
        self.mappings.iter().find(|mapping| mapping.kind == kind)
    }

    /// The sign-in flow of this name.
    #[must_use]
    pub fn auth_flow(&self, name: &str) -> Option<&'static AuthFlow> {
        self.auth_flows.iter().find(|flow| flow.name == name)
    }
}

/// A way to sign in: what a host must ask for.
///
/// ```
/// use unicrm_core::{AuthFlow, Interaction, Setting};
/// const FLOW: AuthFlow = AuthFlow {
///     name: "refresh-token",
///     description: "a refresh token that was granted elsewhere",
///     interaction: Interaction::None,
///     settings: &[Setting { name: "client_id", description: "the app's consumer key", required: true }],
///     secrets: &[Setting { name: "refresh_token", description: "the refresh token", required: true }],
/// };
/// assert_eq!(FLOW.secrets[0].name, "refresh_token");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthFlow {
    /// The name in `kebab-case`.
    pub name: &'static str,
    /// One sentence about it.
    pub description: &'static str,
    /// Whether a person takes part.
    pub interaction: Interaction,
    /// What goes into the configuration.
    pub settings: &'static [Setting],
    /// What goes into the credential store.
    pub secrets: &'static [Setting],
}

/// Whether a person takes part in signing in, and how. With one, [`SignIn`](crate::SignIn) makes the secrets that the flow
/// keeps; without, those that the host asks for are all.
///
/// ```
/// use unicrm_core::Interaction;
/// assert_eq!(serde_json::to_string(&Interaction::Browser).unwrap(), "\"browser\"");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interaction {
    /// Nobody has to be present.
    None,
    /// A browser goes to a page of the remote and comes back to a redirect URI.
    Browser,
    /// A code is shown here and entered on any other device.
    Device,
}

/// One value that a host must ask for.
///
/// ```
/// use unicrm_core::Setting;
/// let setting = Setting { name: "client_id", description: "the app's consumer key", required: true };
/// assert!(setting.required);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key in the configuration, or the name of the secret.
    pub name: &'static str,
    /// What it is and where to find it.
    pub description: &'static str,
    /// Whether the flow works without it.
    pub required: bool,
}

/// How one unified object maps to the remote.
///
/// ```
/// use unicrm_core::{memory, ObjectKind};
/// let mapping = memory::INFO.mapping(ObjectKind::Contact).unwrap();
/// assert_eq!(mapping.field("last_name").unwrap().remote, ["last_name"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectMapping {
    /// The unified object.
    pub kind: ObjectKind,
    /// The remote objects behind it.
    pub remote_objects: &'static [&'static str],
    /// Its fields.
    pub fields: &'static [FieldRule],
}

impl ObjectMapping {
    /// The mapping of a field.
    #[must_use]
    pub fn field(&self, unified: &str) -> Option<&'static FieldRule> {
        self.fields.iter().find(|field| field.unified == unified)
    }
}

/// How one unified field maps to the remote, and what may change on the way there and back.
///
/// ```
/// use unicrm_core::{FieldRule, MappingDirection, NormalForm};
/// const CLOSE_DATE: FieldRule =
///     FieldRule::both("close_date", &["CloseDate"]).normal(&[NormalForm::Day]).note("a date");
/// assert_eq!(CLOSE_DATE.direction, MappingDirection::Both);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldRule {
    /// The unified field.
    pub unified: &'static str,
    /// The remote fields, as `Field`, or `Object.Field` where the object has several sources.
    pub remote: &'static [&'static str],
    /// Which way.
    pub direction: MappingDirection,
    /// What a value becomes when it is written and read back.
    pub normal_forms: &'static [NormalForm],
    /// What else there is to know.
    pub note: &'static str,
}

impl FieldRule {
    /// A field that is read and written.
    #[must_use]
    pub const fn both(unified: &'static str, remote: &'static [&'static str]) -> Self {
        Self { unified, remote, direction: MappingDirection::Both, normal_forms: &[], note: "" }
    }

    /// A field that is only read.
    #[must_use]
    pub const fn read(unified: &'static str, remote: &'static [&'static str]) -> Self {
        Self { unified, remote, direction: MappingDirection::Read, normal_forms: &[], note: "" }
    }

    /// With the changes on the way.
    #[must_use]
    pub const fn normal(mut self, normal_forms: &'static [NormalForm]) -> Self {
        self.normal_forms = normal_forms;
        self
    }

    /// With a note.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}

/// Which way a field goes.
///
/// ```
/// use unicrm_core::MappingDirection;
/// assert_ne!(MappingDirection::Both, MappingDirection::Read);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingDirection {
    /// Read and written.
    Both,
    /// Only read; naming it in a write is a warning.
    Read,
}

/// What a value becomes when it is written and read back. The round-trip laws take these into account and nothing else.
///
/// ```
/// use unicrm_core::NormalForm;
/// assert_eq!(serde_json::to_string(&NormalForm::Day).unwrap(), "\"day\"");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormalForm {
    /// The remote keeps the day alone: midnight UTC comes back, and a lost time of day is a warning.
    Day,
    /// The remote keeps whole seconds.
    Second,
    /// The remote trims white space at both ends, and empty text becomes none.
    Trimmed,
    /// CRLF and CR become LF.
    LineBreaks,
    /// Texts only: markup becomes the text that it shows.
    Text,
    /// The remote computes it from other fields.
    Derived,
    /// Only some types or places exist; the mapping page names them.
    Places,
    /// The remote gives a value of its own when none is written.
    Defaulted,
}
