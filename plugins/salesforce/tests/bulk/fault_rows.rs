//! The faults of reading by Bulk jobs: what happens, what the plugin does about it, and which test shows it.

/// Row, behaviour and test, in the order of the catalogue: limits, transport, jobs.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    (
        "Bulk daily limits",
        "REST reads the object, and Bulk is not asked about it again for an hour",
        "bulk_daily_limits",
    ),
    (
        "Body complete but rows missing",
        "each page is counted against `Sforce-NumberOfRecords` and asked for again; one that stays short is not believed, and REST \
         reads the object",
        "body_complete_but_rows_missing",
    ),
    (
        "Long silent response",
        "the time limit is one of each piece of a page, not of the page; a page that falls silent is asked for again and goes on \
         behind the last row that arrived",
        "long_silent_response",
    ),
    (
        "Object not supported",
        "REST reads it, and Bulk is not asked about it again for an hour",
        "object_not_supported",
    ),
    (
        "Compound fields",
        "never selected: their parts are; should a job be refused all the same, REST reads the object",
        "compound_fields",
    ),
    (
        "base64 fields",
        "never in a job's query; bodies of enhanced notes come by REST, one call each",
        "base64_fields",
    ),
    ("403 on create", "REST reads the object", "forbidden_on_create"),
    (
        "Job `Failed`",
        "its `errorMessage` is read: after a time-out REST reads with smaller queries, and the next reading may try a job again; \
         otherwise REST, and Bulk is left alone for an hour",
        "job_failed",
    ),
    ("Job `Aborted`", "made once more; aborted again, REST reads the object", "job_aborted"),
    (
        "Job never ends",
        "the host gets an empty page every ten seconds and keeps its token; after an hour the job is aborted and REST reads the \
         object",
        "job_never_ends",
    ),
    (
        "`Sforce-Locator: null`",
        "a page without this header, or without `Sforce-NumberOfRecords`, is not believed: asked for again, then REST",
        "sforce_locator_null",
    ),
    (
        "result page order / parallel",
        "`resultPages` names them, two are fetched at once and delivered in order, and each knows where it stands",
        "result_page_order_and_parallel",
    ),
    (
        "CSV null",
        "an empty cell is null: Salesforce keeps no empty text",
        "any_values_are_the_same_by_rest_and_by_job",
    ),
    (
        "\"NA\", \"null\", \"NaN\" strings",
        "text is text; only the describe's type decides what a cell is",
        "any_values_are_the_same_by_rest_and_by_job",
    ),
    (
        "quoted newlines, CRLF, doubled quotes",
        "a streaming reader of CSV, over pieces of any size",
        "any_values_are_the_same_by_rest_and_by_job",
    ),
    ("NUL bytes", "kept, as REST keeps them", "any_values_are_the_same_by_rest_and_by_job"),
    (
        "Numbers",
        "exact decimals from their text: `1.6E13` and `5.0` are the numbers that REST sends",
        "any_values_are_the_same_by_rest_and_by_job",
    ),
    ("Header-only CSV", "no rows", "header_only_csv"),
    (
        "Result life",
        "job, page and row are in the page token: another process goes on with the same job; a job that is gone is made once more, \
         then REST reads the object",
        "result_life",
    ),
    (
        "Job counts disagree",
        "all pages together are counted against `numberRecordsProcessed`; where they differ, REST reads the object",
        "job_counts_disagree",
    ),
];
