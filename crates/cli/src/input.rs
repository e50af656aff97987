//! What a command is given to send: on the command line, in a file, or on standard input.

use std::fs::File;
use std::io::{self, Read};

use crate::errors::{Failure, Result};

/// The bytes that an argument stands for: itself, `@FILE`, or `-` for standard input. What is longer than so many megabytes
/// is refused, and never cut.
pub(crate) fn read(data: &str, megabytes: u64) -> Result<Vec<u8>> {
    let longest = megabytes << 20;
    // One byte more tells whether there is more.
    let whole = |source: &mut dyn Read| {
        let mut bytes = Vec::new();
        source.take(longest + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let (name, bytes) = match data.strip_prefix('@') {
        _ if data == "-" => ("standard input", whole(&mut io::stdin())),
        Some(path) => (path, File::open(path).and_then(|mut file| whole(&mut file))),
        None => ("--data", Ok(data.as_bytes().to_vec())),
    };
    let bytes = bytes.map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > longest {
        return Err(Failure::usage(format!("{name} is longer than {megabytes} megabytes")));
    }
    Ok(bytes)
}
