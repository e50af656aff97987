//! Switches of an org that change which objects and fields exist.

use serde::{Deserialize, Serialize};

/// The optional parts of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// Records carry CurrencyIsoCode; CurrencyType and DatedConversionRate exist.
    pub multi_currency: bool,
    /// Account carries IsPersonAccount, PersonContactId and the fields of the contact behind it.
    pub person_accounts: bool,
    /// Addresses carry `...StateCode` and `...CountryCode`.
    pub state_country_picklists: bool,
    /// Activities relate to several contacts: TaskRelation, TaskWhoRelation, EventWhoRelation exist.
    pub shared_activities: bool,
    /// ContentNote exists.
    pub enhanced_notes: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            multi_currency: false,
            person_accounts: false,
            state_country_picklists: false,
            shared_activities: true,
            enhanced_notes: true,
        }
    }
}

impl Features {
    /// Whether the feature of this name, as schema files write it, is on; none for an unknown name.
    pub(crate) fn is_on(&self, name: &str) -> Option<bool> {
        Some(match name {
            "multi_currency" => self.multi_currency,
            "person_accounts" => self.person_accounts,
            "state_country_picklists" => self.state_country_picklists,
            "shared_activities" => self.shared_activities,
            "enhanced_notes" => self.enhanced_notes,
            _ => return None,
        })
    }
}
