//! The emulator's SOQL parser takes any text without a panic, and prints what it understood so that it understands it
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unicrm_salesforce_emulator::fuzzing::print;

fuzz_target!(|text: &str| {
    if let Some(printed) = print(text) {
        assert_eq!(print(&printed).as_deref(), Some(&*printed), "printed from {text:?}");
    }
});
