//! Credentials at rest: each linked account's under a data key of its own, the data key under the master key.
//!
//! Both layers are XChaCha20-Poly1305 with a random nonce in front. The associated data are the linked account, the column
//! and the version of the data key, so nothing opens in another place than the one that it was sealed for.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use unicrm_core::{Credentials, Error, ErrorKind, LinkedAccountId, Result};
use zeroize::Zeroizing;

use crate::MasterKey;
use crate::key::fill_random;

const NONCE: usize = 24;

/// What is stored of the credentials of one linked account.
pub(crate) struct Sealed {
    /// Grows whenever the data key is a new one.
    pub(crate) key_version: i64,
    /// The fingerprint of the master key that wraps the data key.
    pub(crate) master_key: String,
    /// The data key, wrapped.
    pub(crate) data_key: Vec<u8>,
    /// The credentials, encrypted with the data key.
    pub(crate) secrets: Vec<u8>,
}

/// Encrypts credentials under a new data key.
pub(crate) fn seal(
    master: &MasterKey,
    account: LinkedAccountId,
    key_version: i64,
    credentials: &Credentials,
) -> Result<Sealed> {
    let mut data_key = Zeroizing::new([0; 32]);
    fill_random(&mut *data_key)?;
    let place = |column| associated_data(account, column, key_version);
    Ok(Sealed {
        key_version,
        master_key: master.fingerprint(),
        secrets: encrypt(&data_key, &place("secrets"), &write(credentials))?,
        data_key: encrypt(master.bytes(), &place("data_key"), &*data_key)?,
    })
}

/// Decrypts credentials.
pub(crate) fn open(master: &MasterKey, account: LinkedAccountId, sealed: &Sealed) -> Result<Credentials> {
    let data_key = unwrap(master, account, sealed)?;
    let place = associated_data(account, "secrets", sealed.key_version);
    decrypt(&data_key, &place, &sealed.secrets).and_then(|plain| read(&plain)).ok_or_else(damaged)
}

/// Puts the data key under another master key. The credentials themselves stay as they are.
fn rewrap(old: &MasterKey, new: &MasterKey, account: LinkedAccountId, sealed: Sealed) -> Result<Sealed> {
    let data_key = unwrap(old, account, &sealed)?;
    let place = associated_data(account, "data_key", sealed.key_version);
    let wrapped = encrypt(new.bytes(), &place, &*data_key)?;
    Ok(Sealed { master_key: new.fingerprint(), data_key: wrapped, ..sealed })
}

/// Puts everything that is under the old master key under the new one, and gives back what has changed. `K` is the key of
/// a row.
pub(crate) fn rewrap_all<K>(
    old: &MasterKey,
    new: &MasterKey,
    all: Vec<(K, LinkedAccountId, Sealed)>,
) -> Result<Vec<(K, Sealed)>> {
    let (old_print, new_print) = (old.fingerprint(), new.fingerprint());
    let others = all.iter().any(|(_, _, sealed)| ![&old_print, &new_print].contains(&&sealed.master_key));
    let under_old = all.into_iter().filter(|(_, _, sealed)| sealed.master_key == old_print);
    let rewrapped = under_old
        .map(|(key, account, sealed)| Ok((key, rewrap(old, new, account, sealed)?)))
        .collect::<Result<Vec<_>>>()?;
    if others && rewrapped.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "nothing is encrypted with the old master key given",
        )
        .with_advice("give the key that is in use now as the old one"));
    }
    Ok(rewrapped)
}

fn unwrap(master: &MasterKey, account: LinkedAccountId, sealed: &Sealed) -> Result<Zeroizing<[u8; 32]>> {
    if sealed.master_key != master.fingerprint() {
        return Err(Error::new(ErrorKind::InvalidConfig, "this master key does not open the stored credentials")
            .with_advice(
                "set UNICRM_KEY or UNICRM_KEY_FILE to the key that was in use when the account was linked; if it is \
                 lost, unlink the account and link it again",
            ));
    }
    let place = associated_data(account, "data_key", sealed.key_version);
    let plain = decrypt(master.bytes(), &place, &sealed.data_key).ok_or_else(damaged)?;
    let mut data_key = Zeroizing::new([0; 32]);
    if plain.len() != data_key.len() {
        return Err(damaged());
    }
    data_key.copy_from_slice(&plain);
    Ok(data_key)
}

fn damaged() -> Error {
    Error::new(ErrorKind::Internal, "the stored credentials are damaged")
        .with_advice("link the account again")
}

fn associated_data(account: LinkedAccountId, column: &str, key_version: i64) -> Vec<u8> {
    format!("unicrm credentials\0{account}\0{column}\0{key_version}").into_bytes()
}

fn encrypt(key: &[u8; 32], aad: &[u8], msg: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE];
    fill_random(&mut nonce)?;
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), Payload { msg, aad })
        .map_err(|_| Error::new(ErrorKind::Internal, "the credentials could not be encrypted"))?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
    let plain = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), Payload { msg, aad });
    plain.ok().map(Zeroizing::new)
}

/// Names and values, each behind its length. The buffer has its size from the start: growing would leave copies behind.
fn write(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let texts = || credentials.iter().flat_map(|(name, value)| [name, value.expose_secret()]);
    let mut plain = Zeroizing::new(Vec::with_capacity(texts().map(|text| 8 + text.len()).sum()));
    for text in texts() {
        plain.extend_from_slice(&(text.len() as u64).to_le_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    plain
}

fn read(mut plain: &[u8]) -> Option<Credentials> {
    let mut text = || {
        let (len, rest) = plain.split_first_chunk::<8>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        plain = rest;
        Some((std::str::from_utf8(text).ok()?, rest.is_empty()))
    };
    let mut credentials = Credentials::new();
    let mut at_end = false;
    while !at_end {
        let Some((name, _)) = text() else {
            // Only the very first name may be missing: there are no credentials at all.
            return credentials.is_empty().then_some(credentials);
        };
        let (value, last) = text()?;
        credentials.set(name, SecretString::from(value));
        at_end = last;
    }
    Some(credentials)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials() -> impl Strategy<Value = Credentials> {
        proptest::collection::btree_map(".{0,8}", ".{0,40}", 0..5).prop_map(|secrets| {
            secrets.into_iter().fold(Credentials::new(), |all, (name, value)| all.with(name, value.into()))
        })
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_to_the_same(credentials in credentials(), version in 1..9_i64) {
            let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
            let account = LinkedAccountId::random();
            let sealed = seal(&old, account, version, &credentials).unwrap();
            prop_assert_eq!(&open(&old, account, &sealed).unwrap(), &credentials);
            let rewrapped = rewrap(&old, &new, account, sealed).unwrap();
            prop_assert_eq!(open(&new, account, &rewrapped).unwrap(), credentials);
            let error = open(&old, account, &rewrapped).unwrap_err();
            prop_assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        }

        #[test]
        fn a_flipped_bit_or_another_place_is_refused(byte in any::<prop::sample::Index>(), bit in 0..8) {
            let key = MasterKey::generate().unwrap();
            let account = LinkedAccountId::random();
            let credentials = Credentials::new().with("refresh_token", "5Aep861".into());
            let mut sealed = seal(&key, account, 1, &credentials).unwrap();
            prop_assert!(open(&key, LinkedAccountId::random(), &sealed).is_err());
            sealed.key_version = 2;
            prop_assert!(open(&key, account, &sealed).is_err());
            sealed.key_version = 1;
            let at = byte.index(sealed.secrets.len());
            sealed.secrets[at] ^= 1_u8 << bit;
            prop_assert!(open(&key, account, &sealed).is_err());
            sealed.secrets[at] ^= 1_u8 << bit;
            let at = byte.index(sealed.data_key.len());
            sealed.data_key[at] ^= 1_u8 << bit;
            prop_assert!(open(&key, account, &sealed).is_err());
        }
    }
}
