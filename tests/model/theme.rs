//! What a program dwells on. Of so many faults, kinds of requests and sorts of changes, programs drawn without a plan leave
//! some that hardly ever meet; each program therefore has one fault, one kind of request and one sort of change that come
//! again and again.

use unicrm_core::ObjectKind;
use unicrm_salesforce_emulator::{Fault, Resource};

use crate::faults;
use crate::mutation::{CHANGES, Change};
use crate::objects::Remote;

/// The fault of a program, the requests that it strikes, and the change that waits meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Theme {
    /// As the tables name it.
    name: String,
    pub(crate) resource: Resource,
    pub(crate) change: Change,
}

impl Theme {
    /// The theme of a seed: seeds in a row have all faults in turn, and each time another kind of request.
    pub(crate) fn of(seed: u64) -> Self {
        let mut names: Vec<(String, Vec<Resource>)> = Vec::new();
        for resource in faults::OPERATIONS {
            for fault in faults::of(resource, usual(resource)) {
                let name = faults::name(&fault);
                // Where a sync makes few such requests, they have two turns.
                let turns = match resource {
                    Resource::Blob | Resource::BulkStatus | Resource::BulkResults => 2,
                    _ => 1,
                };
                match names.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, resources)) => resources.extend([resource].repeat(turns)),
                    None => names.push((name, [resource].repeat(turns))),
                }
            }
        }
        // What strikes one or two kinds of request only has fewer occasions in the programs of others: it has two turns.
        let rare: Vec<_> = names.iter().filter(|(_, resources)| resources.len() <= 2).cloned().collect();
        names.extend(rare);
        let round = seed / names.len() as u64;
        let (name, resources) = names.swap_remove((seed % names.len() as u64) as usize);
        let resource = resources[(round % resources.len() as u64) as usize];
        // The programs of a fault have all changes in turn as well.
        let change = CHANGES[(round % CHANGES.len() as u64) as usize].1;
        Self { name, resource, change }
    }

    /// Whether its requests are made where everything is read by query jobs; none where both will do.
    pub(crate) const fn by_jobs(&self) -> Option<bool> {
        match self.resource {
            Resource::BulkQuery | Resource::BulkStatus | Resource::BulkResults => Some(true),
            Resource::QueryMore => Some(false),
            _ => None,
        }
    }

    /// The object without which its requests are not made.
    pub(crate) fn needs(&self) -> Option<ObjectKind> {
        (self.resource == Resource::Blob).then_some(ObjectKind::Note)
    }

    /// Its fault, for a remote object if it names one.
    pub(crate) fn fault(&self, remote: Remote) -> Option<Fault> {
        faults::of(self.resource, remote).into_iter().find(|fault| faults::name(fault) == self.name)
    }
}

/// An object of which there are such requests.
const fn usual(resource: Resource) -> Remote {
    match resource {
        Resource::Blob => Remote::ContentNote,
        _ => Remote::Contact,
    }
}
