//! Where in the query an error lies, rendered as Salesforce does: a window of the text, a caret, row and column.

use crate::SalesforceError;

/// Characters shown on each side of the error before the window is widened to a whole word.
const WINDOW: usize = 30;

/// An error with the query's text around `offset` (bytes) before the message.
pub(crate) fn error_at(code: &str, source: &str, offset: usize, message: &str) -> SalesforceError {
    SalesforceError::new(400, code, format!("{}{message}", context(source, offset)))
}

/// A `MALFORMED_QUERY` without a position.
pub(crate) fn malformed(message: impl Into<String>) -> SalesforceError {
    SalesforceError::new(400, "MALFORMED_QUERY", message)
}

/// `\n<window>\n<caret>\nERROR at Row:r:Column:c\n` for a byte offset.
///
/// The window reaches 30 characters before and 31 after the error, widened to the next space or comma, and stays
/// inside the row. This is how the recorded messages are cut.
fn context(source: &str, offset: usize) -> String {
    let offset = floor_char_boundary(source, offset.min(source.len()));
    let (before, after) = source.split_at(offset);
    let row = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = after.find('\n').map_or(source.len(), |at| offset + at);
    let line: Vec<char> = source.get(line_start..line_end).unwrap_or_default().chars().collect();
    let column = source.get(line_start..offset).unwrap_or_default().chars().count();

    let edge = |at: usize| line.get(at).is_none_or(|c| c.is_whitespace() || *c == ',');
    let mut start = column.saturating_sub(WINDOW);
    while start > 0 && !edge(start - 1) {
        start -= 1;
    }
    let mut end = (column + WINDOW + 1).min(line.len());
    while end < line.len() && !edge(end) {
        end += 1;
    }
    let window: String = line.iter().take(end).skip(start).collect();
    let caret = " ".repeat(column - start);
    format!("\n{}\n{caret}^\nERROR at Row:{row}:Column:{}\n", window.trim_end_matches('\r'), column + 1)
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
