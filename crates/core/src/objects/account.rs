//! Account.

use jiff::Timestamp;

use crate::object::object;
use crate::{Address, FieldMappings, Id, PhoneNumber, Ref, RemoteData, RemoteField, RemoteId, User};

object! {
    /// A company.
    ///
    /// ```
    /// use unicrm_core::{from_json, Account};
    /// let account: Account = from_json(r#"{"name": "K-LINK", "number_of_employees": 40}"#)?;
    /// assert_eq!(account.number_of_employees, Some(40));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Account,
    /// What a write says about a [`Account`].
    AccountPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Account>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// Who looks after it.
        owner: Option<Ref<User>>,
        /// The company's name.
        name: Option<String>,
        /// What it is, in words.
        description: Option<String>,
        /// The industry, as the remote calls it.
        industry: Option<String>,
        /// Its web site.
        website: Option<String>,
        /// How many people work there.
        number_of_employees: Option<i64>,
        /// Its addresses.
        addresses: Vec<Address>,
        /// Its phone numbers.
        phone_numbers: Vec<PhoneNumber>,
        /// When somebody last dealt with it.
        last_activity_at: Option<Timestamp>,
        /// When the remote record last changed.
        remote_updated_at: Option<Timestamp>,
        /// When the remote record was made.
        remote_created_at: Option<Timestamp>,
        /// Where people see the record in the remote's own pages.
        account_url: Option<String>,
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
