//! Stage.

use jiff::Timestamp;

use crate::object::object;
use crate::{FieldMappings, Id, RemoteData, RemoteField, RemoteId};

object! {
    /// A step that deals pass through.
    ///
    /// ```
    /// use unicrm_core::{from_json, Stage};
    /// let stage: Stage = from_json(r#"{"name": "Proposal"}"#)?;
    /// assert_eq!(stage.name.as_deref(), Some("Proposal"));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Stage,
    /// What a write says about a [`Stage`].
    StagePatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Stage>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// What people call it.
        name: Option<String>,
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
