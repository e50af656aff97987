//! Contact.

use jiff::Timestamp;

use crate::object::object;
use crate::{
    Account, Address, EmailAddress, FieldMappings, Id, PhoneNumber, Ref, RemoteData, RemoteField, RemoteId,
    User,
};

object! {
    /// A person at a company.
    ///
    /// ```
    /// use unicrm_core::{from_json, Contact};
    /// let contact: Contact = from_json(r#"{"first_name": "Gil", "last_name": "Feig"}"#)?;
    /// assert_eq!(contact.last_name.as_deref(), Some("Feig"));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Contact,
    /// What a write says about a [`Contact`].
    ContactPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Contact>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// The given name.
        first_name: Option<String>,
        /// The family name.
        last_name: Option<String>,
        /// The company.
        account: Option<Ref<Account>>,
        /// Who looks after the contact.
        owner: Option<Ref<User>>,
        /// Postal addresses.
        addresses: Vec<Address>,
        /// E-mail addresses.
        email_addresses: Vec<EmailAddress>,
        /// Phone numbers.
        phone_numbers: Vec<PhoneNumber>,
        /// When somebody last dealt with the contact.
        last_activity_at: Option<Timestamp>,
        /// When the remote record was made.
        remote_created_at: Option<Timestamp>,
        /// Where people see the record in the remote's own pages.
        contact_url: Option<String>,
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
