//! No text can change the structure of a query that the plugin builds: the emulator's parser reads the same text back.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(query) = unicrm_salesforce::fuzzing::query_for_text(text) {
        let read = unicrm_salesforce_emulator::fuzzing::compared_text(&query);
        assert_eq!(read.as_deref(), Some(text), "{query}");
    }
});
