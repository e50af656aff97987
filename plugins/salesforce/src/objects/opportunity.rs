//! Opportunity.

use unicrm_core::{
    FieldRule, Json, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, Opportunity, OpportunityPatch,
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
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::both("name", &["Name"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("description", &["Description"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("amount", &["Amount"])
            .note("exact; the currency, where the org has several, is the remote field CurrencyIsoCode"),
        FieldRule::both("owner", &["OwnerId"]).normal(&[NormalForm::Defaulted]),
        FieldRule::both("account", &["AccountId"]),
        FieldRule::both("stage", &["StageName"])
            .normal(&[NormalForm::Trimmed])
            .note("the stage's remote id is its name"),
        FieldRule::both("status", &["IsWon", "IsClosed"])
            .normal(&[NormalForm::Derived])
            .note("follows from the stage; a write picks the only active stage that fits"),
        FieldRule::read("last_activity_at", &["LastActivityDate"]).normal(&[NormalForm::Day]),
        FieldRule::both("close_date", &["CloseDate"]).normal(&[NormalForm::Day]),
        FieldRule::read("remote_created_at", &["CreatedDate"]).normal(&[NormalForm::Second]),
        FieldRule::read("opportunity_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["IsDeleted"]),
        FieldRule::both("remote_fields", &[])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Extras;
    use crate::objects::FieldFacts;
    use crate::objects::tests::{
        create, cx, decode, patch, read, refused, update, update_blindly, with_field, writable,
    };
    use crate::read::source::Source;

    const ID: &str = "0066g00000CYNqKAAX";

    fn deal(json: &str) -> OpportunityPatch {
        patch(json)
    }

    fn at_stage(stage: &str, closed: bool, won: bool) -> Opportunity {
        let json = format!(
            "{{\"Id\":\"{ID}\",\"StageName\":\"{stage}\",\"IsClosed\":{closed},\"IsWon\":{won},\"Amount\":100.50,\
             \"CloseDate\":\"2022-02-10\"}}"
        );
        read(Source::Opportunity, &json)
    }

    #[test]
    fn everything_that_has_a_place_is_written() {
        let all = deal(
            r#"{
                "name": "Needs Integrations", "description": "Needs a Unified API", "amount": 1234567890123456.70,
                "owner": {"remote_id": "0056g000004AiJXAA0"}, "account": {"remote_id": "0016g00000CYNqKAAX"},
                "stage": {"remote_id": "Closed Won"}, "status": "won", "close_date": "2022-02-10T00:00:01Z",
                "last_activity_at": "2022-02-10T00:00:00Z", "remote_created_at": "2021-11-10T00:00:00Z",
                "remote_was_deleted": true, "opportunity_url": "x",
                "remote_fields": [{"remote_field_class": "Opportunity.CurrencyIsoCode", "value": "EUR"}]
            }"#,
        );
        insta::assert_snapshot!(create(all, &cx()));
    }

    #[test]
    fn the_status_follows_from_the_flags_or_from_the_stage() {
        let cases = [
            (r#""IsClosed":true,"IsWon":true"#, Some("WON")),
            (r#""IsClosed":true,"IsWon":false"#, Some("LOST")),
            (r#""IsClosed":false,"IsWon":false"#, Some("OPEN")),
            (r#""IsClosed":"false","IsWon":"false""#, Some("OPEN")),
            (r#""IsWon":true"#, Some("WON")),
            (r#""IsClosed":false"#, Some("OPEN")),
            (r#""IsWon":false,"StageName":"Abandoned""#, Some("LOST")),
            (r#""IsClosed":true,"StageName":"Closed Won""#, Some("WON")),
            (r#""StageName":"Closed Lost""#, Some("LOST")),
            (r#""StageName":"Negotiation""#, Some("OPEN")),
            (r#""StageName":"Not known""#, None),
        ];
        for (json, status) in cases {
            let json = format!("{{\"Id\":\"{ID}\",{json}}}");
            let record = decode(Source::Opportunity, &json, Extras::default(), &cx()).expect("a deal").record;
            assert_eq!(record.get("status").map(|status| status.to_string()).as_deref(), status, "{json}");
        }
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (number, amount) in [
            ("12345678901234567.89", "12345678901234567.89"),
            ("1.6147805824397E13", "16147805824397"),
            ("\"0.10\"", "0.10"),
        ] {
            let read: Opportunity =
                read(Source::Opportunity, &format!("{{\"Id\":\"{ID}\",\"Amount\":{number}}}"));
            assert_eq!(read.amount, Some(amount.parse().expect("an amount")), "{number}");
        }
        for number in ["\"many\"", "true", "[]", "1e99"] {
            let json = format!("{{\"Id\":\"{ID}\",\"Amount\":{number}}}");
            assert_eq!(refused(Source::Opportunity, &json).0, Some("Amount"), "{number}");
        }
        let lines = |amount: &str| create(deal(&format!("{{\"amount\":{amount}}}")), &cx());
        let too_many = "/amount refused: Amount holds 18 digits, 2 of them behind the point, and ";
        assert_eq!(lines("9999999999999999.99"), "Opportunity.Amount = 9999999999999999.99\n");
        assert_eq!(lines("-0.500"), "Opportunity.Amount = -0.500\n");
        assert_eq!(lines("0.005"), format!("{too_many}0.005 has more\n"));
        assert_eq!(lines("10000000000000000"), format!("{too_many}10000000000000000 has more\n"));
        let small = FieldFacts { precision: 3, scale: 0, ..writable("Opportunity", "Amount") };
        let cx = with_field(cx(), "Opportunity", "Amount", small);
        assert_eq!(create(deal(r#"{"amount":999}"#), &cx), "Opportunity.Amount = 999\n");
        assert!(create(deal(r#"{"amount":1000}"#), &cx).contains("Amount holds 3 digits, 0 of them"));
        assert!(create(deal(r#"{"amount":0.5}"#), &cx).contains("0.5 has more"));
    }

    #[test]
    fn an_update_writes_what_differs() {
        let cases = [
            (r#"{"amount":100.5,"close_date":"2022-02-10T23:59:59Z"}"#, ""),
            (r#"{"amount":100.51}"#, "Opportunity.Amount = 100.51\n"),
            (
                r#"{"amount":null,"close_date":null}"#,
                "Opportunity.Amount = null\nOpportunity.CloseDate = null\n",
            ),
            (r#"{"close_date":"2022-02-11T00:00:00Z"}"#, "Opportunity.CloseDate = \"2022-02-11\"\n"),
            (
                r#"{"close_date":"2022-02-11T10:00:00Z"}"#,
                "Opportunity.CloseDate = \"2022-02-11\"\n/close_date time_of_day: CloseDate is a date: the time of day is not kept\n",
            ),
            (r#"{"stage":{"remote_id":"Prospecting"},"status":"OPEN"}"#, ""),
            (r#"{"stage":{"remote_id":"Negotiation"}}"#, "Opportunity.StageName = \"Negotiation\"\n"),
            (
                r#"{"stage":{"remote_id":"Closed Lost"},"status":"LOST"}"#,
                "Opportunity.StageName = \"Closed Lost\"\n",
            ),
            (
                r#"{"stage":null}"#,
                "/stage refused: an opportunity always has a stage: name one, or leave the field out\n",
            ),
            (
                r#"{"stage":{"remote_id":" "}}"#,
                "/stage refused: the stage's remote id, which is its name, is not known\n",
            ),
        ];
        for (json, lines) in cases {
            assert_eq!(update(at_stage("Prospecting", false, false), deal(json), &cx()), lines, "{json}");
        }
    }

    #[test]
    fn a_status_that_does_not_follow_picks_the_only_stage_or_is_refused() {
        let before = || at_stage("Prospecting", false, false);
        let won = "Opportunity.StageName = \"Closed Won\"\n/status stage_chosen: WON is written as the stage \"Closed Won\"\n";
        let cases = [
            (r#"{"status":"WON"}"#, won),
            (r#"{"status":"OPEN"}"#, ""),
            (
                r#"{"status":null}"#,
                "/status refused: the status follows from the stage and cannot be cleared\n",
            ),
            (
                r#"{"status":"STALE"}"#,
                "/status refused: this org has no active stage that is STALE: name a stage\n",
            ),
            (
                r#"{"stage":{"remote_id":"Closed Lost"},"status":"WON"}"#,
                "Opportunity.StageName = \"Closed Lost\"\n\
                 /status refused: the stage Closed Lost is LOST: leave the status out, or name another stage\n",
            ),
            (
                r#"{"stage":{"remote_id":"Not known"},"status":"WON"}"#,
                "Opportunity.StageName = \"Not known\"\n\
                 /status refused: the stage Not known is of unknown status: leave the status out, or name another stage\n",
            ),
        ];
        for (json, lines) in cases {
            assert_eq!(update(before(), deal(json), &cx()), lines, "{json}");
        }
        let lines = "/status refused: Prospecting, Negotiation are OPEN: name one as the stage\n";
        assert_eq!(update(at_stage("Closed Won", true, true), deal(r#"{"status":"OPEN"}"#), &cx()), lines);
        assert_eq!(update_blindly(ID, deal(r#"{"status":"WON"}"#), &cx()), won);
        assert_eq!(create(deal(r#"{"status":"WON"}"#), &cx()), won);
        let unknown = at_stage("Not known", true, false);
        assert_eq!(
            update(unknown, deal(r#"{"stage":{"remote_id":"Not known"},"status":"LOST"}"#), &cx()),
            ""
        );
    }
}
