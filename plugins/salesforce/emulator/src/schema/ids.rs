//! Record ids: 15 case-sensitive base-62 characters, and three more that make them safe to compare without case.

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Characters 4 to 6 of every id that an org makes: the instance, and a reserved zero.
const POD: &str = "5e0";

/// The id of the `n`-th record of an object, in its 18-character form. Ids of one object ascend with `n`.
#[must_use]
pub fn salesforce_id(prefix: &str, n: u64) -> String {
    let mut serial = [b'0'; 9];
    let mut rest = n;
    for place in serial.iter_mut().rev() {
        *place = digit(rest % 62);
        rest /= 62;
    }
    let mut id = String::with_capacity(18);
    id.push_str(prefix);
    id.push_str(POD);
    id.extend(serial.iter().copied().map(char::from));
    push_suffix(&mut id);
    id
}

/// The 18-character form of an id of 15 or 18 characters; none when it is not an id, or its suffix is wrong.
#[must_use]
pub fn widen(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut wide = id.get(..15)?.to_owned();
    push_suffix(&mut wide);
    match id.get(15..) {
        Some("") | None => Some(wide),
        // Clients may fold the suffix's case; the first 15 characters decide.
        Some(suffix) => wide.get(15..)?.eq_ignore_ascii_case(suffix).then_some(wide),
    }
}

/// Whether this is a well-formed id of 15 or 18 characters.
#[must_use]
pub fn is_valid(id: &str) -> bool {
    widen(id).is_some()
}

/// The `n`-th key prefix of custom objects: `a00`, `a01`, ...
#[must_use]
pub(crate) fn custom_prefix(n: u64) -> String {
    let mut prefix = String::from("a");
    prefix.push(char::from(digit(n / 62)));
    prefix.push(char::from(digit(n)));
    prefix
}

/// Ids from 0; the number of an id that [`salesforce_id`] made.
#[must_use]
pub(crate) fn serial_of(id: &str) -> Option<u64> {
    let digits = id.get(6..15)?;
    digits.bytes().try_fold(0u64, |sum, byte| {
        let place = BASE62.iter().position(|b| *b == byte)?;
        sum.checked_mul(62)?.checked_add(u64::try_from(place).ok()?)
    })
}

fn digit(n: u64) -> u8 {
    usize::try_from(n % 62).ok().and_then(|i| BASE62.get(i)).copied().unwrap_or(b'0')
}

/// Each suffix character tells which of five characters are upper case.
fn push_suffix(id: &mut String) {
    let mut suffix = [0u8; 3];
    for (chunk, place) in id.as_bytes().chunks(5).zip(suffix.iter_mut()) {
        let bits = chunk
            .iter()
            .enumerate()
            .filter(|(_, b)| b.is_ascii_uppercase())
            .fold(0usize, |sum, (i, _)| sum | 1 << i);
        *place = SUFFIX.get(bits).copied().unwrap_or(b'A');
    }
    id.extend(suffix.iter().copied().map(char::from));
}
