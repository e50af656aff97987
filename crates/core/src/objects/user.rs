//! User.

use jiff::Timestamp;

use crate::object::object;
use crate::{FieldMappings, Id, RemoteData, RemoteField, RemoteId};

object! {
    /// Somebody who works with the CRM.
    ///
    /// ```
    /// use unicrm_core::{from_json, User};
    /// let user: User = from_json(r#"{"name": "Gil Feig", "is_active": true}"#)?;
    /// assert_eq!(user.is_active, Some(true));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct User,
    /// What a write says about a [`User`].
    UserPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<User>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// The full name.
        name: Option<String>,
        /// The e-mail address.
        email: Option<String>,
        /// Whether the user may still sign in.
        is_active: Option<bool>,
        /// Where people see the record in the remote's own pages.
        user_url: Option<String>,
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
