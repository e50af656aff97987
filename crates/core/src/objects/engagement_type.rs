//! EngagementType.

use jiff::Timestamp;

use crate::object::object;
use crate::open_enum::open_enum;
use crate::{Id, RemoteField, RemoteId};

object! {
    /// What sort of engagement: a call, a meeting, an e-mail, or one of the remote's own finer sorts.
    ///
    /// ```
    /// use unicrm_core::{from_json, ActivityType, EngagementType};
    /// let sort: EngagementType = from_json(r#"{"activity_type": "CALL", "name": "First Call"}"#)?;
    /// assert_eq!(sort.activity_type, Some(ActivityType::Call));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct EngagementType,
    /// What a write says about a [`EngagementType`].
    EngagementTypePatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<EngagementType>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// Which of the three it is at heart.
        activity_type: Option<ActivityType>,
        /// What people call it.
        name: Option<String>,
        /// Remote fields that have no unified place.
        remote_fields: Vec<RemoteField>,
    }
}

open_enum! {
    /// The three sorts of engagement.
    ///
    /// ```
    /// use unicrm_core::ActivityType;
    /// assert_eq!(ActivityType::from("MEETING"), ActivityType::Meeting);
    /// ```
    pub enum ActivityType {
        /// A phone call.
        Call => "CALL",
        /// A meeting.
        Meeting => "MEETING",
        /// An e-mail.
        Email => "EMAIL",
    }
}
