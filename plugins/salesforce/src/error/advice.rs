//! What the reader of a refusal can do about it, in the words of Salesforce's own setup pages.

use std::borrow::Cow;

use super::Refusal;

/// One sentence, or none where the message says it all.
pub(super) fn of(refusal: &Refusal) -> Option<Cow<'static, str>> {
    let user = refusal.user.as_deref().unwrap_or("the user that this account is linked with");
    let fixed = |text: &'static str| Some(Cow::Borrowed(text));
    let named = |text: String| Some(Cow::Owned(text));
    match refusal.code.as_str() {
        _ if refusal.is_concurrent_limit() => fixed(
            "Lower \"limits.concurrency\", or run fewer integrations against this org at the same time.",
        ),
        "REQUEST_LIMIT_EXCEEDED" => fixed(
            "The org's API calls of the last 24 hours are used up (Setup > Company Information > API Requests). What was done so \
             far is kept; calls come back hour by hour. Ask Salesforce for more calls if this happens often.",
        ),
        "API_DISABLED_FOR_ORG" => named(format!(
            "This org's edition has no API, or it is switched off for {user}: use an edition with API access \
             (Enterprise and above, or Professional with the API add-on), and enable the permission \"API Enabled\".",
        )),
        "API_CURRENTLY_DISABLED" => named(format!(
            "API access is off for this user: enable the permission \"API Enabled\" in the profile or a permission set of {user}.",
        )),
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => named(format!(
            "The password of {user} has expired: sign in once in the browser and change it, or give the user the \
             permission \"Password Never Expires\".",
        )),
        "TXN_SECURITY_METERING_ERROR" => named(format!(
            "Transaction security policies take too long: give {user} the permission \"Exempt from Transaction Security\", \
             or simplify the policies (Setup > Transaction Security Policies).",
        )),
        "UNSUPPORTED_API_VERSION" => {
            fixed("Salesforce has retired this API version: remove \"api_version\" from the configuration.")
        }
        "QUERY_TIMEOUT" => fixed(
            "The query is too slow: read a smaller scope, or ask Salesforce for an index on the date field.",
        ),
        "INVALID_QUERY_LOCATOR" => fixed("The reading was interrupted for too long: start it again."),
        "OPERATION_TOO_LARGE" => {
            named(format!("Give {user} the permission \"View All Data\", or read a smaller scope."))
        }
        "INVALID_TYPE" => named(format!(
            "The object does not exist in this org, or {user} may not see it: grant \"Read\" on the object in the profile or a \
             permission set.",
        )),
        "INVALID_FIELD" => named(format!(
            "The field does not exist in this org, or {user} may not see it: grant \"Read Access\" in its field-level security.",
        )),
        "INVALID_FIELD_FOR_INSERT_UPDATE" => named(format!(
            "Grant {user} \"Edit Access\" in the field-level security of the fields that are named."
        )),
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => named(format!(
            "Share the record with {user}, or give the user the object permission that is missing."
        )),
        "FUNCTIONALITY_NOT_ENABLED" => fixed("Switch the feature on in Setup, or leave it out."),
        "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION" => fixed(
            "Try again later; if it persists, look at status.salesforce.com or give Salesforce the ErrorId.",
        ),
        "DUPLICATES_DETECTED" => fixed("Use the record that exists, or allow duplicates for this write."),
        "UNABLE_TO_LOCK_ROW" => fixed("Another process is changing the same record: try again."),
        "CANNOT_UPDATE_CONVERTED_LEAD" => {
            fixed("The lead was converted: change the contact, account or opportunity that it became.")
        }
        _ if refusal.is_about_session() => fixed("Link the account again."),
        _ => None,
    }
}
