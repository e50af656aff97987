//! Opportunity.

use jiff::Timestamp;

use crate::object::object;
use crate::open_enum::open_enum;
use crate::{Account, Amount, FieldMappings, Id, Ref, RemoteData, RemoteField, RemoteId, Stage, User};

object! {
    /// A deal.
    ///
    /// ```
    /// use unicrm_core::{from_json, Opportunity};
    /// let deal: Opportunity = from_json(r#"{"name": "Needs Integrations", "amount": 100000.50}"#)?;
    /// assert_eq!(deal.amount, Some("100000.50".parse()?));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Opportunity,
    /// What a write says about a [`Opportunity`].
    OpportunityPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Opportunity>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// What people call it.
        name: Option<String>,
        /// What it is about.
        description: Option<String>,
        /// What it is worth, exactly. The currency, where the org has several, is a remote field.
        amount: Option<Amount>,
        /// Who works on it.
        owner: Option<Ref<User>>,
        /// The company.
        account: Option<Ref<Account>>,
        /// The step that it has reached.
        stage: Option<Ref<Stage>>,
        /// Whether it is open, won or lost.
        status: Option<OpportunityStatus>,
        /// When somebody last dealt with it.
        last_activity_at: Option<Timestamp>,
        /// When it closed or should close.
        close_date: Option<Timestamp>,
        /// When the remote record was made.
        remote_created_at: Option<Timestamp>,
        /// Where people see the record in the remote's own pages.
        opportunity_url: Option<String>,
        /// Whether the remote record was deleted.
        remote_was_deleted: Option<bool>,
        /// What field mappings lifted from the raw record.
        field_mappings: Option<FieldMappings>,
        /// The raw record, when it was asked for.
        remote_data: Vec<RemoteData>,
        /// Remote fields that have no unified place.
        remote_fields: Vec<RemoteField>,
    }
}

open_enum! {
    /// Whether a deal is open, won or lost.
    ///
    /// ```
    /// use unicrm_core::OpportunityStatus;
    /// assert_eq!(OpportunityStatus::from("WON"), OpportunityStatus::Won);
    /// ```
    pub enum OpportunityStatus {
        /// Not decided.
        Open => "OPEN",
        /// Won.
        Won => "WON",
        /// Lost.
        Lost => "LOST",
    }
}
