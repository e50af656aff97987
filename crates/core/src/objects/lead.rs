//! Lead.

use jiff::Timestamp;

use crate::object::object;
use crate::open_enum::open_enum;
use crate::{
    Account, Address, Contact, EmailAddress, FieldMappings, Id, PhoneNumber, Ref, RemoteData, RemoteField,
    RemoteId, User,
};

object! {
    /// A person who is not a customer yet.
    ///
    /// ```
    /// use unicrm_core::{from_json, Lead, LeadStatus};
    /// let lead: Lead = from_json(r#"{"company": "K-LINK", "status": "QUALIFIED"}"#)?;
    /// assert_eq!(lead.status, Some(LeadStatus::Qualified));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Lead,
    /// What a write says about a [`Lead`].
    LeadPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Lead>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// Who looks after the lead.
        owner: Option<Ref<User>>,
        /// Where it came from.
        lead_source: Option<String>,
        /// The person's title.
        title: Option<String>,
        /// The company's name.
        company: Option<String>,
        /// The given name.
        first_name: Option<String>,
        /// The family name.
        last_name: Option<String>,
        /// Postal addresses.
        addresses: Vec<Address>,
        /// E-mail addresses.
        email_addresses: Vec<EmailAddress>,
        /// Phone numbers.
        phone_numbers: Vec<PhoneNumber>,
        /// When the remote record last changed.
        remote_updated_at: Option<Timestamp>,
        /// When the remote record was made.
        remote_created_at: Option<Timestamp>,
        /// When it became a customer.
        converted_date: Option<Timestamp>,
        /// The contact that it became.
        converted_contact: Option<Ref<Contact>>,
        /// The account that it became.
        converted_account: Option<Ref<Account>>,
        /// How far it has come.
        status: Option<LeadStatus>,
        /// Where people see the record in the remote's own pages.
        lead_url: Option<String>,
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
    /// How far a lead has come.
    ///
    /// ```
    /// use unicrm_core::LeadStatus;
    /// assert_eq!(LeadStatus::from("OPEN"), LeadStatus::Open);
    /// ```
    pub enum LeadStatus {
        /// Being worked on.
        Open => "OPEN",
        /// Given up.
        Closed => "CLOSED",
        /// Not a fit.
        Unqualified => "UNQUALIFIED",
        /// Became a customer.
        Qualified => "QUALIFIED",
    }
}
