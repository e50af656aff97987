//! What programs met, counted over all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use unicrm_core::ErrorKind;
use unicrm_salesforce_emulator::Resource;
use unicrm_sync::Status;

/// The counters of one program, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) programs: u64,
    pub(crate) steps: u64,
    pub(crate) syncs: u64,
    pub(crate) full: u64,
    pub(crate) reconciled: u64,
    pub(crate) crashes: u64,
    /// Syncs during which the org changed.
    pub(crate) meanwhile: u64,
    mutations: BTreeMap<&'static str, u64>,
    statuses: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    /// Requests that a fault struck, by kind of request.
    strikes: BTreeMap<(String, Resource), u64>,
    /// Syncs in which a fault struck while a sort of change waited to be seen.
    meetings: BTreeMap<(String, &'static str), u64>,
}

impl Tally {
    pub(crate) fn mutation(&mut self, name: &'static str) {
        *self.mutations.entry(name).or_default() += 1;
    }

    pub(crate) fn sync(&mut self, full: bool, reconcile: bool) {
        self.syncs += 1;
        self.full += u64::from(full);
        self.reconciled += u64::from(reconcile);
    }

    pub(crate) fn status(&mut self, status: Status) {
        *self.statuses.entry(status.as_str()).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, kind: ErrorKind) {
        *self.refused.entry(kind.as_str()).or_default() += 1;
    }

    pub(crate) fn strike(
        &mut self,
        fault: String,
        resource: Resource,
        times: u64,
        pending: &BTreeSet<&'static str>,
    ) {
        for change in pending {
            *self.meetings.entry((fault.clone(), change)).or_default() += 1;
        }
        *self.strikes.entry((fault, resource)).or_default() += times;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.programs += other.programs;
        self.steps += other.steps;
        self.syncs += other.syncs;
        self.full += other.full;
        self.reconciled += other.reconciled;
        self.crashes += other.crashes;
        self.meanwhile += other.meanwhile;
        merge(&mut self.mutations, other.mutations);
        merge(&mut self.statuses, other.statuses);
        merge(&mut self.refused, other.refused);
        merge(&mut self.strikes, other.strikes);
        merge(&mut self.meetings, other.meetings);
    }

    /// How often a fault struck this kind of request.
    pub(crate) fn struck(&self, fault: &str, resource: Resource) -> u64 {
        self.strikes.get(&(fault.to_owned(), resource)).copied().unwrap_or_default()
    }

    /// How often a mutation was carried out.
    pub(crate) fn mutated(&self, name: &str) -> u64 {
        self.mutations.get(name).copied().unwrap_or_default()
    }

    /// How often a fault struck while this sort of change waited to be seen.
    pub(crate) fn met(&self, fault: &str, change: &'static str) -> u64 {
        self.meetings.get(&(fault.to_owned(), change)).copied().unwrap_or_default()
    }

    /// The sorts of changes that were carried out.
    pub(crate) fn changes(&self) -> Vec<&'static str> {
        self.mutations.keys().copied().collect()
    }

    /// The names of the faults that struck.
    pub(crate) fn faults(&self) -> BTreeSet<String> {
        self.strikes.keys().map(|(fault, _)| fault.clone()).collect()
    }

    /// Everything, for people.
    pub(crate) fn report(&self, resources: &[Resource]) -> String {
        let mut text = String::new();
        let line = |text: &mut String, what: &str, counts: &BTreeMap<&'static str, u64>| {
            let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            writeln!(text, "{what}: {}", counts.join(", ")).expect("a string takes text");
        };
        writeln!(
            text,
            "{} programs, {} steps; {} syncs ({} full, {} compared, {} crashes, {} with changes meanwhile)",
            self.programs, self.steps, self.syncs, self.full, self.reconciled, self.crashes, self.meanwhile
        )
        .expect("a string takes text");
        line(&mut text, "changes", &self.mutations);
        line(&mut text, "objects synced", &self.statuses);
        line(&mut text, "connections refused", &self.refused);
        let names: Vec<String> = resources.iter().map(|resource| format!("{resource:?}")).collect();
        self.table(&mut text, "fault x request", &names, |fault, at| self.struck(fault, resources[at]));
        let changes = self.changes();
        let names: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        self.table(&mut text, "fault x change", &names, |fault, at| self.met(fault, changes[at]));
        text
    }

    fn table(&self, text: &mut String, title: &str, names: &[String], count: impl Fn(&str, usize) -> u64) {
        write!(text, "\n{title:<28}").expect("a string takes text");
        for name in names {
            write!(text, " {:>11}", name.chars().take(11).collect::<String>()).expect("a string takes text");
        }
        text.push('\n');
        for fault in self.faults() {
            write!(text, "{fault:<28}").expect("a string takes text");
            for at in 0..names.len() {
                write!(text, " {:>11}", count(&fault, at)).expect("a string takes text");
            }
            text.push('\n');
        }
    }
}

fn merge<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}
