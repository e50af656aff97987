//! The faults that a reading can meet, by the kind of request that meets them.

use unicrm_salesforce_emulator::{Fault, Resource};

use crate::draw::Draw;
use crate::objects::Remote;

/// The requests of a sync.
pub(crate) const OPERATIONS: [Resource; 10] = [
    Resource::Query,
    Resource::QueryMore,
    Resource::Replication,
    Resource::Describe,
    Resource::Composite,
    Resource::Blob,
    Resource::Token,
    Resource::BulkQuery,
    Resource::BulkStatus,
    Resource::BulkResults,
];

/// What any request may meet.
fn anywhere() -> Vec<Fault> {
    vec![
        Fault::EdgeEmpty,
        Fault::EdgePage,
        Fault::NotAcceptable,
        Fault::TooManyRequests { retry_after: None },
        Fault::ServerUnavailable,
        Fault::ServerUnavailablePage,
        Fault::MaintenancePage,
        Fault::LoginPage,
        Fault::BodyCut { chunked: false },
        Fault::BodyCut { chunked: true },
        Fault::GzipMislabelled,
        Fault::GzipTwice,
        Fault::ConnectionClosed,
        Fault::ConnectionReset,
        Fault::BodyStalled { milliseconds: 5 },
        Fault::Delay { milliseconds: 5 },
        Fault::UnknownException,
        Fault::AnswerLost,
    ]
}

/// What any request of the data API may meet besides.
fn of_the_api() -> Vec<Fault> {
    vec![
        Fault::SessionExpired,
        Fault::SessionRejected,
        Fault::InstanceMoved { redirect: None },
        Fault::InstanceMoved { redirect: Some(302) },
        Fault::ApiDisabledForOrg,
        Fault::ApiCurrentlyDisabled,
        Fault::ExpiredPassword,
        Fault::TotalRequests,
        Fault::ConcurrentRequests,
        Fault::ConcurrentLongTransactions,
        Fault::TransactionSecurity,
        Fault::UriTooLong,
        Fault::HeadersTooLarge,
        Fault::VersionRetired,
    ]
}

/// The faults that a kind of request can meet. Those that hide a field or an object name one of the remote's.
pub(crate) fn of(resource: Resource, remote: Remote) -> Vec<Fault> {
    let mut faults = anywhere();
    if resource == Resource::Token {
        faults.push(Fault::RefreshRefused);
        return faults;
    }
    faults.extend(of_the_api());
    let object = remote.sobject().to_owned();
    if matches!(resource, Resource::Query | Resource::QueryMore) {
        faults.extend([Fault::QueryTimeout, Fault::OperationTooLarge, Fault::ShortPage { bytes: 400 }]);
        if let Some(field) = remote.hideable().first() {
            faults.push(Fault::FieldDisappears { object: object.clone(), field: (*field).to_owned() });
        }
    }
    if resource == Resource::QueryMore {
        faults.push(Fault::InvalidQueryLocator);
    }
    match resource {
        Resource::BulkQuery => faults.extend([
            Fault::JobFailed { message: "InternalServerError : Retry your request".to_owned() },
            Fault::JobAborted,
            Fault::BulkDailyJobs,
            Fault::BulkDailyVolume,
        ]),
        Resource::BulkResults => {
            faults.extend([Fault::ResultRowsLost { rows: 1 }, Fault::LocatorHeaderMissing]);
        }
        _ => {}
    }
    faults.push(Fault::ObjectDisappears { object });
    faults
}

/// A fault that a program can meet: what it reads by jobs, and whether it has notes, decides on the requests.
pub(crate) fn draw(draw: &mut Draw, remote: Remote, bulk: bool, notes: bool) -> (Fault, Resource) {
    let possible: Vec<Resource> = OPERATIONS
        .into_iter()
        .filter(|resource| match resource {
            Resource::BulkQuery | Resource::BulkStatus | Resource::BulkResults => bulk,
            // Only notes have bytes apart from their rows.
            Resource::Blob => notes,
            _ => true,
        })
        .collect();
    let resource = *draw.of(&possible);
    let faults = of(resource, remote);
    (draw.of(&faults).clone(), resource)
}

/// A fault's name, as the tables show it.
pub(crate) fn name(fault: &Fault) -> String {
    let name = format!("{fault:?}");
    let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    match fault {
        Fault::BodyCut { chunked: true } => format!("{name} (chunked)"),
        Fault::InstanceMoved { redirect: Some(_) } => format!("{name} (redirect)"),
        _ => name,
    }
}
