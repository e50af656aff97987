//! The faults of signing in and of finding the org, as real orgs show them: what happens, what is done, and which test of
//! `faults_auth.rs` shows it. A page of the book is made from this list.

/// What happens, what the plugin does, and the test.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    (
        "Session expiry in mid-pagination",
        "one refresh, then the same page again with the new token: no row is lost and none comes twice",
        "session_expiry_in_mid_pagination",
    ),
    (
        "Endless refresh loop",
        "one refresh and one more refusal end it: `Unauthenticated`, link again",
        "endless_refresh_loop",
    ),
    (
        "Bulk 1.0 says 400 instead of 401",
        "the code `InvalidSessionId` counts, not the status: refreshed once, asked again",
        "bulk_1_says_400_instead_of_401",
    ),
    (
        "Refresh race in one process",
        "fifty requests with an ended session make one refresh, with and without rotation",
        "refresh_race_in_one_process",
    ),
    (
        "Refresh race across processes",
        "a lease in the credential store: several connections to one store make one refresh together",
        "refresh_race_across_processes",
    ),
    (
        "Refresh-token rotation",
        "the new refresh token is durable before the new access token is used; a spent one is `Unauthenticated`, asked for once",
        "refresh_token_rotation",
    ),
    (
        "`instance_url` changes",
        "adopted from every token answer; places in a reading are paths and go on at the new host",
        "instance_url_changes",
    ),
    (
        "Redirect drops the method or the token",
        "no redirect is followed: a new token names the new host, and the same request goes there whole",
        "redirect_drops_the_method_or_the_token",
    ),
    (
        "Wrong login host",
        "`Unauthenticated`, naming the host in use and the others there are",
        "wrong_login_host",
    ),
    (
        "Expired password",
        "`PermissionDenied`, not tried again, says to change the password",
        "expired_password",
    ),
    (
        "User without API access",
        "`PermissionDenied`, not tried again, names the edition and the permission",
        "user_without_api_access",
    ),
    (
        "API access off in profile",
        "`PermissionDenied`, not tried again, says to enable \"API Enabled\"",
        "api_access_off_in_profile",
    ),
    (
        "SOAP login going away",
        "no flow with a password, and no SOAP call to sign in",
        "soap_login_going_away",
    ),
    (
        "Salesforce Edge cold start",
        "420, with an empty body or a page, is waited for",
        "salesforce_edge_cold_start",
    ),
    ("406 with empty body", "tried again", "status_406_with_empty_body"),
    (
        "Transaction security",
        "tried again a few times; then `Unavailable`, naming the permission that exempts the user",
        "transaction_security",
    ),
    (
        "Tokens in logs",
        "secrets are in no error, no debug print and no log line, at any level",
        "tokens_in_logs",
    ),
];
