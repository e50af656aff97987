//! Task.

use jiff::Timestamp;

use crate::object::object;
use crate::open_enum::open_enum;
use crate::{Account, Contact, FieldMappings, Id, Opportunity, Ref, RemoteData, RemoteField, RemoteId, User};

object! {
    /// Something to do.
    ///
    /// ```
    /// use unicrm_core::{from_json, Task, TaskStatus};
    /// let task: Task = from_json(r#"{"subject": "Contact about Integration Strategy", "status": "OPEN"}"#)?;
    /// assert_eq!(task.status, Some(TaskStatus::Open));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub struct Task,
    /// What a write says about a [`Task`].
    TaskPatch {
        /// The unified id, computed from the linked account and the remote id.
        id: Option<Id<Task>>,
        /// The remote's own id.
        remote_id: Option<RemoteId>,
        /// When our copy was made.
        created_at: Option<Timestamp>,
        /// When our copy last changed.
        modified_at: Option<Timestamp>,
        /// What it is about.
        subject: Option<String>,
        /// What is to be done.
        content: Option<String>,
        /// Who is to do it.
        owner: Option<Ref<User>>,
        /// The company.
        account: Option<Ref<Account>>,
        /// The deal.
        opportunity: Option<Ref<Opportunity>>,
        /// The person.
        contact: Option<Ref<Contact>>,
        /// When it was done.
        completed_date: Option<Timestamp>,
        /// When it should be done.
        due_date: Option<Timestamp>,
        /// Whether it is done.
        status: Option<TaskStatus>,
        /// Where people see the record in the remote's own pages.
        task_url: Option<String>,
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
    /// Whether a task is done.
    ///
    /// ```
    /// use unicrm_core::TaskStatus;
    /// assert_eq!(TaskStatus::from("CLOSED"), TaskStatus::Closed);
    /// ```
    pub enum TaskStatus {
        /// Still to do.
        Open => "OPEN",
        /// Done.
        Closed => "CLOSED",
    }
}
