//! Text to tokens. Never fails: what is no token becomes [`Kind::Unknown`] and the parser names it.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword: letters, digits and underscores, not starting with a digit.
    Word,
    /// A number, with sign and fraction.
    Number,
    /// A date, a time or both.
    Temporal,
    /// A quoted string, quotes included.
    Text,
    /// A quoted string that never ends.
    OpenText,
    /// `=`, `(`, `,` and so on; two-character operators are one token.
    Symbol,
    /// A character that begins no token.
    Unknown,
    /// The end of the text.
    End,
}

/// A token: its kind and its bytes in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// All tokens of `source`, ending with [`Kind::End`].
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(source.len() / 4 + 2);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = byte_at(bytes, at);
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => {
                at += 1;
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                at = skip(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'_');
                Kind::Word
            }
            b'0'..=b'9' => number(bytes, &mut at),
            b'-' | b'+' if byte_at(bytes, at + 1).is_ascii_digit() => {
                at += 1;
                number(bytes, &mut at)
            }
            b'\'' => quoted(bytes, &mut at),
            b'!' | b'<' | b'>' if byte_at(bytes, at + 1) == b'=' => {
                at += 2;
                Kind::Symbol
            }
            b'<' if byte_at(bytes, at + 1) == b'>' => {
                at += 2;
                Kind::Symbol
            }
            b'=' | b'<' | b'>' | b'(' | b')' | b',' | b'.' | b':' => {
                at += 1;
                Kind::Symbol
            }
            _ => {
                at += source.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                Kind::Unknown
            }
        };
        out.push(Token { kind, start, end: at });
    }
    out.push(Token { kind: Kind::End, start: source.len(), end: source.len() });
    out
}

/// The byte at `at`, or zero beyond the end: zero begins no token.
fn byte_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn skip(bytes: &[u8], mut at: usize, accept: impl Fn(u8) -> bool) -> usize {
    while at < bytes.len() && accept(byte_at(bytes, at)) {
        at += 1;
    }
    at
}

/// A number, or a date or time when the digits go on with `-` (after four) or `:` (after two).
fn number(bytes: &[u8], at: &mut usize) -> Kind {
    let start = *at;
    let digits = skip(bytes, start, |b| b.is_ascii_digit());
    let separator = byte_at(bytes, digits);
    let temporal = byte_at(bytes, digits + 1).is_ascii_digit()
        && ((separator == b'-' && digits - start == 4) || (separator == b':' && digits - start == 2));
    if temporal {
        *at = skip(bytes, digits, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b':' | b'.'));
        return Kind::Temporal;
    }
    *at = digits;
    if separator == b'.' && byte_at(bytes, digits + 1).is_ascii_digit() {
        *at = skip(bytes, digits + 1, |b| b.is_ascii_digit());
    }
    Kind::Number
}

fn quoted(bytes: &[u8], at: &mut usize) -> Kind {
    *at += 1;
    while *at < bytes.len() {
        match byte_at(bytes, *at) {
            b'\\' => *at = (*at + 2).min(bytes.len()),
            b'\'' => {
                *at += 1;
                return Kind::Text;
            }
            _ => *at += 1,
        }
    }
    Kind::OpenText
}
