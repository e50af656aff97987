//! Query locators: where the next page of a query begins. They keep row numbers, not rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::plan::RowPlan;
use crate::SalesforceError;
use crate::schema::ids;

/// Key prefix of locators.
const PREFIX: &str = "0r8";

/// Most locators of child sub-queries that a user holds; they do not count among the open cursors.
const MAX_CHILD_CURSORS: usize = 2_000;

/// Limits of locators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocatorSettings {
    /// Open cursors of one user; the next one closes the oldest.
    pub(crate) max_open: usize,
    /// How long a locator lives.
    pub(crate) life: SignedDuration,
    /// How long it may lie unused, if that is limited.
    pub(crate) idle: Option<SignedDuration>,
}

impl Default for LocatorSettings {
    fn default() -> Self {
        Self { max_open: 10, life: SignedDuration::from_hours(48), idle: None }
    }
}

/// Row numbers, in four bytes each where they fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowIds {
    Small(Vec<u32>),
    Large(Vec<i64>),
}

impl RowIds {
    pub(crate) fn new() -> Self {
        Self::Small(Vec::new())
    }

    pub(crate) fn push(&mut self, row: i64) {
        match self {
            Self::Small(rows) => match u32::try_from(row) {
                Ok(row) => rows.push(row),
                Err(_) => {
                    let mut large: Vec<i64> = rows.iter().map(|row| i64::from(*row)).collect();
                    large.push(row);
                    *self = Self::Large(large);
                }
            },
            Self::Large(rows) => rows.push(row),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Small(rows) => rows.len(),
            Self::Large(rows) => rows.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<i64> {
        match self {
            Self::Small(rows) => rows.get(index).map(|row| i64::from(*row)),
            Self::Large(rows) => rows.get(index).copied(),
        }
    }

    /// Drops spare room: the rows are kept for long.
    pub(crate) fn shrink(&mut self) {
        match self {
            Self::Small(rows) => rows.shrink_to_fit(),
            Self::Large(rows) => rows.shrink_to_fit(),
        }
    }
}

/// What a locator stands for.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) plan: Arc<RowPlan>,
    pub(crate) rows: RowIds,
    /// Page size that the query asked for.
    pub(crate) batch_size: usize,
}

#[derive(Debug)]
struct Open {
    cursor: Arc<Cursor>,
    user: String,
    child: bool,
    serial: u64,
    opened: Timestamp,
    used: Timestamp,
}

/// All open locators of an org.
#[derive(Debug, Default)]
pub(crate) struct Locators {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    settings: LocatorSettings,
    open: HashMap<String, Open>,
    serial: u64,
}

impl Locators {
    /// Changes the limits; locators that are open already follow them.
    pub(crate) fn configure(&self, settings: LocatorSettings) {
        self.lock().settings = settings;
    }

    /// Opens a locator; the answer is its 18-character id.
    pub(crate) fn open(&self, user: &str, cursor: Cursor, child: bool, now: Timestamp) -> String {
        let mut state = self.lock();
        state.expire(now);
        let most = if child { MAX_CHILD_CURSORS } else { state.settings.max_open.max(1) };
        let mut held: Vec<(u64, String)> = state
            .open
            .iter()
            .filter(|(_, open)| open.user == user && open.child == child)
            .map(|(id, open)| (open.serial, id.clone()))
            .collect();
        held.sort_unstable();
        let surplus = (held.len() + 1).saturating_sub(most);
        for (_, id) in held.into_iter().take(surplus) {
            state.open.remove(&id);
        }
        state.serial += 1;
        let serial = state.serial;
        let id = ids::salesforce_id(PREFIX, serial);
        let open =
            Open { cursor: Arc::new(cursor), user: user.to_owned(), child, serial, opened: now, used: now };
        state.open.insert(id.clone(), open);
        id
    }

    /// The cursor and the offset of `0r8..-2000`. A page can be read again and again.
    pub(crate) fn page(
        &self,
        user: &str,
        locator: &str,
        now: Timestamp,
    ) -> Result<(String, Arc<Cursor>, usize), SalesforceError> {
        let mut state = self.lock();
        state.expire(now);
        let (id, offset) = locator.rsplit_once('-').ok_or_else(invalid)?;
        let offset: usize = offset.parse().map_err(|_| invalid())?;
        let open = state.open.get_mut(id).filter(|open| open.user == user).ok_or_else(invalid)?;
        if offset > open.cursor.rows.len() {
            return Err(invalid());
        }
        open.used = now;
        Ok((id.to_owned(), Arc::clone(&open.cursor), offset))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Timestamp) {
        let LocatorSettings { life, idle, .. } = self.settings;
        self.open.retain(|_, open| {
            let fresh = now.duration_since(open.opened) < life;
            fresh && idle.is_none_or(|idle| now.duration_since(open.used) < idle)
        });
    }
}

pub(super) fn invalid() -> SalesforceError {
    SalesforceError::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
}
