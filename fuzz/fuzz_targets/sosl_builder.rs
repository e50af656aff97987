//! No text can change the structure of a search that the plugin builds: the emulator's parser finds the words of the text
//! in it, joined by AND, and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unicrm_salesforce_emulator::fuzzing::{searched, words_of};

fuzz_target!(|text: &str| {
    if let Some(search) = unicrm_salesforce::fuzzing::search_for_words(text) {
        let read = searched(&search).unwrap_or_else(|| panic!("not understood: {search}"));
        assert!(matches!(read.joined, None | Some("AND")), "{search}");
        assert_eq!(read.returning, [("Contact".to_owned(), "Id".to_owned())], "{search}");
        let words: Vec<_> =
            read.terms.concat().iter().map(|word| word.trim_end_matches('*').to_owned()).collect();
        assert_eq!(words, words_of(text), "{search}");
    }
});
