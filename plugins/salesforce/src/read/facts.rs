//! What the mapping must know about the org: loaded once per connection, and again when a row shows something new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;
use unicrm_core::{Error, LeadStatus, LinkedAccountId, Usage};

use super::enrich::is_hidden;
use super::head::Head;

use super::select::Selection;
use super::small::all_pages;
use super::source::Source;
use crate::api::{Client, Describe, QueryOptions, QueryPage, Soql};
use crate::config::SalesforceConfig;
use crate::error::Code;
use crate::objects::{ActivityTypeRow, LeadStatusRow, MapContext, StageRow, TaskStatusRow};
use crate::schema::sobject_facts;

/// Something new in a row makes a fact be loaded again, but not more often than this: a value may be unknown for good.
const PATIENCE: Duration = Duration::from_secs(600);

/// The facts of one connection.
#[derive(Debug)]
pub(super) struct Facts {
    state: Mutex<State>,
}

/// What a batch of writes must know of the org.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The objects that it may write.
    pub(crate) sobjects: BTreeSet<&'static str>,
    /// The values of Lead.Status.
    pub(crate) lead_statuses: bool,
    /// The stages of opportunities.
    pub(crate) stages: bool,
    /// The values of Task.Status.
    pub(crate) task_statuses: bool,
}

#[derive(Debug)]
struct State {
    context: Arc<MapContext>,
    loaded: BTreeMap<Fact, Instant>,
    /// The describes that the facts of objects were made from.
    describes: BTreeMap<&'static str, Arc<Describe>>,
}

/// Facts that take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    LeadStatuses,
    Stages,
    TaskStatuses,
    ActivityTypes,
}

impl Facts {
    pub(super) fn new(linked_account: LinkedAccountId, config: &SalesforceConfig) -> Self {
        let mut context = MapContext::new(linked_account, "");
        let labels = config.lead_statuses.iter();
        let labels: Vec<(String, LeadStatus)> =
            labels.map(|(label, status)| (label.clone(), status.clone())).collect();
        context.org.lead_labels = Some(labels);
        let state = State { context: Arc::new(context), loaded: BTreeMap::new(), describes: BTreeMap::new() };
        Self { state: Mutex::new(state) }
    }

    /// What the mapping of a page's rows takes into account.
    pub(super) async fn context(
        &self,
        client: &Client,
        usage: &mut Usage,
        selection: &Selection,
        heads: &[Option<Head<'_>>],
    ) -> Result<Arc<MapContext>, Error> {
        let mut state = self.state.lock().await;
        state.move_to(client);
        state.take_describe(selection.source.sobject(), &selection.describe);
        let heads = || heads.iter().flatten();
        let visible = |field: &str| selection.describe.field(field).is_some();
        match selection.source {
            Source::Lead => {
                let org = Arc::clone(&state.context);
                let known = |status: &str| org.org.lead_statuses.iter().any(|row| row.api_name == status);
                let news = heads().filter_map(Head::status).any(|status| !known(&status));
                state.load(client, usage, Fact::LeadStatuses, news).await?;
            }
            // Where the record itself does not say what its stage or status means, the org's list does.
            Source::Opportunity if !visible("IsWon") || !visible("IsClosed") => {
                state.load(client, usage, Fact::Stages, false).await?;
            }
            Source::Task if !visible("IsClosed") => {
                state.load(client, usage, Fact::TaskStatuses, false).await?;
            }
            Source::Event | Source::TaskEngagement => {
                let org = Arc::clone(&state.context);
                let known = |value: &str| org.org.activity_types.iter().any(|row| row.value == value);
                let news = heads().filter_map(Head::activity_type).any(|value| !known(&value));
                state.load(client, usage, Fact::ActivityTypes, news).await?;
            }
            _ => {}
        }
        Ok(Arc::clone(&state.context))
    }

    /// What the mapping of a batch of writes takes into account.
    pub(super) async fn for_writing(
        &self,
        client: &Client,
        usage: &mut Usage,
        needs: &Needs,
    ) -> Result<Arc<MapContext>, Error> {
        let mut state = self.state.lock().await;
        state.move_to(client);
        let sobjects: Vec<&'static str> = needs.sobjects.iter().copied().collect();
        for (sobject, describe) in sobjects.iter().zip(client.describe_many(usage, &sobjects).await?) {
            let describe = match describe {
                Ok(describe) => Some(describe),
                Err(fault) if is_hidden(&fault) => None,
                Err(fault) => return Err(fault.into()),
            };
            if let Some(describe) = &describe {
                state.take_describe(sobject, describe);
            }
            let shows = |field| describe.as_ref().is_some_and(|describe| describe.field(field).is_some());
            match *sobject {
                "ContentNote" => {
                    let creates = describe.as_ref().is_some_and(|describe| describe.object.createable);
                    state.context().org.enhanced_notes = creates;
                }
                // Relations that are no invitations are there only where activities are shared.
                "EventRelation" => state.context().org.shared_activities = shows("IsParent"),
                _ => {}
            }
        }
        for (needed, fact) in [
            (needs.lead_statuses, Fact::LeadStatuses),
            (needs.stages, Fact::Stages),
            (needs.task_statuses, Fact::TaskStatuses),
        ] {
            if needed {
                state.load(client, usage, fact, true).await?;
            }
        }
        Ok(Arc::clone(&state.context))
    }

    /// The sorts of engagement that the org's own picklists offer, as they are now.
    pub(super) async fn activity_types(
        &self,
        client: &Client,
        usage: &mut Usage,
    ) -> Result<Arc<MapContext>, Error> {
        let mut state = self.state.lock().await;
        state.move_to(client);
        state.load_activity_types(client, usage, false).await?;
        state.loaded.entry(Fact::ActivityTypes).or_insert_with(Instant::now);
        Ok(Arc::clone(&state.context))
    }
}

impl State {
    fn context(&mut self) -> &mut MapContext {
        Arc::make_mut(&mut self.context)
    }

    /// An org may move to another host at any time.
    fn move_to(&mut self, client: &Client) {
        let url = client.instance_url();
        let url = url.as_str().trim_end_matches('/');
        if self.context.instance_url != url {
            url.clone_into(&mut self.context().instance_url);
        }
    }

    /// Takes the facts of an object from its describe, when that is a new one; tells whether it is.
    fn take_describe(&mut self, sobject: &'static str, describe: &Arc<Describe>) -> bool {
        if self.describes.get(sobject).is_some_and(|known| Arc::ptr_eq(known, describe)) {
            return false;
        }
        self.describes.insert(sobject, Arc::clone(describe));
        let facts = Arc::new(sobject_facts(describe));
        self.context().sobjects.insert(sobject.into(), facts);
        true
    }

    /// Loads a fact that is not there yet, or that rows have outgrown.
    async fn load(
        &mut self,
        client: &Client,
        usage: &mut Usage,
        fact: Fact,
        news: bool,
    ) -> Result<(), Error> {
        let again = |at: &Instant| news && at.elapsed() > PATIENCE;
        let known = self.loaded.get(&fact);
        if known.is_some_and(|at| !again(at)) {
            return Ok(());
        }
        match fact {
            Fact::LeadStatuses => {
                let fields = ["ApiName", "IsConverted", "IsDefault", "SortOrder"];
                if let Some(rows) = list::<StatusRow>(client, usage, "LeadStatus", &fields).await? {
                    self.context().org.lead_statuses =
                        rows.into_iter().map(StatusRow::into_lead_status).collect();
                }
            }
            Fact::Stages => {
                let fields = ["ApiName", "IsActive", "IsClosed", "IsWon", "SortOrder"];
                if let Some(rows) = list::<StatusRow>(client, usage, "OpportunityStage", &fields).await? {
                    self.context().org.stages = rows.into_iter().map(StatusRow::into_stage).collect();
                }
            }
            Fact::TaskStatuses => {
                let fields = ["ApiName", "IsClosed", "IsDefault", "SortOrder"];
                if let Some(rows) = list::<StatusRow>(client, usage, "TaskStatus", &fields).await? {
                    self.context().org.task_statuses =
                        rows.into_iter().map(StatusRow::into_task_status).collect();
                }
            }
            Fact::ActivityTypes => {
                let outgrown = known.is_some();
                self.load_activity_types(client, usage, outgrown).await?;
            }
        }
        self.loaded.insert(fact, Instant::now());
        Ok(())
    }

    async fn load_activity_types(
        &mut self,
        client: &Client,
        usage: &mut Usage,
        outgrown: bool,
    ) -> Result<(), Error> {
        let mut rows = Vec::new();
        for sobject in ["Event", "Task"] {
            if outgrown {
                client.forget_describe(sobject);
            }
            let describe = match client.describe(usage, sobject).await {
                Ok(describe) => describe,
                Err(fault) if is_hidden(&fault) => continue,
                Err(fault) => return Err(fault.into()),
            };
            self.take_describe(sobject, &describe);
            let values = describe.field("Type").into_iter().flat_map(|field| &field.picklist_values);
            rows.extend(values.filter(|entry| entry.active).map(|entry| ActivityTypeRow {
                sobject,
                value: entry.value.clone(),
                label: entry.label.clone().unwrap_or_else(|| entry.value.clone()),
            }));
        }
        if self.context.org.activity_types != rows {
            self.context().org.activity_types = rows;
        }
        Ok(())
    }
}

/// A row of any of the lists of statuses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct StatusRow {
    api_name: Option<String>,
    is_active: Option<bool>,
    is_closed: Option<bool>,
    is_converted: Option<bool>,
    is_default: Option<bool>,
    is_won: Option<bool>,
    sort_order: Option<i64>,
}

impl StatusRow {
    fn into_lead_status(self) -> LeadStatusRow {
        LeadStatusRow {
            api_name: self.api_name.unwrap_or_default(),
            is_converted: self.is_converted.unwrap_or_default(),
            is_default: self.is_default.unwrap_or_default(),
            sort_order: self.sort_order.unwrap_or_default(),
        }
    }

    fn into_stage(self) -> StageRow {
        StageRow {
            api_name: self.api_name.unwrap_or_default(),
            is_active: self.is_active.unwrap_or_default(),
            is_closed: self.is_closed.unwrap_or_default(),
            is_won: self.is_won.unwrap_or_default(),
            sort_order: self.sort_order.unwrap_or_default(),
        }
    }

    fn into_task_status(self) -> TaskStatusRow {
        TaskStatusRow {
            api_name: self.api_name.unwrap_or_default(),
            is_closed: self.is_closed.unwrap_or_default(),
            is_default: self.is_default.unwrap_or_default(),
            sort_order: self.sort_order.unwrap_or_default(),
        }
    }
}

/// The rows of a small list; none when this user may not see it.
async fn list<T: for<'de> Deserialize<'de>>(
    client: &Client,
    usage: &mut Usage,
    sobject: &str,
    fields: &[&str],
) -> Result<Option<Vec<T>>, Error> {
    let soql = Soql::select(sobject).fields(fields.iter().copied());
    let options = QueryOptions { all_rows: false, batch_size: None };
    match all_pages(client, usage, &soql, options).await {
        Ok(pages) => {
            let rows = pages.iter().flat_map(QueryPage::rows);
            Ok(Some(rows.filter_map(|json| serde_json::from_str(json).ok()).collect()))
        }
        Err(fault) if is_hidden(&fault) || fault.is(&Code::InvalidField) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
