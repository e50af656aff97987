//! What people do in an org, carried out behind the sync's back, with what follows from it for the oracle.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::{FieldSchema, FieldType, OrgHandle, Record, SalesforceError};

use crate::mutation::Mutation;
use crate::objects::Remote;
use crate::oracle::{CUSTOM, Row};
use crate::world::{Failure, OVERLAP, World};

impl World {
    /// Carries out a mutation. Where there is nothing to carry it out on, that is made first. True when anything happened.
    pub(crate) async fn change(
        &mut self,
        org: &OrgHandle,
        mutation: &Mutation,
        age: u64,
    ) -> Result<bool, Failure> {
        let mut chain = vec![mutation.clone()];
        chain.extend(std::iter::successors(mutation.first(), Mutation::first));
        let (mut at, mut back, mut happened) = (0, false, false);
        loop {
            let outcome = self.try_change(org, &chain[at], age).await?;
            // What the org refuses (an object out of sight, a record that cannot come back) has not happened.
            if outcome.unwrap_or(false) {
                let name = if age > 0 { "late commit" } else { chain[at].name() };
                self.pending.insert(name);
                self.tally.mutation(name);
                (back, happened) = (true, true);
            } else if back || at + 1 == chain.len() {
                return Ok(happened);
            }
            match (back, at) {
                (true, 0) => return Ok(happened),
                (true, _) => {
                    at -= 1;
                    if age > OVERLAP {
                        // What a sync reads in between must not have the stamp of what follows.
                        self.org.advance_clock(Duration::from_secs(1));
                    }
                }
                (false, _) => at += 1,
            }
        }
    }

    async fn try_change(
        &mut self,
        org: &OrgHandle,
        mutation: &Mutation,
        age: u64,
    ) -> Result<Result<bool, SalesforceError>, Failure> {
        let now = self.org.now();
        // A transaction waits for the one that holds its record: the later stamp is never overwritten by an earlier one. Nor
        // by an equal one, once no overlap helps: of two states with one stamp, a comparison by stamps sees neither.
        let begun = now.saturating_sub(SignedDuration::from_secs(age as i64)).unwrap_or(now);
        let earlier = |stamp| if age > OVERLAP { stamp < begun } else { stamp <= begun };
        let free = |row: &Row| age == 0 || row.stamp.is_none_or(earlier);
        Ok(match *mutation {
            Mutation::Create { remote, text, parent } => {
                if remote == Remote::User {
                    return Ok(Ok(false));
                }
                let mut fields = remote.created(text);
                self.refer(&mut fields, remote, parent).await?;
                self.extend(&mut fields, remote, text);
                org.create(remote.sobject(), fields).await.map(|_| true)
            }
            Mutation::Edit { remote, pick, text, parent } => {
                let live = self.rows(remote).await?.into_iter().filter(|row| !row.deleted && free(row));
                let Some(id) = picked(live, pick) else { return Ok(Ok(false)) };
                if self.unseen.records.contains(&id) {
                    // Of two states with one stamp, a comparison by stamps sees neither.
                    self.org.advance_clock(Duration::from_secs(1));
                }
                if remote == Remote::User {
                    let stamp = begun;
                    let name = format!("u{text:04x}");
                    let record = Record::new().with("Name", name).with("SystemModstamp", stamp);
                    return Ok(org.set("User", &id, record).await.map(|()| true));
                }
                let mut fields = remote.edited(text);
                self.refer(&mut fields, remote, parent).await?;
                self.extend(&mut fields, remote, text);
                org.update(remote.sobject(), &id, fields).await.map(|()| true)
            }
            Mutation::Delete { remote, pick } => {
                // Of what is deleted along with others, the stamps are not known to be earlier.
                if age > 0 && !matches!(remote, Remote::Task | Remote::Call | Remote::Event | Remote::Note) {
                    return Ok(Ok(false));
                }
                let live = self.rows(remote).await?.into_iter().filter(|row| !row.deleted && free(row));
                let Some(id) = picked(live, pick) else { return Ok(Ok(false)) };
                org.delete(remote.sobject(), &id).await.map(|()| true)
            }
            Mutation::Purge { remote, pick } => {
                let all = self.rows(remote).await?.into_iter();
                let Some(id) = picked(all, pick).filter(|_| remote.deletes()) else { return Ok(Ok(false)) };
                Ok(self.purge(org, remote, &id).await)
            }
            Mutation::EmptyBin { remote } => {
                let mut emptied = false;
                for row in self.rows(remote).await?.into_iter().filter(|row| row.deleted) {
                    emptied |= self.purge(org, remote, &row.id).await;
                }
                Ok(emptied)
            }
            Mutation::Undelete { remote, pick } => {
                let bin =
                    self.rows(remote).await?.into_iter().filter(|row| row.deleted && row.master.is_none());
                let Some(id) = picked(bin, pick) else { return Ok(Ok(false)) };
                org.undelete(remote.sobject(), &id).await.map(|()| true)
            }
            Mutation::Merge { remote, pick, other } => {
                let live = self.rows(remote).await?.into_iter().filter(|row| !row.deleted);
                let mut live: Vec<String> = live.map(|row| row.id).collect();
                let Some(master) = taken(&mut live, pick).filter(|_| remote.merges()) else {
                    return Ok(Ok(false));
                };
                let Some(loser) = taken(&mut live, other) else { return Ok(Ok(false)) };
                org.merge(remote.sobject(), &master, &[&loser]).await.map(|()| true)
            }
            Mutation::HideField { pick } => {
                let remotes = self.remotes();
                let fields = remotes.iter().flat_map(|remote| {
                    remote.hideable().iter().map(|field| (remote.sobject(), (*field).to_owned()))
                });
                let mut seen: Vec<_> = fields.filter(|key| !self.unseen.fields.contains(key)).collect();
                let Some((sobject, field)) = taken(&mut seen, pick) else { return Ok(Ok(false)) };
                org.hide_field(sobject, &field);
                self.loosen_field(sobject, &field);
                Ok(self.unseen.fields.insert((sobject, field)))
            }
            Mutation::ShowField { pick } => {
                let mut unseen: Vec<_> = self.unseen.fields.iter().cloned().collect();
                let Some((sobject, field)) = taken(&mut unseen, pick) else { return Ok(Ok(false)) };
                org.show_field(sobject, &field);
                self.loosen_field(sobject, &field);
                Ok(self.unseen.fields.remove(&(sobject, field)))
            }
            Mutation::HideObject { remote } => {
                // Without users there is no sign-in.
                let hides = remote != Remote::User && org.visibility().can_read(remote.sobject());
                if hides {
                    org.hide_object(remote.sobject());
                    self.missed = true;
                }
                Ok(hides)
            }
            Mutation::ShowObject { pick, .. } => {
                let mut hidden = self.remotes();
                hidden.retain(|remote| !org.visibility().can_read(remote.sobject()));
                let Some(remote) = taken(&mut hidden, pick) else { return Ok(Ok(false)) };
                org.show_object(remote.sobject());
                Ok(true)
            }
            Mutation::HideRecord { remote, pick } => {
                let live = self.rows(remote).await?.into_iter().filter(|row| !row.deleted);
                let Some(id) = picked(live, pick).filter(|_| remote != Remote::User) else {
                    return Ok(Ok(false));
                };
                org.hide_record(&id);
                self.loose_ids.insert((remote.kind(), id.clone()), self.tick);
                Ok(self.unseen.records.insert(id))
            }
            Mutation::ShowRecord { pick, .. } => {
                let mut unseen: Vec<String> = self.unseen.records.iter().cloned().collect();
                let Some(id) = taken(&mut unseen, pick) else { return Ok(Ok(false)) };
                org.show_record(&id);
                self.unseen.records.remove(&id);
                for ((_, known), tick) in &mut self.loose_ids {
                    if *known == id {
                        *tick = self.tick;
                    }
                }
                let kinds: Vec<ObjectKind> = self.kinds.clone();
                self.loose_ids.extend(kinds.into_iter().map(|kind| ((kind, id.clone()), self.tick)));
                Ok(true)
            }
            Mutation::AddField { pick } => {
                let mut without = self.remotes();
                without.retain(|remote| remote.extends() && !self.custom.contains(remote.sobject()));
                let Some(remote) = taken(&mut without, pick) else { return Ok(Ok(false)) };
                let mut field = FieldSchema::new(CUSTOM, FieldType::String);
                field.set_length(80);
                let outcome = org.add_field(remote.sobject(), field).await;
                if outcome.is_ok() {
                    self.custom.insert(remote.sobject());
                    self.loosen_field(remote.sobject(), CUSTOM);
                }
                outcome.map(|()| true)
            }
            Mutation::RemoveField { pick } => {
                let mut with: Vec<&'static str> = self.custom.iter().copied().collect();
                let Some(sobject) = taken(&mut with, pick) else { return Ok(Ok(false)) };
                let outcome = org.remove_field(sobject, CUSTOM).await;
                if outcome.is_ok() {
                    self.custom.remove(sobject);
                    self.loosen_field(sobject, CUSTOM);
                }
                outcome.map(|()| true)
            }
        })
    }

    async fn purge(&mut self, org: &OrgHandle, remote: Remote, id: &str) -> bool {
        let purged = org.hard_delete(remote.sobject(), id).await.is_ok();
        if purged && remote == Remote::ContentNote {
            // No list tells of enhanced notes that are gone for good.
            self.loose_ids.insert((remote.kind(), id.to_owned()), self.tick);
        }
        purged
    }

    /// Some records refer to others.
    async fn refer(
        &self,
        fields: &mut serde_json::Value,
        remote: Remote,
        parent: u16,
    ) -> Result<(), Failure> {
        let Some((field, of)) = remote.parent() else { return Ok(()) };
        let live = self.rows(of).await?.into_iter().filter(|row| !row.deleted);
        let parent =
            if parent.is_multiple_of(4) && remote != Remote::Note { None } else { picked(live, parent) };
        // A note cannot do without its parent, and does not move.
        if remote != Remote::Note || fields.get("Title").is_some() && parent.is_some() {
            fields[field] = json!(parent);
        }
        Ok(())
    }

    /// With a custom field where there is one, and without what the user who writes cannot see.
    fn extend(&self, fields: &mut serde_json::Value, remote: Remote, text: u16) {
        if self.custom.contains(remote.sobject()) {
            fields[CUSTOM] = json!(format!("custom{text:04x}"));
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.retain(|name, _| !self.unseen.fields.contains(&(remote.sobject(), name.clone())));
        }
    }
}

/// Takes an item out of a list; none of an empty one.
fn taken<T>(items: &mut Vec<T>, pick: u16) -> Option<T> {
    let at = usize::from(pick).checked_rem(items.len())?;
    Some(items.swap_remove(at))
}

fn picked(rows: impl Iterator<Item = Row>, pick: u16) -> Option<String> {
    let rows: Vec<Row> = rows.collect();
    let at = usize::from(pick).checked_rem(rows.len())?;
    rows.into_iter().nth(at).map(|row| row.id)
}
