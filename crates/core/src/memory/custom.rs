//! Custom objects in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;

use super::bad_token;
use crate::{
    AssociatedClass, AssociationType, CustomObject, CustomObjectClass, CustomOperation, CustomPage,
    CustomRead, CustomRow, Error, ErrorKind, ExternalKey, GoneReason, Json, LinkedAccountId, Next, Outcome,
    OutcomeStatus, PageToken, RemoteFieldClass, RemoteId, Result, Scope, Usage,
};

type Fields = BTreeMap<String, Json>;

/// Classes and their records.
#[derive(Debug, Default)]
pub(super) struct CustomOrg {
    classes: BTreeMap<String, CustomObjectClass>,
    /// None is a record that was deleted.
    objects: BTreeMap<(String, RemoteId), Option<CustomObject>>,
    serial: u64,
}

impl CustomOrg {
    /// Adds a class: its fields, and those among them that point at records of a class.
    pub(super) fn define(
        &mut self,
        account: LinkedAccountId,
        name: &str,
        fields: &[&str],
        lookups: &[(&str, AssociatedClass)],
    ) {
        let mut class = CustomObjectClass::new(account, name);
        class.name = Some(name.to_owned());
        class.labels.singular = Some(name.to_owned());
        (class.creatable, class.updatable, class.deletable) = (true, true, true);
        let names = fields.iter().chain(lookups.iter().map(|(field, _)| field));
        class.fields = names
            .map(|field| RemoteFieldClass {
                id: Some(format!("{name}.{field}")),
                remote_key_name: Some((*field).to_owned()),
                is_custom: Some(true),
                ..RemoteFieldClass::default()
            })
            .collect();
        let source = AssociatedClass::new(account, name, None, true);
        class.association_types = lookups
            .iter()
            .map(|(field, target)| AssociationType::new(account, source.clone(), field, vec![target.clone()]))
            .collect();
        self.classes.insert(name.to_owned(), class);
    }

    /// The classes, without what only a look at one shows.
    pub(super) fn classes(&self) -> Vec<CustomObjectClass> {
        let heads = self.classes.values().cloned();
        heads
            .map(|mut class| {
                class.fields.clear();
                class.association_types.clear();
                class
            })
            .collect()
    }

    pub(super) fn class(&self, name: &str) -> Result<&CustomObjectClass> {
        self.classes
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no class {name:?}")))
    }

    pub(super) fn page(&self, request: &CustomRead) -> Result<CustomPage> {
        let class = self.class(&request.class)?;
        let size = request.page_size.unwrap_or(200).clamp(1, 2_000) as usize;
        let row = |id: &RemoteId, stored: Option<&Option<CustomObject>>| match stored {
            Some(Some(object)) => CustomRow::Live(object.clone()),
            Some(None) => CustomRow::Gone { remote_id: id.clone(), reason: GoneReason::Deleted },
            None => CustomRow::Gone { remote_id: id.clone(), reason: GoneReason::NotVisible },
        };
        let key = |id: &RemoteId| (class.remote_id.clone(), id.clone());
        let (rows, more) = match &request.scope {
            Scope::Ids(ids) => {
                let asked: usize = match &request.after {
                    Some(token) => token.as_str().parse().map_err(|_| bad_token())?,
                    None => 0,
                };
                let wanted = ids.iter().skip(asked).take(size);
                let rows: Vec<_> = wanted.map(|id| row(id, self.objects.get(&key(id)))).collect();
                let asked = asked + rows.len();
                (rows, (asked < ids.len()).then(|| asked.to_string()))
            }
            Scope::All => {
                let after = match &request.after {
                    Some(token) => {
                        token.as_str().strip_prefix("after:").map(RemoteId::from).ok_or_else(bad_token)?
                    }
                    None => RemoteId::from(""),
                };
                let range = self.objects.range((Bound::Excluded(key(&after)), Bound::Unbounded));
                let own = range.take_while(|((name, _), _)| *name == class.remote_id);
                let mut rows: Vec<_> =
                    own.take(size + 1).map(|((_, id), stored)| row(id, Some(stored))).collect();
                let more = rows.len() > size;
                rows.truncate(size);
                let last = rows.last().and_then(CustomRow::remote_id);
                let token = last.filter(|_| more).map(|id| format!("after:{id}"));
                (rows, token)
            }
            _ => return Err(Error::new(ErrorKind::Unsupported, "custom objects are read whole, or by ids")),
        };
        let next = more.map_or(Next::End(None), |token| Next::More(PageToken::new(token)));
        Ok(CustomPage::new(rows, next).with_usage(Usage::calls(1)))
    }

    pub(super) fn write(&mut self, account: LinkedAccountId, operation: CustomOperation) -> Outcome {
        let written = match operation {
            CustomOperation::Create { class, fields } => self.create(account, &class, fields),
            CustomOperation::Update { class, remote_id, fields } => {
                self.update(account, &class, &remote_id, fields)
            }
            CustomOperation::Upsert { class, key, mut fields } => {
                fields.insert(key.field.clone(), Json::text(&key.value));
                match self.find(&class, &key) {
                    Some(remote_id) => self.update(account, &class, &remote_id, fields),
                    None => self.create(account, &class, fields),
                }
            }
            CustomOperation::Delete { class, remote_id } => {
                match self.objects.get_mut(&(class.clone(), remote_id.clone())) {
                    Some(stored) => {
                        *stored = None;
                        Ok(Outcome::new(OutcomeStatus::Deleted).with_remote_id(remote_id))
                    }
                    None => Err(no_such_object(&class, &remote_id)),
                }
            }
        };
        written.unwrap_or_else(Outcome::failed)
    }

    fn create(&mut self, account: LinkedAccountId, class: &str, fields: Fields) -> Result<Outcome> {
        self.check(class, &fields)?;
        self.serial += 1;
        let mut object = CustomObject::new(account, class, format!("{class}-{:08}", self.serial));
        object.remote_created_at = Some(Timestamp::now());
        object.fields = fields;
        let remote_id = object.remote_id.clone();
        self.put(account, object)?;
        Ok(Outcome::new(OutcomeStatus::Created).with_remote_id(remote_id))
    }

    fn update(
        &mut self,
        account: LinkedAccountId,
        class: &str,
        remote_id: &RemoteId,
        fields: Fields,
    ) -> Result<Outcome> {
        self.check(class, &fields)?;
        let stored = self.objects.get(&(class.to_owned(), remote_id.clone())).cloned().flatten();
        let before = stored.ok_or_else(|| no_such_object(class, remote_id))?;
        let mut after = before.clone();
        after.fields.extend(fields);
        let status = if after == before {
            OutcomeStatus::Unchanged
        } else {
            self.put(account, after)?;
            OutcomeStatus::Updated
        };
        Ok(Outcome::new(status).with_remote_id(remote_id.clone()))
    }

    fn put(&mut self, account: LinkedAccountId, mut object: CustomObject) -> Result<()> {
        let class = self.class(&object.object_class)?;
        let associations = class.association_types.iter().filter_map(|association| {
            let target = object.fields.get(&association.remote_key_name)?.to_text()?;
            Some(association.associate(account, &object.remote_id, &RemoteId::from(target), None))
        });
        object.associations = associations.collect();
        object.remote_updated_at = Some(Timestamp::now());
        self.objects.insert((object.object_class.clone(), object.remote_id.clone()), Some(object));
        Ok(())
    }

    fn check(&self, class: &str, fields: &Fields) -> Result<()> {
        let class = self.class(class)?;
        let unknown = fields.keys().filter(|name| class.field(name).is_none());
        let error = Error::new(ErrorKind::InvalidRequest, "a field cannot be written");
        let mut unknown = unknown.peekable();
        if unknown.peek().is_none() {
            return Ok(());
        }
        Err(unknown.fold(error, |error, name| {
            error.with_field(format!("/fields/{name}"), format!("{} has no field {name}", class.remote_id))
        }))
    }

    fn find(&self, class: &str, key: &ExternalKey) -> Option<RemoteId> {
        let mut live = self.objects.values().flatten().filter(|object| object.object_class == class);
        let found = live.find(|object| {
            object.fields.get(&key.field).and_then(Json::to_text).as_deref() == Some(key.value.as_str())
        });
        found.map(|object| object.remote_id.clone())
    }
}

fn no_such_object(class: &str, remote_id: &RemoteId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {class} {remote_id}"))
}
