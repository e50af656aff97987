//! Engagement.

use jiff::Timestamp;

use crate::object::object;
use crate::open_enum::open_enum;
use crate::{
    Account, Contact, EngagementType, FieldMappings, Id, Ref, RemoteData, RemoteField, RemoteId, User,
};

object! {
    /// A call, meeting or e-mail that took place or is planned.
    ///
    /// ```
    /// use unicrm_core::{from_json, Direction, Engagement};
    /// let call: Engagement = from_json(r#"{"subject": "Call from customer", "direction": "INBOUND"}"#)?;
    /// assert_eq!(call.direction, Some(Direction::Inbound));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Engagement,
    /// What a write says about a [`Engagement`].
    EngagementPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Engagement>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// Who had it.
        owner: Option<Ref<User>>,
        /// What was said, or is to be said.
        content: Option<String>,
        /// What it is about.
        subject: Option<String>,
        /// Who began it.
        direction: Option<Direction>,
        /// What sort of engagement.
        engagement_type: Option<Ref<EngagementType>>,
        /// When it begins.
        start_time: Option<Timestamp>,
        /// When it ends.
        end_time: Option<Timestamp>,
        /// The company.
        account: Option<Ref<Account>>,
        /// The people.
        contacts: Vec<Ref<Contact>>,
        /// Where people see the record in the remote's own pages.
        engagement_url: Option<String>,
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
    /// Who began an engagement.
    ///
    /// ```
    /// use unicrm_core::Direction;
    /// assert_eq!(Direction::from("OUTBOUND"), Direction::Outbound);
    /// ```
    pub enum Direction {
        /// They came to us.
        Inbound => "INBOUND",
        /// We went to them.
        Outbound => "OUTBOUND",
    }
}
