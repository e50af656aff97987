//! Descriptions that were fetched before: in memory, and on disk where the host gives a folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::describe::Describe;

/// For this long a description is used without asking whether it has changed.
pub(super) const MAX_AGE: Duration = Duration::from_secs(3_600);
/// Descriptions in memory; the one that was not used for the longest time goes first.
const MAX_IN_MEMORY: usize = 64;
/// A larger file is none of ours.
const MAX_FILE: u64 = 64 << 20;
/// The first line of every file, followed by the time of the last change.
const MAGIC: &str = "unicrm-salesforce describe 1";

/// The descriptions of one org as one user sees them, at one API version and in one language.
#[derive(Debug)]
pub(super) struct DescribeCache {
    slots: Mutex<Slots>,
    dir: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<String, Slot>,
    uses: u64,
}

#[derive(Debug)]
struct Slot {
    /// None after the description was found wrong: the next one is fetched whole.
    known: Option<Known>,
    used: u64,
}

/// A description that was fetched before.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) describe: Arc<Describe>,
    /// What to name when asking whether it has changed.
    pub(super) last_modified: Option<String>,
    /// When it was last known to be right.
    checked: SystemTime,
}

impl Known {
    pub(super) fn new(describe: Arc<Describe>, last_modified: Option<String>) -> Self {
        Self { describe, last_modified, checked: SystemTime::now() }
    }

    /// Whether it can be used without asking. A clock that was set back makes it old.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_younger_than(MAX_AGE)
    }

    pub(super) fn is_younger_than(&self, age: Duration) -> bool {
        self.checked.elapsed().is_ok_and(|checked| checked < age)
    }
}

impl DescribeCache {
    /// A cache over a folder that is this cache's alone, or without one.
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Self { slots: Mutex::default(), dir }
    }

    /// What is known of an object, fresh or not.
    pub(super) async fn get(&self, sobject: &str) -> Option<Known> {
        {
            let mut slots = self.lock();
            let uses = slots.uses + 1;
            slots.uses = uses;
            if let Some(slot) = slots.by_name.get_mut(&key(sobject)) {
                slot.used = uses;
                return slot.known.clone();
            }
        }
        let known = self.load(sobject).await?;
        self.remember(sobject, Some(known.clone()));
        Some(known)
    }

    /// Keeps a description that was just fetched, with the text that it was read from.
    pub(super) async fn put(&self, sobject: &str, known: Known, text: &str) {
        self.store(sobject, &known, text).await;
        self.remember(sobject, Some(known));
    }

    /// Keeps a description that was just confirmed.
    pub(super) async fn confirm(&self, sobject: &str, known: &Known) {
        let known = Known { checked: SystemTime::now(), ..known.clone() };
        if let Some(path) = self.path(sobject) {
            let now = known.checked;
            // The file's own time is when it was last confirmed; failing to set it costs one more question.
            let touch = move || {
                std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now))
            };
            let _outcome = tokio::task::spawn_blocking(touch).await;
        }
        self.remember(sobject, Some(known));
    }

    /// Forgets a description that was found wrong; the next one is fetched whole.
    pub(super) fn forget(&self, sobject: &str) {
        self.remember(sobject, None);
    }

    fn remember(&self, sobject: &str, known: Option<Known>) {
        let mut slots = self.lock();
        slots.uses += 1;
        let used = slots.uses;
        slots.by_name.insert(key(sobject), Slot { known, used });
        if slots.by_name.len() > MAX_IN_MEMORY {
            let oldest = slots.by_name.iter().min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                slots.by_name.remove(&oldest);
            }
        }
    }

    /// Reads a file; one that is damaged, or not there, is as good as none.
    async fn load(&self, sobject: &str) -> Option<Known> {
        let path = self.path(sobject)?;
        let meta =
            tokio::fs::metadata(&path).await.ok().filter(|meta| meta.is_file() && meta.len() <= MAX_FILE)?;
        let text = tokio::fs::read_to_string(&path).await.ok()?;
        let (first, rest) = text.split_once('\n')?;
        let (last_modified, body) = rest.split_once('\n')?;
        if first != MAGIC {
            return None;
        }
        let describe = Describe::parse(body).ok()?;
        let last_modified = Some(last_modified).filter(|text| !text.is_empty()).map(str::to_owned);
        let checked = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Known { describe: Arc::new(describe), last_modified, checked })
    }

    /// Writes a file aside and moves it into place, so that no reader ever sees half of one. A cache that cannot be written
    /// is no error.
    async fn store(&self, sobject: &str, known: &Known, text: &str) {
        let (Some(path), Some(dir)) = (self.path(sobject), &self.dir) else { return };
        let aside = dir.join(format!(".{}.tmp", Uuid::new_v4()));
        let last_modified = known.last_modified.as_deref().unwrap_or_default();
        let written = async {
            tokio::fs::create_dir_all(dir).await?;
            let mut file = tokio::fs::File::create_new(&aside).await?;
            file.write_all(format!("{MAGIC}\n{last_modified}\n").as_bytes()).await?;
            file.write_all(text.as_bytes()).await?;
            file.sync_all().await?;
            drop(file);
            tokio::fs::rename(&aside, &path).await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, sobject, "a description could not be cached");
            // Most often it was never made.
            let _gone = tokio::fs::remove_file(&aside).await;
        }
    }

    fn path(&self, sobject: &str) -> Option<PathBuf> {
        let dir = self.dir.as_ref()?;
        super::soql::is_name(sobject).then(|| dir.join(format!("{}.describe", key(sobject))))
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nothing under this lock can panic half-way.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(sobject: &str) -> String {
    sobject.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"name":"Lead","fields":[{"name":"Id","type":"id"}]}"#;

    fn known() -> Known {
        Known::new(Arc::new(Describe::parse(TEXT).unwrap()), Some("Tue, 13 Apr 2021 11:33:05 GMT".to_owned()))
    }

    #[tokio::test]
    async fn a_file_outlives_the_process_and_a_damaged_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = || DescribeCache::new(Some(dir.path().join("a/b")));
        cache().put("Lead", known(), TEXT).await;
        let read = cache().get("lead").await.unwrap();
        assert!(read.is_fresh());
        assert_eq!(read.last_modified, known().last_modified);
        assert_eq!(read.describe.fields.len(), 1);

        let path = dir.path().join("a/b/lead.describe");
        let whole = std::fs::read_to_string(&path).unwrap();
        for damaged in ["", "{}", &whole[..whole.len() - 3], &whole.replace("describe 1", "describe 0")] {
            std::fs::write(&path, damaged).unwrap();
            assert!(cache().get("Lead").await.is_none(), "{damaged}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(cache().get("Lead").await.is_none());
        assert_eq!(std::fs::read_dir(dir.path().join("a/b")).unwrap().count(), 1, "nothing is left aside");
    }

    #[tokio::test]
    async fn an_old_file_is_asked_for_again_and_a_confirmed_one_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let cache = || DescribeCache::new(Some(dir.path().to_owned()));
        cache().put("Lead", known(), TEXT).await;
        let path = dir.path().join("lead.describe");
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - MAX_AGE - Duration::from_secs(1)).unwrap();
        let old = cache().get("Lead").await.unwrap();
        assert!(!old.is_fresh());
        cache().confirm("Lead", &old).await;
        assert!(cache().get("Lead").await.unwrap().is_fresh());
    }

    #[tokio::test]
    async fn what_was_forgotten_does_not_come_back_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let cache = DescribeCache::new(Some(dir.path().to_owned()));
        cache.put("Lead", known(), TEXT).await;
        cache.forget("LEAD");
        assert!(cache.get("Lead").await.is_none());
        cache.put("Lead", known(), TEXT).await;
        assert!(cache.get("Lead").await.is_some());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_names_stay_in_the_folder() {
        let cache = DescribeCache::new(None);
        for at in 0..200 {
            cache.put(&format!("Object{at}__c"), known(), TEXT).await;
            assert!(cache.get("Object0__c").await.is_some(), "what is used stays");
        }
        assert_eq!(cache.lock().by_name.len(), MAX_IN_MEMORY);
        let cache = DescribeCache::new(Some("/nonexistent".into()));
        for name in ["../x", "a/b", "", ".", "a\0"] {
            assert_eq!(cache.path(name), None, "{name}");
        }
    }
}
