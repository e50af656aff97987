//! Note.

use jiff::Timestamp;

use crate::object::object;
use crate::{Account, Contact, FieldMappings, Id, Opportunity, Ref, RemoteData, RemoteField, RemoteId, User};

object! {
    /// A text kept with a contact, account or opportunity.
    ///
    /// ```
    /// use unicrm_core::{from_json, Note};
    /// let note: Note = from_json(r#"{"content": "K-LINK is hiring!"}"#)?;
    /// assert_eq!(note.content.as_deref(), Some("K-LINK is hiring!"));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Note,
    /// What a write says about a [`Note`].
    NotePatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Note>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// Who wrote it.
        owner: Option<Ref<User>>,
        /// The text.
        content: Option<String>,
        /// The contact that it is about.
        contact: Option<Ref<Contact>>,
        /// The account that it is about.
        account: Option<Ref<Account>>,
        /// The opportunity that it is about.
        opportunity: Option<Ref<Opportunity>>,
        /// When the remote record last changed.
        remote_updated_at: Option<Timestamp>,
        /// When the remote record was made.
        remote_created_at: Option<Timestamp>,
        /// Where people see the record in the remote's own pages.
        note_url: Option<String>,
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
