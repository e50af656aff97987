//! The master key: what opens the data keys, and where it comes from.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};
use unicrm_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// The environment variable that may hold the key itself.
const KEY_VARIABLE: &str = "UNICRM_KEY";
/// The environment variable that may name a key file.
const FILE_VARIABLE: &str = "UNICRM_KEY_FILE";

/// 32 random bytes that open the credentials of a store. Wiped from memory when dropped, never printed.
///
/// ```
/// use unicrm_store::MasterKey;
/// let key = MasterKey::generate()?;
/// assert_eq!(MasterKey::from_base64(&key.to_base64())?, key);
/// assert!(!format!("{key:?}").contains(key.to_base64().as_str()));
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// A key from 32 bytes in base64, padded or not, of either alphabet. Spaces around it do not count.
    pub fn from_base64(text: &str) -> Result<Self> {
        let text = text.trim();
        let decoded = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
            .into_iter()
            .find_map(|engine| engine.decode(text).ok())
            .map(Zeroizing::new);
        // The text is the secret, so the error does not repeat it.
        let wrong =
            || Error::new(ErrorKind::InvalidConfig, "a master key is 32 bytes in base64; this is not");
        let decoded = decoded.ok_or_else(wrong)?;
        let mut bytes = Zeroizing::new([0; 32]);
        if decoded.len() != bytes.len() {
            return Err(wrong());
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self(bytes))
    }

    /// The key in base64, for an environment variable or a key file.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0))
    }

    /// Reads a key file: one line of base64.
    pub fn read_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|source| {
            Error::new(ErrorKind::InvalidConfig, format!("the key file {} cannot be read", path.display()))
                .with_source(source)
        })?;
        Self::from_base64(&text).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("the key file {} is damaged", path.display()))
                .with_source(error)
        })
    }

    /// Writes a key file that only its owner can read, whole or not at all. A file of this name is replaced.
    pub fn write_file(&self, path: &Path) -> Result<()> {
        let failed = |source| {
            Error::new(ErrorKind::InvalidConfig, format!("the key file {} cannot be written", path.display()))
                .with_source(source)
        };
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = (|| {
            let mut file = options.open(&draft)?;
            file.write_all(self.to_base64().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&draft, path)
        })();
        written.map_err(|source| {
            // The draft holds the key; that it cannot be removed either adds nothing to the first error.
            drop(std::fs::remove_file(&draft));
            failed(source)
        })
    }

    /// Tells one key from another without telling the key.
    pub(crate) fn fingerprint(&self) -> String {
        let mut context = Context::new(&SHA256);
        context.update(b"unicrm master key fingerprint\0");
        context.update(&*self.0);
        context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no random numbers"))
}

/// Where a store finds its master key. It is looked for when credentials are first needed, not before.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeySource {
    /// This key.
    Key(MasterKey),
    /// This file, which must be there.
    File(PathBuf),
    /// This file; it is made when it is not there and nothing is encrypted yet.
    FileOrNew(PathBuf),
    /// This file; as long as it is not there, the earlier one for what is encrypted already. It is made when nothing is
    /// encrypted yet.
    FileOrEarlier {
        /// Where the key is looked for first.
        file: PathBuf,
        /// Where it may lie from before.
        earlier: PathBuf,
    },
    /// What the environment said cannot be used: the error comes when the key is needed.
    Unusable(Error),
}

impl KeySource {
    /// What the environment says: the key in `UNICRM_KEY`, else the file that `UNICRM_KEY_FILE` names, else this file,
    /// which is made when it is first needed.
    #[must_use]
    pub fn from_env(default_file: PathBuf) -> Self {
        Self::choose(std::env::var_os(KEY_VARIABLE), std::env::var_os(FILE_VARIABLE), default_file)
    }

    /// The same with another default; none where there is no place for a file: then the environment must say.
    #[cfg(feature = "postgres")]
    pub(crate) fn from_env_or(default: Option<Self>) -> Self {
        match Self::from_env(PathBuf::new()) {
            Self::FileOrNew(_) => default.unwrap_or_else(|| {
                Self::Unusable(
                    Error::new(ErrorKind::InvalidConfig, "there is no place for a key file: HOME is not set")
                        .with_advice("give the key in UNICRM_KEY, or a file in UNICRM_KEY_FILE"),
                )
            }),
            found => found,
        }
    }

    /// The key itself, which must be there: nothing is made.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] naming the variable or the file.
    pub fn load(&self) -> Result<MasterKey> {
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::File(path) | Self::FileOrNew(path) => MasterKey::read_file(path),
            Self::FileOrEarlier { file, earlier } if !file.exists() && earlier.exists() => {
                MasterKey::read_file(earlier)
            }
            Self::FileOrEarlier { file, .. } => MasterKey::read_file(file),
            Self::Unusable(error) => Err(error.clone()),
        }
    }

    fn choose(key: Option<OsString>, file: Option<OsString>, default_file: PathBuf) -> Self {
        let given = |value: Option<OsString>| value.filter(|value| !value.is_empty());
        if let Some(key) = given(key) {
            // A value that is not Unicode is no base64 either.
            let key = Zeroizing::new(key.into_string().unwrap_or_default());
            return match MasterKey::from_base64(&key) {
                Ok(key) => Self::Key(key),
                Err(error) => Self::Unusable(
                    Error::new(ErrorKind::InvalidConfig, format!("{KEY_VARIABLE} cannot be used"))
                        .with_source(error)
                        .with_advice("set it to the key that was in use when the account was linked"),
                ),
            };
        }
        given(file).map_or(Self::FileOrNew(default_file), |file| Self::File(file.into()))
    }
}

/// The master key of one open store, once it has been needed.
#[derive(Debug)]
pub(crate) struct Keyring {
    source: KeySource,
    key: Mutex<Option<MasterKey>>,
    warnings: Mutex<Vec<String>>,
}

impl Keyring {
    pub(crate) fn new(source: KeySource) -> Self {
        Self { source, key: Mutex::new(None), warnings: Mutex::new(Vec::new()) }
    }

    /// The key. A missing key file is made only when `may_make` says that nothing is encrypted yet: a new key would open
    /// nothing. Called with the database's write lock held, so two processes do not make two files.
    pub(crate) fn key<E: From<Error>>(
        &self,
        may_make: impl FnOnce() -> std::result::Result<bool, E>,
    ) -> std::result::Result<MasterKey, E> {
        let mut known = lock(&self.key);
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let key = match &self.source {
            KeySource::Key(key) => key.clone(),
            KeySource::File(path) => MasterKey::read_file(path)?,
            KeySource::Unusable(error) => return Err(error.clone().into()),
            KeySource::FileOrNew(file) => self.of_file(file, None, may_make)?,
            KeySource::FileOrEarlier { file, earlier } => self.of_file(file, Some(earlier), may_make)?,
        };
        *known = Some(key.clone());
        Ok(key)
    }

    fn of_file<E: From<Error>>(
        &self,
        file: &Path,
        earlier: Option<&PathBuf>,
        may_make: impl FnOnce() -> std::result::Result<bool, E>,
    ) -> std::result::Result<MasterKey, E> {
        if file.exists() {
            return Ok(MasterKey::read_file(file)?);
        }
        if !may_make()? {
            if let Some(earlier) = earlier.filter(|earlier| earlier.exists()) {
                return Ok(MasterKey::read_file(earlier)?);
            }
            let message = format!(
                "credentials are stored, but the key file {} that opens them is missing",
                file.display()
            );
            return Err(Error::new(ErrorKind::InvalidConfig, message)
                .with_advice(
                    "bring the file back, or set UNICRM_KEY_FILE or UNICRM_KEY to the key; without it the accounts \
                     must be unlinked and linked again",
                )
                .into());
        }
        let key = MasterKey::generate()?;
        if let Some(folder) = file.parent() {
            // What cannot be made here cannot be written into either, and that error names the file.
            drop(std::fs::create_dir_all(folder));
        }
        key.write_file(file)?;
        lock(&self.warnings).push(format!(
            "a new key was written to {}: it opens the stored credentials, so keep it safe and apart from copies of the \
             database, or give your own in {KEY_VARIABLE} or {FILE_VARIABLE}",
            file.display()
        ));
        Ok(key)
    }

    pub(crate) fn replace(&self, key: MasterKey) {
        *lock(&self.key) = Some(key);
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.warnings))
    }
}

/// What is behind these locks is replaced whole, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_asked_in_order() {
        let key = MasterKey::generate().unwrap();
        let text = || Some(OsString::from(key.to_base64().as_str()));
        let file = || Some(OsString::from("/k"));
        let default = || PathBuf::from("/d");
        assert!(
            matches!(KeySource::choose(text(), file(), default()), KeySource::Key(found) if found == key)
        );
        assert!(
            matches!(KeySource::choose(None, file(), default()), KeySource::File(p) if p == Path::new("/k"))
        );
        assert!(matches!(KeySource::choose(Some("".into()), None, default()), KeySource::FileOrNew(_)));
        let wrong = KeySource::choose(Some("bm90IDMyIGJ5dGVz".into()), None, default());
        let KeySource::Unusable(error) = &wrong else { panic!("{wrong:?}") };
        assert!(error.to_string().contains("UNICRM_KEY"));
        assert!(!format!("{wrong:?}").contains("bm90"));
        assert!(wrong.load().is_err());
        assert_eq!(KeySource::choose(text(), file(), default()).load().unwrap(), key);
        assert!(KeySource::choose(None, file(), default()).load().unwrap_err().to_string().contains("/k"));
    }

    #[test]
    fn any_base64_of_32_bytes_is_a_key() {
        let bytes = [0xfb_u8; 32];
        let key = MasterKey(Zeroizing::new(bytes));
        for text in
            [STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), format!("{}\n", URL_SAFE.encode(bytes))]
        {
            assert_eq!(MasterKey::from_base64(&text).unwrap(), key);
        }
        for wrong in ["", "AAAA", &STANDARD.encode([0; 33]), "not base64 at all, no"] {
            assert!(MasterKey::from_base64(wrong).is_err(), "{wrong}");
        }
    }
}
