//! What tasks and events share: the one record that an activity is about.

use unicrm_core::{Account, Json, Opportunity, Patch, Ref};

use super::write::Writer;

/// What an activity is about.
pub(super) struct What<'a> {
    pub(super) account: Option<&'a Ref<Account>>,
    pub(super) opportunity: Option<&'a Ref<Opportunity>>,
    /// A record of another sort in WhatId.
    pub(super) other: Option<String>,
}

/// Writes WhatId. There is one, and the opportunity takes it before the account, which then follows from the opportunity.
pub(super) fn what(
    w: &mut Writer<'_>,
    account: &Patch<Ref<Account>>,
    opportunity: &Patch<Ref<Opportunity>>,
    before: Option<&What<'_>>,
) {
    let asked_account = w.asked(account).filter(|asked| before.is_none_or(|before| before.account != *asked));
    let asked_opportunity =
        w.asked(opportunity).filter(|asked| before.is_none_or(|before| before.opportunity != *asked));
    let held_opportunity = before.and_then(|before| before.opportunity);
    let opportunity = asked_opportunity.unwrap_or(held_opportunity);
    match (asked_opportunity, asked_account, opportunity) {
        (None, None, _) => {}
        // The opportunity has or takes the place.
        (_, asked_account, Some(opportunity)) => {
            if asked_opportunity.is_some() {
                let Some(id) = w.target("/opportunity", opportunity, &["006"]) else { return };
                replaced(w, "/opportunity", before);
                w.put("/opportunity", "WhatId", Json::text(&id));
            }
            if let Some(account) = asked_account {
                left_out(w, account, opportunity);
            }
        }
        // The account has the place to itself.
        (_, Some(Some(account)), None) => {
            let Some(id) = w.target("/account", account, &["001"]) else { return };
            replaced(w, "/account", before);
            w.put("/account", "WhatId", Json::text(&id));
        }
        (_, Some(None), None) => {
            replaced(w, "/account", before);
            w.put("/account", "WhatId", Json::of(&()));
        }
        // The opportunity goes; the account stays what it was.
        (Some(_), None, None) => {
            let account = before.and_then(|before| before.account).and_then(Ref::remote_id);
            w.put("/opportunity", "WhatId", Json::of(&account));
        }
    }
}

/// The account is not written: it follows from the opportunity. Says so unless it is the one that follows.
fn left_out(w: &mut Writer<'_>, account: Option<&Ref<Account>>, opportunity: &Ref<Opportunity>) {
    let follows = opportunity.remote_id().and_then(|id| w.cx.org.opportunity_accounts.get(id.as_str()));
    let account = account.and_then(Ref::remote_id).map(|id| id.as_str());
    if follows.is_some_and(|follows| Some(&**follows) == account) {
        return;
    }
    let account = account.unwrap_or("none");
    w.warn(
        "/account",
        "left_out",
        format!("{account} is not written: the account follows from the opportunity"),
    );
}

fn replaced(w: &mut Writer<'_>, pointer: &str, before: Option<&What<'_>>) {
    if let Some(other) = before.and_then(|before| before.other.as_deref()) {
        let message = format!("the activity was about {other}, which it no longer is");
        w.warn(pointer, "replaced", message);
    }
}
