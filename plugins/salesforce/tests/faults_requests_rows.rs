//! The faults of quotas, of throttling and of the way there and back: what happens, what is done, and which test shows it.
//! A page of the book is made from this list.

/// Row, behaviour and test, in the order of the catalogue: quotas and throttling, then transport.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    (
        "24 h API quota",
        "`QuotaExhausted` at once, with the time to come back in an hour, as the window rolls; the reading goes on from its token",
        "daily_api_quota",
    ),
    (
        "Concurrent requests",
        "fewer requests at once, and sent again after short pauses; one that lasts is `RateLimited`, never a used-up quota",
        "concurrent_requests",
    ),
    ("Concurrent long transactions", "the same as too many requests at once", "concurrent_long_transactions"),
    (
        "Quota foresight",
        "each page and each report of access says what is used; bodies of notes, one call each, wait for a later reading when \
         less than a tenth is left; a sync ends resumably when less than 5 % is (`--keep-quota`)",
        "quota_foresight",
    ),
    ("Header absent", "the quota is unknown, and nothing else changes", "the_quota_is_read_from_its_header"),
    (
        "Bulk daily limits",
        "REST reads the object, and Bulk is not asked about it again for an hour",
        "bulk_daily_limits",
    ),
    (
        "Composite batch throttled",
        "that resource is not used: composite calls, graphs and collections are",
        "composite_batch_throttled",
    ),
    ("429", "sent again after as long as `Retry-After` says", "status_429"),
    (
        "Composite limits",
        "graphs of at most 500 requests and 75 graphs a call, 25 requests a composite call, never more",
        "composite_limits",
    ),
    ("Collections > 200", "calls of 200 rows", "collections_over_200"),
    (
        "Email, async, streaming quotas",
        "nothing draws on them: changes are asked for, and no mail, event or stream is used",
        "email_async_and_streaming_quotas",
    ),
    (
        "503 JSON",
        "reads and safe writes are sent again; a create is looked for first, so that none comes twice",
        "status_503_json",
    ),
    (
        "503 HTML",
        "the status decides before the content: sent again, then `Unavailable`; the page is never read as JSON",
        "status_503_html",
    ),
    ("200 + HTML", "told by its content: sent again, then `Unavailable`", "status_200_html"),
    (
        "Body cut in the middle",
        "an incomplete answer is an error and is asked for again",
        "body_cut_in_the_middle",
    ),
    (
        "Body complete but rows missing",
        "pages of a job are counted against their header and asked for again; one that stays short is not believed, and REST \
         reads the object",
        "body_complete_but_rows_missing",
    ),
    ("gzip mislabelled", "the first bytes decide, plain, packed or packed twice", "gzip_mislabelled"),
    ("URI too long", "the query travels in the body of a composite call", "uri_too_long"),
    ("Header too large", "the query travels in the body of a composite call", "header_too_large"),
    (
        "keep-alive closed by peer",
        "reads and safe writes are sent again; a create is looked for, and in doubt when it is not found: none comes twice",
        "keep_alive_closed_by_peer",
    ),
    (
        "Long silent response",
        "the time limit is one of each piece of an answer, not of the whole; one that falls silent is asked for again",
        "long_silent_response",
    ),
    (
        "500 `UNKNOWN_EXCEPTION`",
        "three attempts, then `Unavailable` with Salesforce's ErrorId",
        "status_500_unknown_exception",
    ),
    (
        "TLS/DNS after org migration",
        "a host that is gone means a new token, which names the new one",
        "an_old_host_that_is_gone_is_found_anew",
    ),
    (
        "Trailing slash, encoding of `q`",
        "one way to ask: no slash, `q` encoded, and none behind a locator; the emulator takes the others as Salesforce does",
        "trailing_slash_and_encoding_of_q",
    ),
];
