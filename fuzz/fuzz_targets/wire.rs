//! The decoder of a page of records takes any bytes without a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use unicrm_core::LinkedAccountId;
use unicrm_salesforce::measure::Contacts;

static CONTACTS: LazyLock<Contacts> = LazyLock::new(|| {
    Contacts::new(LinkedAccountId::random(), &["Id", "LastName", "Email", "Birthdate", "CreatedDate", "Tier__c"])
});

fuzz_target!(|page: &[u8]| {
    let _any_outcome_will_do = CONTACTS.map(page);
});
