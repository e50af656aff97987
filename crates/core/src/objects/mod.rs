//! The ten unified objects, one a file.

mod account;
mod contact;
mod engagement;
mod engagement_type;
mod lead;
mod note;
mod opportunity;
mod stage;
mod task;
mod user;

pub use account::{Account, AccountPatch};
pub use contact::{Contact, ContactPatch};
pub use engagement::{Direction, Engagement, EngagementPatch};
pub use engagement_type::{ActivityType, EngagementType, EngagementTypePatch};
pub use lead::{Lead, LeadPatch, LeadStatus};
pub use note::{Note, NotePatch};
pub use opportunity::{Opportunity, OpportunityPatch, OpportunityStatus};
pub use stage::{Stage, StagePatch};
pub use task::{Task, TaskPatch, TaskStatus};
pub use user::{User, UserPatch};
