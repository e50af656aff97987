//! Sessions, refresh tokens and authorization codes that have been issued.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::org::lock;

/// Sessions kept; when there are more, the oldest ends.
const MAX_SESSIONS: usize = 10_000;
/// Pending codes and devices kept.
const MAX_PENDING: usize = 1_000;

/// Everything that has been issued, under one lock: a rotation must not race with a revocation.
#[derive(Debug, Default)]
pub(crate) struct TokenStore {
    issued: Mutex<Issued>,
}

#[derive(Debug, Default)]
struct Issued {
    sessions: HashMap<String, Session>,
    refresh: HashMap<String, Refresh>,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
    next_family: u64,
}

/// A session: what an access token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) scope: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    family: Option<u64>,
}

#[derive(Clone, Debug)]
struct Refresh {
    family: u64,
    /// The app that it was issued to; to any other it is worth nothing.
    client_id: String,
    user_id: String,
    scope: String,
    /// A rotated token: using it again is taken as theft.
    spent: bool,
}

/// An authorization code on its way to the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// The app that its user let in.
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) user_id: String,
    pub(crate) scope: String,
    pub(crate) expires_at: Timestamp,
}

/// A device that waits for its user.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The app that runs on it.
    pub(crate) client_id: String,
    pub(crate) user_code: String,
    pub(crate) scope: String,
    pub(crate) decision: Option<Decision>,
    pub(crate) expires_at: Timestamp,
    /// How long the device has to wait between two questions.
    pub(crate) interval: Duration,
    /// When it asked last.
    pub(crate) asked_at: Option<Timestamp>,
}

/// What the user of a device decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    Denied,
}

/// The answer to a device that asks.
#[derive(Clone, Debug)]
pub(crate) enum Polled {
    /// Unknown, too old, another app's, or answered before.
    Unknown,
    Waiting,
    /// It asked too soon; from now on it has to wait longer.
    TooSoon,
    Denied,
    /// It may act for this scope.
    Allowed {
        scope: String,
    },
}

/// What a question that comes too soon adds to the wait (RFC 8628, 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// What a refresh token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// It stands for this user and scope; the new token replaces it when rotation is on.
    Good { user_id: String, scope: String, family: u64, rotated_to: Option<String> },
    /// Unknown, revoked, another app's, or used a second time.
    Refused,
}

impl TokenStore {
    /// Opens a session and gives its access token.
    pub(crate) fn open_session(
        &self,
        org_id: &str,
        user_id: &str,
        scope: &str,
        family: Option<u64>,
        now: Timestamp,
        lifetime: Duration,
    ) -> String {
        let token = format!("{}!AQ{}", org_id.get(..15).unwrap_or(org_id), random_text(72));
        let session = Session {
            user_id: user_id.to_owned(),
            scope: scope.to_owned(),
            issued_at: now,
            expires_at: now.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            family,
        };
        let mut issued = lock(&self.issued);
        if issued.sessions.len() >= MAX_SESSIONS {
            issued.sessions.retain(|_, session| session.expires_at > now);
            if issued.sessions.len() >= MAX_SESSIONS {
                let oldest = issued
                    .sessions
                    .iter()
                    .min_by_key(|(_, session)| session.issued_at)
                    .map(|(token, _)| token.clone());
                oldest.and_then(|token| issued.sessions.remove(&token));
            }
        }
        issued.sessions.insert(token.clone(), session);
        token
    }

    /// The session of an access token, while it lasts.
    pub(crate) fn session(&self, token: &str, now: Timestamp) -> Option<Session> {
        lock(&self.issued).sessions.get(token).filter(|session| session.expires_at > now).cloned()
    }

    /// Ends one session; whether it existed.
    pub(crate) fn end_session(&self, token: &str) -> bool {
        lock(&self.issued).sessions.remove(token).is_some()
    }

    /// Ends all sessions; refresh tokens stay good.
    pub(crate) fn end_all_sessions(&self) {
        lock(&self.issued).sessions.clear();
    }

    /// Takes back every refresh token and every session: the user has withdrawn the app's access.
    pub(crate) fn revoke_everything(&self) {
        let mut issued = lock(&self.issued);
        issued.refresh.clear();
        issued.sessions.clear();
    }

    /// A new refresh token of an app, with a family of its own.
    pub(crate) fn new_refresh(
        &self,
        client_id: &str,
        user_id: &str,
        scope: &str,
        token: Option<String>,
    ) -> (String, u64) {
        let token = token.unwrap_or_else(|| format!("5Aep861{}", random_text(80)));
        let mut issued = lock(&self.issued);
        issued.next_family += 1;
        let family = issued.next_family;
        let refresh = Refresh {
            family,
            client_id: client_id.to_owned(),
            user_id: user_id.to_owned(),
            scope: scope.to_owned(),
            spent: false,
        };
        issued.refresh.insert(token.clone(), refresh);
        (token, family)
    }

    /// Uses a refresh token for an app. With rotation it is good once; a second use revokes its whole family.
    pub(crate) fn redeem(&self, token: &str, client_id: &str, rotate: bool) -> Redeemed {
        let mut issued = lock(&self.issued);
        let found = issued.refresh.get(token).filter(|refresh| refresh.client_id == client_id);
        let Some(found) = found.cloned() else { return Redeemed::Refused };
        if found.spent {
            issued.refresh.retain(|_, refresh| refresh.family != found.family);
            issued.sessions.retain(|_, session| session.family != Some(found.family));
            return Redeemed::Refused;
        }
        let rotated_to = rotate.then(|| format!("5Aep861{}", random_text(80)));
        if let Some(next) = &rotated_to {
            issued.refresh.insert(token.to_owned(), Refresh { spent: true, ..found.clone() });
            issued.refresh.insert(next.clone(), found.clone());
        }
        Redeemed::Good { user_id: found.user_id, scope: found.scope, family: found.family, rotated_to }
    }

    /// Revokes a refresh token with its family, or ends a session; whether there was one.
    pub(crate) fn revoke(&self, token: &str) -> bool {
        let mut issued = lock(&self.issued);
        if let Some(found) = issued.refresh.remove(token) {
            issued.refresh.retain(|_, refresh| refresh.family != found.family);
            issued.sessions.retain(|_, session| session.family != Some(found.family));
            return true;
        }
        issued.sessions.remove(token).is_some()
    }

    /// Whether a refresh token is good, without using it.
    pub(crate) fn refresh_is_active(&self, token: &str) -> bool {
        lock(&self.issued).refresh.get(token).is_some_and(|refresh| !refresh.spent)
    }

    /// Keeps an authorization code and gives it its text.
    pub(crate) fn keep_code(&self, code: Code, now: Timestamp) -> String {
        let text = format!("aPrx{}", random_text(60));
        let mut issued = lock(&self.issued);
        if issued.codes.len() >= MAX_PENDING {
            issued.codes.retain(|_, code| code.expires_at > now);
        }
        if issued.codes.len() < MAX_PENDING {
            issued.codes.insert(text.clone(), code);
        }
        text
    }

    /// Takes an authorization code for an app: it is good once.
    pub(crate) fn take_code(&self, text: &str, client_id: &str, now: Timestamp) -> Option<Code> {
        let mut issued = lock(&self.issued);
        issued.codes.get(text).filter(|code| code.client_id == client_id)?;
        issued.codes.remove(text).filter(|code| code.expires_at > now)
    }

    /// Keeps a device that waits for approval; gives its device code.
    pub(crate) fn keep_device(&self, device: Device, now: Timestamp) -> String {
        let text = random_text(64);
        let mut issued = lock(&self.issued);
        if issued.devices.len() >= MAX_PENDING {
            issued.devices.retain(|_, device| device.expires_at > now);
        }
        if issued.devices.len() < MAX_PENDING {
            issued.devices.insert(text.clone(), device);
        }
        text
    }

    /// Keeps what the user decided about the device that shows this user code; whether there is one that waits for it.
    pub(crate) fn decide_device(&self, user_code: &str, decision: Decision, now: Timestamp) -> bool {
        let mut issued = lock(&self.issued);
        let waits = |device: &&mut Device| device.expires_at > now && device.decision.is_none();
        let mut waiting = issued.devices.values_mut().filter(waits);
        let found = waiting.find(|device| device.user_code.eq_ignore_ascii_case(user_code));
        found.map(|device| device.decision = Some(decision)).is_some()
    }

    /// Answers the app on the device of this code; one whose user has decided is told so once.
    pub(crate) fn poll_device(&self, code: &str, client_id: &str, now: Timestamp) -> Polled {
        let mut issued = lock(&self.issued);
        let live = |device: &&mut Device| device.expires_at > now && device.client_id == client_id;
        let Some(device) = issued.devices.get_mut(code).filter(live) else { return Polled::Unknown };
        let Some(decision) = device.decision else {
            let last = device.asked_at.replace(now);
            let due = last.and_then(|last| last.saturating_add(device.interval).ok());
            if due.is_some_and(|due| now < due) {
                device.interval = device.interval.saturating_add(SLOWER_BY);
                return Polled::TooSoon;
            }
            return Polled::Waiting;
        };
        match (issued.devices.remove(code), decision) {
            (Some(device), Decision::Allowed) => Polled::Allowed { scope: device.scope },
            _ => Polled::Denied,
        }
    }
}

/// Unguessable text, safe in URLs and headers.
pub(crate) fn random_text(length: usize) -> String {
    let mut bytes = vec![0u8; length];
    // The system's generator does not fail on the platforms that run a server; if it did, all-zero text would only
    // make this emulator's tokens guessable.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::warn!("the system's random generator failed; tokens are predictable");
    }
    let mut text = URL_SAFE_NO_PAD.encode(bytes).replace('-', ".");
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_refresh_token_used_again_takes_its_family_down() {
        let store = TokenStore::default();
        let (first, family) = store.new_refresh("app", "005", "api", None);
        let Redeemed::Good { rotated_to: Some(second), .. } = store.redeem(&first, "app", true) else {
            panic!("refused")
        };
        let now = Timestamp::now();
        let session =
            store.open_session("00D000000000001", "005", "api", Some(family), now, Duration::from_secs(60));
        assert_eq!(store.redeem(&first, "another app", true), Redeemed::Refused);
        assert!(store.session(&session, now).is_some(), "another app cannot take it down");
        assert_eq!(store.redeem(&first, "app", true), Redeemed::Refused);
        assert_eq!(store.redeem(&second, "app", true), Redeemed::Refused, "the successor went with it");
        assert!(store.session(&session, now).is_none(), "and so did the session");
    }

    #[test]
    fn sessions_end_with_their_lifetime() {
        let store = TokenStore::default();
        let now = Timestamp::now();
        let token =
            store.open_session("00D000000000001AAA", "005", "api", None, now, Duration::from_secs(60));
        assert!(token.starts_with("00D000000000001!AQ"));
        assert!(store.session(&token, now).is_some());
        assert!(store.session(&token, now + Duration::from_secs(60)).is_none());
    }
}
