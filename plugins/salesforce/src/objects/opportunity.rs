//! Opportunity.

use unicrm_core::{
    FieldMapping, Json, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, Opportunity, OpportunityPatch,
    OpportunityStatus, Patch, RemoteField,
};

use super::context::{MapContext, OrgFacts, StageRow};
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Writer, kept};

/// How opportunities map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Opportunity,
    remote_objects: &["Opportunity"],
    fields: &[
        FieldMapping::read("id", &["Id"]).note("computed from the remote id"),
        FieldMapping::read("remote_id", &["Id"]),
        FieldMapping::both("name", &["Name"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("description", &["Description"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::both("amount", &["Amount"])
            .note("exact; the currency, where the org has several, is the remote field CurrencyIsoCode"),
        FieldMapping::both("owner", &["OwnerId"]).normal(&[NormalForm::Defaulted]),
        FieldMapping::both("account", &["AccountId"]),
        FieldMapping::both("stage", &["StageName"])
            .normal(&[NormalForm::Trimmed])
            .note("the stage's remote id is its name"),
        FieldMapping::both("status", &["IsWon", "IsClosed"])
            .normal(&[NormalForm::Derived])
            .note("follows from the stage; a write picks the only active stage that fits"),
        FieldMapping::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldMapping::both("close_date", &["CloseDate"]).normal(&[NormalForm::Day]),
        FieldMapping::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldMapping::read("opportunity_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldMapping::read("remote_was_deleted", &["IsDeleted"]),
        FieldMapping::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

wire! {
    /// A row of Opportunity.
    struct OpportunityRow {
        id: "Id",
        is_deleted: "IsDeleted",
        account_id: "AccountId",
        name: "Name",
        description: "Description",
        stage_name: "StageName",
        amount: "Amount",
        close_date: "CloseDate",
        is_closed: "IsClosed",
        is_won: "IsWon",
        owner_id: "OwnerId",
        created_date: "CreatedDate",
        system_modstamp: "SystemModstamp" + keep,
        last_activity_date: "LastActivityDate",
    }
}

pub(super) fn from_remote(
    row: &OpportunityRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Opportunity, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    let mut deal = Opportunity::default();
    deal.id = Some(map.id(&id));
    deal.opportunity_url = Some(map.url(&id));
    deal.remote_id = Some(id.into());
    deal.name = row.name.string()?;
    deal.description = row.description.string()?;
    deal.amount = row.amount.amount()?;
    deal.owner = map.owner(row.owner_id, &mut rest)?;
    deal.account = map.account(row.account_id)?;
    let stage = row.stage_name.text()?;
    deal.status = match (row.is_won.boolean()?, row.is_closed.boolean()?) {
        (Some(true), _) => Some(OpportunityStatus::Won),
        (Some(false), Some(true)) => Some(OpportunityStatus::Lost),
        (_, Some(false)) => Some(OpportunityStatus::Open),
        // This user does not see the flags; the stage implies them.
        (_, None) | (None, _) => stage.as_deref().and_then(|stage| implied(stage, &map.cx.org)),
    };
    deal.stage = stage.map(|stage| map.reference(stage));
    deal.last_activity_at = row.last_activity_date.day()?;
    deal.close_date = row.close_date.day()?;
    deal.remote_created_at = row.created_date.datetime()?;
    deal.remote_was_deleted = row.is_deleted.boolean()?;
    deal.remote_fields = rest;
    Ok(deal)
}

/// The status that a stage implies.
fn implied(stage: &str, org: &OrgFacts) -> Option<OpportunityStatus> {
    org.stages.iter().find(|row| row.api_name == stage).map(status_of)
}

fn status_of(stage: &StageRow) -> OpportunityStatus {
    match (stage.is_won, stage.is_closed) {
        (true, _) => OpportunityStatus::Won,
        (false, true) => OpportunityStatus::Lost,
        (false, false) => OpportunityStatus::Open,
    }
}

pub(crate) fn to_remote(
    patch: &OpportunityPatch,
    intent: Intent<'_, Opportunity>,
    cx: &MapContext,
) -> Encoded {
    let before = intent.before();
    let mut w = Writer::new("Opportunity", cx, intent);
    w.text("name", "Name", &patch.name, before.map(|o| o.name.as_deref()));
    w.text("description", "Description", &patch.description, before.map(|o| o.description.as_deref()));
    w.amount("amount", "Amount", &patch.amount, before.map(|o| o.amount));
    w.reference("owner", "OwnerId", &patch.owner, before.map(|o| o.owner.as_ref()), &["005"]);
    w.reference("account", "AccountId", &patch.account, before.map(|o| o.account.as_ref()), &["001"]);
    stage(&mut w, patch, before);
    status(&mut w, patch, before);
    w.day("close_date", "CloseDate", &patch.close_date, before.map(|o| o.close_date));
    w.remote_fields(OpportunityRow::FIELDS, &patch.remote_fields, before.map(|o| &*o.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

fn stage(w: &mut Writer<'_>, patch: &OpportunityPatch, before: Option<&Opportunity>) {
    let Some(asked) = w.asked(&patch.stage) else { return };
    if before.is_some_and(|before| before.stage.as_ref() == asked) {
        return;
    }
    match asked.map(|stage| stage.remote_id().and_then(|name| kept(name.as_str()))) {
        None => w.refuse("/stage", "an opportunity always has a stage: name one, or leave the field out"),
        Some(None) => w.refuse("/stage", "the stage's remote id, which is its name, is not known"),
        Some(Some(name)) => w.put_text("/stage", "StageName", Some(name)),
    }
}

/// A status is not written: it follows from the stage. One that does not follow picks a stage, when there is only one.
fn status(w: &mut Writer<'_>, patch: &OpportunityPatch, before: Option<&Opportunity>) {
    let Some(asked) = w.asked(&patch.status).filter(|_| !w.is_seed()) else { return };
    let Some(asked) = asked.map(OpportunityStatus::normalized) else {
        return w.refuse("/status", "the status follows from the stage and cannot be cleared");
    };
    let stage_stays = match (&patch.stage, before) {
        (Patch::Absent, _) => true,
        (stage, Some(before)) => stage.value() == before.stage.as_ref(),
        _ => false,
    };
    if stage_stays && before.is_some_and(|before| before.status.as_ref() == Some(&asked)) {
        return;
    }
    let named = match &patch.stage {
        Patch::Set(stage) => stage.remote_id(),
        Patch::Absent | Patch::Null => None,
    };
    let org = &w.cx.org;
    if let Some(stage) = named {
        let follows = implied(stage.as_str(), org);
        if follows.as_ref() != Some(&asked) {
            let follows = follows.map_or_else(|| "of unknown status".to_owned(), |status| status.to_string());
            w.refuse(
                "/status",
                format!("the stage {stage} is {follows}: leave the status out, or name another stage"),
            );
        }
        return;
    }
    let fitting: Vec<_> = org
        .stages
        .iter()
        .filter(|stage| stage.is_active && status_of(stage) == asked)
        .map(|stage| stage.api_name.clone())
        .collect();
    match fitting.as_slice() {
        [only] => {
            w.warn("/status", "stage_chosen", format!("{asked} is written as the stage {only:?}"));
            w.put_text("/status", "StageName", Some(only));
        }
        [] => w.refuse("/status", format!("this org has no active stage that is {asked}: name a stage")),
        several => {
            w.refuse("/status", format!("{} are {asked}: name one as the stage", several.join(", ")));
        }
    }
}

/// The remote record that an opportunity stands for.
pub(crate) fn encode(deal: &Opportunity, cx: &MapContext) -> RemoteRecord {
    let patch = OpportunityPatch::from_object(deal.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(deal.remote_id.as_ref());
    let flags = match deal.status {
        Some(OpportunityStatus::Won) => Some((true, true)),
        Some(OpportunityStatus::Lost) => Some((true, false)),
        Some(OpportunityStatus::Open) => Some((false, false)),
        Some(OpportunityStatus::Other(_)) | None => None,
    };
    if let Some((closed, won)) = flags {
        remote.set("IsClosed", Json::of(&closed));
        remote.set("IsWon", Json::of(&won));
    }
    remote.set_flag("IsDeleted", deal.remote_was_deleted);
    remote.set_instant("CreatedDate", deal.remote_created_at);
    remote.set_day("LastActivityDate", deal.last_activity_at);
    remote
}
