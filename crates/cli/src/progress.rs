//! How far a sync is: bars on a terminal, and nothing but a line per object elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use unicrm_core::ObjectKind;
use unicrm_sync::{Event, ObjectSummary, Status};

use crate::output::{Style, paint};

/// Shows the events of one run on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<ObjectKind, ProgressBar>>,
}

impl Progress {
    /// Bars when stderr is a terminal.
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, running: Mutex::default() }
    }

    /// Takes an event.
    pub(crate) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Began { kind } => self.began(*kind),
            Event::Page { kind, tally, total } => self.page(*kind, tally.read, *total),
            Event::Ended(object) => self.ended(object),
            Event::Compared { kind, ids, total } => {
                if !self.running().contains_key(kind) {
                    self.began(*kind);
                }
                self.page(*kind, *ids, *total);
            }
            Event::Reconciled { kind, .. } => {
                if let Some(bar) = self.running().remove(kind) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    fn began(&self, kind: ObjectKind) {
        let Some(bars) = &self.bars else { return };
        let bar = bars.add(ProgressBar::no_length().with_style(style(false)).with_prefix(kind.plural()));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running().insert(kind, bar);
    }

    fn page(&self, kind: ObjectKind, read: u64, total: Option<u64>) {
        let running = self.running();
        let Some(bar) = running.get(&kind) else { return };
        if let Some(total) = total {
            // The remote's number is a guess that rows may outgrow.
            if bar.length().is_none() {
                bar.set_style(style(true));
            }
            bar.set_length(total.max(read));
        }
        bar.set_position(read);
    }

    fn ended(&self, object: &ObjectSummary) {
        let bar = self.running().remove(&object.kind);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let text = finished(object, self.bars.is_some());
        match &self.bars {
            // A bar that cannot be drawn any more is no reason to stop.
            Some(bars) => drop(bars.println(text)),
            None => drop(writeln!(std::io::stderr().lock(), "{text}")),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectKind, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn finished(object: &ObjectSummary, terminal: bool) -> String {
    let tally = &object.tally;
    let mut text = format!("{:<17}{:>8} read", object.kind.plural(), tally.read);
    for (count, what) in [
        (tally.created, "created"),
        (tally.updated, "updated"),
        (tally.deleted, "deleted"),
        (tally.rejected, "rejected"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    let style = match object.status {
        Status::Complete => Style::Good,
        _ => Style::Bad,
    };
    let status =
        if object.resumed { format!("{}, resumed", object.status) } else { object.status.to_string() };
    format!("{text} ({})", paint(terminal, style, &status))
}

/// How far something is whose size is known, how fast, and how long it takes still.
const WITH_LENGTH: &str = "{prefix:<17}{bar:20} {human_pos:>9}/{human_len} {per_sec} {eta:>3} left";
/// How far something is that may be of any size.
const WITHOUT_LENGTH: &str = "{prefix:<17}{spinner} {human_pos:>9} {per_sec}";

fn style(with_length: bool) -> ProgressStyle {
    let template = if with_length { WITH_LENGTH } else { WITHOUT_LENGTH };
    // The templates are fixed; a test holds that they parse.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A bar of its own for so many records; nothing when stderr is no terminal.
pub(crate) fn bar(name: &'static str, total: u64) -> ProgressBar {
    if std::io::stderr().is_terminal() {
        ProgressBar::new(total).with_style(style(true)).with_prefix(name)
    } else {
        ProgressBar::hidden()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_parse() {
        for template in [WITH_LENGTH, WITHOUT_LENGTH] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
