//! The faults of writing: what happens, what the plugin does about it, and which test shows it.

/// Row, behaviour and test, in the order of the catalogue: writes, the limits of composite requests, ingest jobs.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    (
        "UNABLE_TO_LOCK_ROW",
        "sent again up to five times with growing, scattered pauses, rows of one parent together and one call at a time; then a \
         conflict that says so",
        "unable_to_lock_row",
    ),
    (
        "DUPLICATES_DETECTED",
        "a conflict with the ids of the records that the rule found; allowed by the caller, the write passes the rule",
        "duplicates_detected",
    ),
    ("DUPLICATE_VALUE", "a conflict with the id of the record that has the value", "duplicate_value"),
    (
        "Several matches on upsert",
        "a conflict with the ids of all that fit; nothing is written",
        "several_matches_on_upsert",
    ),
    (
        "ENTITY_IS_DELETED, INVALID_CROSS_REFERENCE_KEY",
        "a deletion of what is deleted succeeds; a change names the record that it was merged into, or says that there is none; \
         a reference to nobody is an error of its field",
        "entity_is_deleted_and_invalid_cross_reference_key",
    ),
    (
        "Merge support",
        "there is no merge among the writes; one that is asked for by a request of the remote's own API answers with Salesforce's \
         own error",
        "merge_support",
    ),
    (
        "Converted lead is read-only",
        "a conflict with the ids of the contact and the account that the lead became",
        "converted_lead_is_read_only",
    ),
    (
        "Validation rule, required",
        "an error of the unified field, or of the row where the rule names no field",
        "validation_rule_and_required",
    ),
    (
        "Not writeable field",
        "seen in the describe before anything is sent: an error of the unified field; a field that is only read is a warning",
        "not_writeable_field",
    ),
    (
        "allOrNone default",
        "said in each call: rows stand alone, a record and what ties it go together",
        "all_or_none_default",
    ),
    (
        "State/Country picklists",
        "codes are written as codes and names as names, whichever the caller has; unknown ones are errors of the address",
        "state_and_country_picklists",
    ),
    (
        "Optimistic lock",
        "offered by requests of the remote's own API with If-Unmodified-Since: 412 comes back as it is",
        "optimistic_lock",
    ),
    (
        "POST retried after timeout",
        "never blindly: the record is looked for by all that was written, and where that settles nothing the row is in doubt",
        "post_retried_after_timeout",
    ),
    (
        "Composite limits",
        "graphs of at most 500 requests and 75 graphs a call, 25 requests a composite call, never more",
        "composite_limits",
    ),
    ("Collections > 200", "calls of 200 rows", "collections_over_200"),
    (
        "Bulk ingest: object not supported, no permission, quota of the day",
        "collections take its place, and it is remembered",
        "where_jobs_are_refused_collections_take_their_place",
    ),
    (
        "Bulk ingest: job Failed",
        "rows with a result keep it, the others go by collections, which say why",
        "a_job_that_fails_leaves_its_rows_to_collections",
    ),
    (
        "Bulk ingest: job Aborted, job never ends",
        "a job that takes too long is aborted; rows that were not processed fail, and may be sent again",
        "a_job_that_is_aborted_or_does_not_end_is_not_repeated",
    ),
    (
        "Bulk ingest: partial failure",
        "each row has the result with its content, whatever the order; the error is taken apart into code, message and fields",
        "each_row_of_a_job_has_its_own_outcome",
    ),
    (
        "Bulk ingest: CSV null",
        "an empty cell for what is not named, #N/A for null; a text that reads #N/A goes by collections",
        "changes_keep_what_they_do_not_name_and_clear_what_is_null",
    ),
    (
        "Bulk ingest: lost answers",
        "a job does nothing before it is closed, and afterwards says itself what it did: no row is written twice",
        "lost_answers_make_no_duplicate",
    ),
    (
        "Bulk ingest: results that nobody can read",
        "the rows are in doubt, and their error names the job, whose results are kept for seven days",
        "a_job_that_nobody_can_ask_leaves_its_rows_in_doubt_and_is_named",
    ),
];
