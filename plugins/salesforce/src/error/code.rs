//! Salesforce's own codes of errors.

use std::fmt;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident => $text:literal,)+) => {
        /// The code of an error: one that the plugin acts on, or any other as it came.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$meta])* $name,)+
            /// Every other code.
            Other(Box<str>),
        }

        impl Code {
            /// The code as Salesforce spells it.
            pub(crate) fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for Code {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$name,)+
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

codes! {
    /// The session is over.
    InvalidSession => "INVALID_SESSION_ID",
    /// The same in the Bulk API 1.0, with status 400.
    InvalidSessionOfBulk => "InvalidSessionId",
    /// The token is malformed.
    InvalidAuthHeader => "INVALID_AUTH_HEADER",
    /// The session is over, as the identity service says it.
    BadOAuthToken => "Bad_OAuth_Token",
    /// No token, as the identity service says it.
    MissingOAuthToken => "Missing_OAuth_Token",
    /// The daily quota, or too many requests at once: the message tells which.
    RequestLimitExceeded => "REQUEST_LIMIT_EXCEEDED",
    /// Maintenance or overload.
    ServerUnavailable => "SERVER_UNAVAILABLE",
    /// A defect at Salesforce.
    UnknownException => "UNKNOWN_EXCEPTION",
    /// Transaction security policies took too long.
    TransactionSecurity => "TXN_SECURITY_METERING_ERROR",
    /// The org's edition has no API.
    ApiDisabledForOrg => "API_DISABLED_FOR_ORG",
    /// The user may not use the API.
    ApiDisabled => "API_CURRENTLY_DISABLED",
    /// The user's password has expired.
    ExpiredPassword => "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
    /// The version was retired.
    UnsupportedApiVersion => "UNSUPPORTED_API_VERSION",
    /// The query ran too long: ask for a smaller window.
    QueryTimeout => "QUERY_TIMEOUT",
    /// The cursor is gone: go on from the keyset.
    InvalidQueryLocator => "INVALID_QUERY_LOCATOR",
    /// The query is wrong, or not allowed for this object.
    MalformedQuery => "MALFORMED_QUERY",
    /// A field does not exist, or not for this user, or not in this place.
    InvalidField => "INVALID_FIELD",
    /// An object does not exist, or not for this user.
    InvalidType => "INVALID_TYPE",
    /// The query touches more than one request may.
    OperationTooLarge => "OPERATION_TOO_LARGE",
    /// The window of getUpdated or getDeleted is out of range.
    InvalidReplicationDate => "INVALID_REPLICATION_DATE",
    /// Too many ids at once.
    ExceededIdLimit => "EXCEEDED_ID_LIMIT",
    /// No such record or resource.
    NotFound => "NOT_FOUND",
    /// The record is in the recycle bin.
    EntityIsDeleted => "ENTITY_IS_DELETED",
    /// Somebody else is changing the record.
    UnableToLockRow => "UNABLE_TO_LOCK_ROW",
    /// A duplicate rule stands against it.
    DuplicatesDetected => "DUPLICATES_DETECTED",
    /// A value that no two records may have.
    DuplicateValue => "DUPLICATE_VALUE",
    /// A key fits several records.
    DuplicateKey => "DUPLICATE_EXTERNAL_ID",
    /// An id that leads to no record that this user may see.
    InvalidReference => "INVALID_CROSS_REFERENCE_KEY",
    /// The lead was converted.
    ConvertedLead => "CANNOT_UPDATE_CONVERTED_LEAD",
    /// Nothing was done because something else in the same transaction failed.
    ProcessingHalted => "PROCESSING_HALTED",
    /// An external id fits several records: Salesforce answers 300 and gives no code, so this one is ours.
    MultipleMatches => "MULTIPLE_MATCHES",
    /// An error status without a code, which is ours too.
    Unspecified => "UNSPECIFIED",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
