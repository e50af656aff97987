//! Faults on demand: what real orgs answer on bad days, switched on by kind of resource.

mod garble;
mod plan;

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

pub(crate) use garble::garbled;
pub(crate) use plan::{Plan, Tamper, headers_too_large, uri_too_long};

use super::log::Resource;
use crate::org::lock;

/// Rules kept at a time.
const MAX_RULES: usize = 1_000;

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FaultRule {
    /// The kind of resource whose requests it strikes.
    #[serde(default = "any")]
    pub resource: Resource,
    /// Only requests about this object: queries FROM it, its records, its describe.
    #[serde(default)]
    pub object: Option<String>,
    /// Matching requests that pass unharmed first.
    #[serde(default)]
    pub after: u64,
    /// How many requests it strikes; none is for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// What happens.
    pub fault: Fault,
}

fn any() -> Resource {
    Resource::Any
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

impl FaultRule {
    /// A fault that strikes the first request of this kind, once.
    #[must_use]
    pub fn new(resource: Resource, fault: Fault) -> Self {
        Self { resource, object: None, after: 0, times: Some(1), fault }
    }

    /// Lets the first `requests` pass.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Strikes so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes for ever.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = None;
        self
    }

    /// Strikes only requests about this object.
    #[must_use]
    pub fn on_object(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The session ends: 401 `INVALID_SESSION_ID`; a new token works.
    SessionExpired,
    /// 401 `INVALID_SESSION_ID` although the session is good; with `times: null` new tokens do not help either.
    SessionRejected,
    /// The token endpoint answers `invalid_grant`, "expired access/refresh token".
    RefreshRefused,
    /// The token endpoint answers 400 with this `error` and `error_description`: a wrong login host says `invalid_grant`,
    /// "authentication failure".
    GrantRefused {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
    },
    /// The org moves to another host: the old one redirects with this status, or answers 401 when there is none.
    InstanceMoved {
        /// 301, 302, 307 or 308.
        redirect: Option<u16>,
    },
    /// 403 `API_DISABLED_FOR_ORG`.
    ApiDisabledForOrg,
    /// 403 `API_CURRENTLY_DISABLED`.
    ApiCurrentlyDisabled,
    /// 403 `INVALID_OPERATION_WITH_EXPIRED_PASSWORD`.
    ExpiredPassword,
    /// 420 with an empty body.
    EdgeEmpty,
    /// 420 with the page "We are setting things up".
    EdgePage,
    /// 406 with an empty body.
    NotAcceptable,
    /// 429, with `Retry-After` in seconds when given.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: Option<u64>,
    },
    /// 503 `SERVER_UNAVAILABLE` as JSON.
    ServerUnavailable,
    /// 503 with a maintenance page.
    ServerUnavailablePage,
    /// 200 with a maintenance page.
    MaintenancePage,
    /// 200 with a login page.
    LoginPage,
    /// The answer ends in the middle of its body.
    BodyCut {
        /// Cut a chunked body; otherwise one whose `Content-Length` promises more.
        #[serde(default)]
        chunked: bool,
    },
    /// The answer says gzip and is not.
    GzipMislabelled,
    /// The answer says gzip and is packed twice.
    GzipTwice,
    /// The connection ends before an answer.
    ConnectionClosed,
    /// The connection is reset before an answer.
    ConnectionReset,
    /// The answer stops in the middle of its body for this long, then goes on.
    BodyStalled {
        /// Milliseconds, at most 120,000.
        milliseconds: u64,
    },
    /// The answer comes this much later.
    Delay {
        /// Milliseconds, at most 120,000.
        milliseconds: u64,
    },
    /// 500 `UNKNOWN_EXCEPTION`.
    UnknownException,
    /// 403 `REQUEST_LIMIT_EXCEEDED`: the daily quota.
    TotalRequests,
    /// 403 `REQUEST_LIMIT_EXCEEDED`: concurrent requests.
    ConcurrentRequests,
    /// 403 `REQUEST_LIMIT_EXCEEDED`: concurrent long transactions.
    ConcurrentLongTransactions,
    /// 403 `TXN_SECURITY_METERING_ERROR`.
    TransactionSecurity,
    /// 400 `QUERY_TIMEOUT`.
    QueryTimeout,
    /// 400 `INVALID_QUERY_LOCATOR`; the locator is gone for good.
    InvalidQueryLocator,
    /// A field stops being visible, as when somebody takes it out of a permission set.
    FieldDisappears {
        /// Object API name.
        object: String,
        /// Field API name.
        field: String,
    },
    /// An object stops being visible.
    ObjectDisappears {
        /// Object API name.
        object: String,
    },
    /// 400 `OPERATION_TOO_LARGE`.
    OperationTooLarge,
    /// 414 with a page.
    UriTooLong,
    /// 431 with a page.
    HeadersTooLarge,
    /// 410 `UNSUPPORTED_API_VERSION`.
    VersionRetired,
    /// 400 `UNABLE_TO_LOCK_ROW`.
    UnableToLockRow,
    /// Single rows of a collection fail, and the others do not.
    RowsFail {
        /// Their numbers, from 0.
        rows: Vec<usize>,
        /// `statusCode` of their errors.
        code: String,
        /// Message.
        message: String,
    },
    /// A query page ends before it grows beyond this size, as pages of wide rows do.
    ShortPage {
        /// Bytes; one row always fits.
        bytes: usize,
    },
    /// One value on a page of records is another one than the field can hold.
    GarbledValue {
        /// Field API name.
        field: String,
        /// Id of the record; without it, the first on the page that has the field.
        #[serde(default)]
        record: Option<String>,
        /// The text that comes in place of the value.
        text: String,
    },
    /// The request is carried out, and the connection ends before the answer: the caller cannot know.
    AnswerLost,
    /// A page of bulk results lacks so many rows at its end, which `Sforce-NumberOfRecords` still counts.
    ResultRowsLost {
        /// Rows that are missing.
        rows: u64,
    },
    /// A page of bulk results comes without `Sforce-Locator`.
    LocatorHeaderMissing,
    /// A list of the pages of bulk results lacks its last one.
    ResultPageLost,
    /// The bulk job that is created fails.
    JobFailed {
        /// `errorMessage` of the job.
        message: String,
    },
    /// The bulk job that is created is aborted, as by an administrator.
    JobAborted,
    /// The bulk job that is created stays in progress for ever.
    JobEndless,
    /// 400 `EXCEEDEDQUOTA`: the query jobs of the day.
    BulkDailyJobs,
    /// 400 `EXCEEDEDQUOTA`: the volume of query results of the day.
    BulkDailyVolume,
    /// Any JSON error.
    Error {
        /// HTTP status.
        status: u16,
        /// `errorCode`.
        code: String,
        /// Message.
        message: String,
    },
}

/// The faults that are switched on. Clones control the same emulator.
#[derive(Clone, Debug, Default)]
pub struct FaultControl {
    rules: Arc<Mutex<Vec<Active>>>,
}

#[derive(Clone, Debug)]
struct Active {
    rule: FaultRule,
    seen: u64,
    struck: u64,
}

/// A rule and how often it has struck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaultState {
    /// The rule.
    pub rule: FaultRule,
    /// Requests that matched it.
    pub seen: u64,
    /// Requests that it struck.
    pub struck: u64,
}

impl FaultControl {
    /// Switches a fault on. Above 1,000 rules the oldest goes.
    pub fn add(&self, rule: FaultRule) {
        let mut rules = lock(&self.rules);
        if rules.len() >= MAX_RULES {
            rules.remove(0);
        }
        rules.push(Active { rule, seen: 0, struck: 0 });
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        lock(&self.rules).clear();
    }

    /// All rules, those that are used up too, with their counters.
    #[must_use]
    pub fn states(&self) -> Vec<FaultState> {
        let rules = lock(&self.rules);
        rules.iter().map(|a| FaultState { rule: a.rule.clone(), seen: a.seen, struck: a.struck }).collect()
    }

    /// Requests struck so far, by all rules.
    #[must_use]
    pub fn struck(&self) -> u64 {
        lock(&self.rules).iter().map(|active| active.struck).sum()
    }

    /// The faults that strike this request now.
    pub(crate) fn strike(&self, resource: Resource, object: Option<&str>) -> Vec<Fault> {
        self.strike_where(object, |rule| rule.resource == Resource::Any || rule.resource == resource)
    }

    /// The same for a part of a composite request, which rules for any resource have struck as a whole.
    pub(crate) fn strike_part(&self, resource: Resource, object: Option<&str>) -> Vec<Fault> {
        self.strike_where(object, |rule| rule.resource == resource && Plan::fits_subrequest(&rule.fault))
    }

    fn strike_where(&self, object: Option<&str>, kind: impl Fn(&FaultRule) -> bool) -> Vec<Fault> {
        let mut struck = Vec::new();
        for active in lock(&self.rules).iter_mut() {
            let kind_fits = kind(&active.rule);
            let object_fits = match (&active.rule.object, object) {
                (None, _) => true,
                (Some(wanted), Some(object)) => wanted.eq_ignore_ascii_case(object),
                (Some(_), None) => false,
            };
            if !kind_fits || !object_fits {
                continue;
            }
            active.seen += 1;
            if active.seen > active.rule.after && active.rule.times.is_none_or(|times| active.struck < times)
            {
                active.struck += 1;
                struck.push(active.rule.fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_after_so_many_and_so_often() {
        let faults = FaultControl::default();
        faults
            .add(FaultRule::new(Resource::Query, Fault::QueryTimeout).after(1).times(2).on_object("Contact"));
        let strikes = |resource, object| faults.strike(resource, object).len();
        assert_eq!(strikes(Resource::QueryMore, Some("Contact")), 0);
        assert_eq!(strikes(Resource::Query, Some("Lead")), 0);
        let struck: Vec<usize> = (0..4).map(|_| strikes(Resource::Query, Some("contact"))).collect();
        assert_eq!(struck, [0, 1, 1, 0]);
        assert_eq!(faults.struck(), 2);
    }

    #[test]
    fn rules_read_from_json_with_their_defaults() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"resource":"query_more","fault":{"kind":"body_cut"}}"#).unwrap();
        assert_eq!(rule, FaultRule::new(Resource::QueryMore, Fault::BodyCut { chunked: false }));
        let rule: FaultRule =
            serde_json::from_str(r#"{"times":null,"fault":{"kind":"session_rejected"}}"#).unwrap();
        assert_eq!(rule, FaultRule::new(Resource::Any, Fault::SessionRejected).forever());
    }
}
