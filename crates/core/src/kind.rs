//! The ten kinds of object, and how they are spelt.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Which of the ten unified objects.
///
/// JSON and ids spell it in `snake_case` ([`ObjectKind::as_str`]), the command line and the API in the plural
/// ([`ObjectKind::plural`]); parsing takes either, singular or plural, with `-` or `_`.
///
/// ```
/// use unicrm_core::ObjectKind;
/// assert_eq!(ObjectKind::EngagementType.as_str(), "engagement_type");
/// assert_eq!("engagement-types".parse::<ObjectKind>()?, ObjectKind::EngagementType);
/// assert_eq!(ObjectKind::Opportunity.plural(), "opportunities");
/// assert_eq!(ObjectKind::ALL.len(), 10);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A company.
    Account,
    /// A person at a company.
    Contact,
    /// A call, meeting or e-mail that took place or is planned.
    Engagement,
    /// What sort of engagement: a call, a meeting, an e-mail, or the remote's own finer sorts.
    EngagementType,
    /// A person who is not a customer yet.
    Lead,
    /// A text kept with a contact, account or opportunity.
    Note,
    /// A deal.
    Opportunity,
    /// A step that deals pass through.
    Stage,
    /// Something to do.
    Task,
    /// Somebody who works with the CRM.
    User,
}

impl ObjectKind {
    /// All kinds, in alphabetical order.
    pub const ALL: [Self; 10] = [
        Self::Account,
        Self::Contact,
        Self::Engagement,
        Self::EngagementType,
        Self::Lead,
        Self::Note,
        Self::Opportunity,
        Self::Stage,
        Self::Task,
        Self::User,
    ];

    /// The singular in `snake_case`, as in ids and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
            Self::Engagement => "engagement",
            Self::EngagementType => "engagement_type",
            Self::Lead => "lead",
            Self::Note => "note",
            Self::Opportunity => "opportunity",
            Self::Stage => "stage",
            Self::Task => "task",
            Self::User => "user",
        }
    }

    /// The plural with hyphens, as in the API and on the command line.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::Contact => "contacts",
            Self::Engagement => "engagements",
            Self::EngagementType => "engagement-types",
            Self::Lead => "leads",
            Self::Note => "notes",
            Self::Opportunity => "opportunities",
            Self::Stage => "stages",
            Self::Task => "tasks",
            Self::User => "users",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ObjectKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let spelt = name.to_ascii_lowercase().replace('_', "-");
        Self::ALL
            .into_iter()
            .find(|kind| spelt == kind.plural() || spelt == kind.as_str().replace('_', "-"))
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|kind| kind.plural()).collect();
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!("there is no object {name:?}; the objects are {}", known.join(", ")),
                )
            })
    }
}
