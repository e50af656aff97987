//! The rows that every org has before any record is in it.

use jiff::Timestamp;

use super::draw::{DAY, at};
use super::world::user_id;
use super::{RowSink, picklists, security};
use crate::SalesforceError;
use crate::org::Record;
use crate::schema::Schema;
use crate::schema::ids::salesforce_id;

/// Writes the organization, its licences, profiles, permission sets, roles, queues, record types and status rows, and
/// the administrator whom the API runs as: the first User (`005`) of an Organization that is the first `00D`.
///
/// # Errors
/// The first error of the sink.
pub(crate) fn setup(schema: &Schema, now: Timestamp, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    let born = at(now.as_second() - 1500 * DAY);
    let admin = user_id(0);
    let base = Record::new()
        .with("CreatedDate", born)
        .with("CreatedById", admin.as_str())
        .with("LastModifiedDate", born)
        .with("LastModifiedById", admin)
        .with("SystemModstamp", born);
    let organization = base
        .clone()
        .with("Id", salesforce_id("00D", 1))
        .with("Name", "Emulated Org")
        .with("Division", "Integration")
        .with("Street", "1 Market Street")
        .with("City", "San Francisco")
        .with("State", "CA")
        .with("PostalCode", "94105")
        .with("Country", "US")
        .with("DefaultLocaleSidKey", "en_US")
        .with("TimeZoneSidKey", "America/Los_Angeles")
        .with("LanguageLocaleKey", "en_US")
        .with("OrganizationType", "Developer Edition")
        .with("InstanceName", "EMU1")
        .with("IsSandbox", false)
        .with("FiscalYearStartMonth", 1_i64)
        .with("DefaultAccountAccess", "Edit")
        .with("DefaultContactAccess", "ControlledByParent")
        .with("DefaultOpportunityAccess", "Edit")
        .with("DefaultLeadAccess", "ReadEditTransfer")
        .with("DefaultCaseAccess", "ReadEditTransfer")
        .with("UiSkin", "Theme3");
    sink("Organization", organization)?;
    security::rows(schema, &base, sink)?;
    picklists::rows(schema, &base, sink)
}
