# The project's only vocabulary: what CI runs and what a contributor types.

fixtures := env("UNICRM_FIXTURES", justfile_directory() / "../shared/fixtures/salesforce")

[private]
default:
    @just --list --unsorted

# A Salesforce org on this machine, linked, synced, changed and synced again.
demo *ARGS:
    cargo run --release --bin unicrm -- demo {{ARGS}}

# The README's test command.
test *ARGS:
    cargo test --workspace {{ARGS}}

# The workspace is named so that nothing is compiled with other features than for `just test`.
# The store's cases on PostgreSQL, which must be there (UNICRM_TEST_POSTGRES, else postgres://root@127.0.0.1/test).
postgres *ARGS:
    UNICRM_REQUIRE_POSTGRES=1 cargo test --workspace --test store {{ARGS}}
    UNICRM_REQUIRE_POSTGRES=1 cargo test --workspace --test it postgres

# Everything that CI runs after the tests.
lint: fmt-check clippy doc deny

# Formats the code.
fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The command line has its own line and is first: its pages and those of the crate `unicrm` go into one folder, and when both
# are written at once one deletes the other's.
# API documentation; a broken link is an error.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc -p unicrm-cli --no-deps --document-private-items
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude unicrm-cli --no-deps --document-private-items

# Licences, duplicate crates and sources.
deny:
    cargo deny check bans licenses sources

# Writes the pages of the book that are made from code: mapping and capability tables, commands.
docs-gen:
    UNICRM_DOCS=write cargo test -p unicrm-tests --test system generated
    UNICRM_DOCS=write cargo test -p unicrm-cli --test it the_page_of_commands

# Other people's clients against the emulator, and their counts and ids against ours.
interop:
    cargo build --release --bin unicrm
    tests/interop/run

# The conformance suite against a real org with your own credentials: UNICRM_LIVE_... in docs/testing.md. Writes to it.
live:
    cargo test -p unicrm-salesforce --test main -- --ignored --exact live::the_suite_against_a_real_org --nocapture

# The peak memory of the demo with 100,000 contacts.
memory CONTACTS="100000":
    cargo build --release --bin unicrm
    /usr/bin/time -v target/release/unicrm demo --contacts {{CONTACTS}} 2>&1 | grep -E "Maximum resident|Elapsed|Exit status"

# Rows a second into and out of a store: [CONTACTS] [PAGE] [postgres://...].
throughput *ARGS:
    cargo run --release -p unicrm-store --example throughput -- {{ARGS}}

# Benchmarks: the cost of mapping beside bare parsing.
bench *ARGS:
    cargo bench -p unicrm-salesforce {{ARGS}}

# How long a million contacts keep an incoming call waiting: the store's look-up by phone, below 5 ms for 99 of 100.
lookup *ARGS:
    cargo run --release -p unicrm-store --example lookup -- {{ARGS}}

# That planted bugs are found is among the tests of `just test`. Each fault must meet each request and each change 50 times in
# 5,000 programs; which calls a program makes depends a little on time, so there are some programs more.
# Random programs of changes, syncs, faults and crashes against the emulator: PROGRAMS of them, from SEED on.
model PROGRAMS="5300" SEED="1":
    UNICRM_PROGRAMS={{PROGRAMS}} UNICRM_SEED={{SEED}} UNICRM_PARALLEL=48 cargo run --release --bin model

# CONTACTS=27500 is an org of 100,000 records. DATABASE is a PostgreSQL URL, or empty for a SQLite file.
# Kills the real binary at random moments of a sync: KILLS times by REST and as often by Bulk.
crash KILLS="100" CONTACTS="27500" DATABASE="":
    UNICRM_CRASH_KILLS={{KILLS}} UNICRM_CRASH_CONTACTS={{CONTACTS}} UNICRM_CRASH_DATABASE_URL={{DATABASE}} cargo test --release -p unicrm-cli --test crash -- --nocapture --test-threads 1

# Each fault in the middle of a reading of 25,000 contacts, by REST and by Bulk; writes the table of the book.
fault-matrix CONTACTS="25000":
    UNICRM_DOCS=write UNICRM_MATRIX_CONTACTS={{CONTACTS}} cargo test --release -p unicrm-tests --test system -- fault_matrix --nocapture

# The memory and the rate of a sync of MANY contacts beside one of FEW.
scale MANY="1000000" FEW="10000":
    cargo build --release --bin unicrm
    tests/scale {{MANY}} {{FEW}}

# Mutants of the mapping files that no test notices.
mutants *ARGS:
    cargo mutants -p unicrm-salesforce -f 'plugins/salesforce/src/objects/**/*.rs' --timeout 120 {{ARGS}} -- --lib objects

# Fuzzes one target for some seconds (needs a nightly toolchain and cargo-fuzz): soql_builder, sosl_builder, wire, soql_parser.
fuzz TARGET SECONDS="60":
    cargo +nightly fuzz run {{TARGET}} -- -max_total_time={{SECONDS}}

# Builds the fuzz targets without fuzzing.
fuzz-check:
    cargo check --manifest-path fuzz/Cargo.toml --target-dir target/fuzz

# The book, when mdbook is installed.
book:
    mdbook build docs

# How long a clean release build takes.
build-time:
    rm -rf target/build-time
    bash -c 'time cargo build --release --bin unicrm --target-dir target/build-time'
    rm -rf target/build-time
