use unicrm_core::{Engagement, EngagementPatch, Json};

use crate::objects::engagement::encode;
use crate::objects::tests::{
    create, cx, decode, patch, read, refused, remote_fields, rich_cx, update, update_blindly, with_field,
    writable,
};
use crate::objects::{Extras, MapContext};
use crate::read::source::Source;

mod seed;

const EVENT: &str = "00U6g00000D3CNyEAN";
const TASK: &str = "00T6g00000D3CNyEAN";

fn engagement(json: &str) -> EngagementPatch {
    patch(json)
}

fn event(members: &str) -> Engagement {
    read(Source::Event, &format!("{{\"Id\":\"{EVENT}\",{members}}}"))
}

fn task(members: &str) -> Engagement {
    read(Source::TaskEngagement, &format!("{{\"Id\":\"{TASK}\",{members}}}"))
}

fn shared() -> MapContext {
    let mut cx = cx();
    cx.org.shared_activities = true;
    cx
}

/// An org that keeps the exact times of calls.
fn exact() -> MapContext {
    let mut cx = rich_cx();
    cx.org.shared_activities = false;
    cx
}

fn times(engagement: &Engagement) -> String {
    let text = |at: Option<jiff::Timestamp>| at.map_or("none".to_owned(), |at| at.to_string());
    format!("{} to {}", text(engagement.start_time), text(engagement.end_time))
}

const ALL: &str = r#"{
    "subject": "Call from customer", "content": "Call for negotiation", "owner": {"remote_id": "0056g000004AiJXAA0"},
    "account": {"remote_id": "0016g00000CYNqKAAX"}, "start_time": "2022-02-10T00:00:00Z", "end_time": "2022-02-10T00:05:00.5Z",
    "contacts": [{"remote_id": "0036g00000BdtE7AAJ"}, {"remote_id": "0036g00000BdtE7AAJ"}], "engagement_url": "x",
    "remote_was_deleted": true, DIRECTION "engagement_type": {"remote_id": "TYPE"}
}"#;

fn all(sort: &str, direction: &str) -> EngagementPatch {
    engagement(&ALL.replace("TYPE", sort).replace("DIRECTION", direction))
}

#[test]
fn a_meeting_is_written_as_an_event() {
    insta::assert_snapshot!(create(all("Event.Type:Demo", ""), &cx()));
}

#[test]
fn a_call_is_written_as_a_task_that_is_done() {
    insta::assert_snapshot!(create(all("Task:Call", r#""direction": "inbound","#), &cx()));
}

#[test]
fn a_call_is_written_with_its_exact_times_where_the_org_keeps_them() {
    insta::assert_snapshot!(create(all("Task.Type:Cold call", r#""direction": "OUTBOUND","#), &exact()));
}

#[test]
fn an_email_is_written_as_a_task() {
    insta::assert_snapshot!(create(all("Task.Type:Mailing", r#""direction": "OUTBOUND","#), &cx()));
}

#[test]
fn the_engagement_type_decides_and_stays() {
    let unnamed = "/engagement_type refused: name what sort of engagement it is: Event, Task:Call, Task:Email, \
                   Task:ListEmail, or one of the org's types\n";
    for json in [r#"{}"#, r#"{"engagement_type":{"remote_id":"Task"}}"#] {
        assert_eq!(create(engagement(json), &cx()), unnamed, "{json}");
    }
    let stays = "/engagement_type refused: an engagement stays the meeting, call or e-mail that it was made as: make a new \
                 one instead\n";
    let demo = r#""Type":"Demo""#;
    let cold = r#""TaskSubtype":"Call","Type":"Cold call""#;
    let call = r#""TaskSubtype":"Call""#;
    let cases = [
        (event(demo), "Event.Type:Demo", ""),
        (event(demo), "Event", "Event.Type = null\n"),
        (event(r#""Type":null"#), "Event.Type:Demo", "Event.Type = \"Demo\"\n"),
        (event(demo), "Task:Call", stays),
        (task(call), "Event", stays),
        (task(call), "Task:Email", stays),
        (task(call), "Task:Call", ""),
        (task(call), "Task.Type:Cold call", "Task.Type = \"Cold call\"\n"),
        (task(cold), "Task:Call", "Task.Type = null\n"),
        (task(cold), "Task.Type:Mailing", stays),
    ];
    for (before, to, lines) in cases {
        let json = format!("{{\"engagement_type\":{{\"remote_id\":\"{to}\"}}}}");
        assert_eq!(update(before, engagement(&json), &cx()), lines, "{to}");
    }
    assert_eq!(update(event(demo), engagement(r#"{"engagement_type":null}"#), &cx()), unnamed);
    assert_eq!(update(event(demo), engagement(r#"{"engagement_type":{"remote_id":"x"}}"#), &cx()), unnamed);
    let blind = |id: &str, to: &str| {
        update_blindly(id, engagement(&format!("{{\"engagement_type\":{{\"remote_id\":\"{to}\"}}}}")), &cx())
    };
    assert_eq!(blind(EVENT, "Task:Call"), stays);
    assert_eq!(blind(TASK, "Event"), stays);
    assert_eq!(blind(TASK, "Task.Type:Mailing"), "Task.Type = \"Mailing\"\n");
}

#[test]
fn a_type_that_is_not_in_use_or_speaks_of_another_sort_is_a_remote_field() {
    let sort = |engagement: &Engagement| {
        let sort = engagement.engagement_type.as_ref().and_then(|sort| sort.remote_id());
        (sort.map_or(String::new(), |id| id.as_str().to_owned()), remote_fields(engagement))
    };
    let kept = |value: &str| vec![("Type".to_owned(), format!("\"{value}\""))];
    assert_eq!(sort(&event(r#""Type":"Old""#)), ("Event".to_owned(), kept("Old")));
    assert_eq!(sort(&event(r#""Type":"Cold call""#)), ("Event".to_owned(), kept("Cold call")));
    assert_eq!(
        sort(&task(r#""Type":"Mailing","TaskSubtype":"Call""#)),
        ("Task:Call".to_owned(), kept("Mailing"))
    );
    assert_eq!(
        sort(&task(r#""Type":"Mailing","TaskSubtype":"Email""#)),
        ("Task.Type:Mailing".to_owned(), vec![])
    );
    assert_eq!(
        sort(&task(r#""Type":"Mailing","TaskSubtype":"ListEmail""#)),
        ("Task:ListEmail".to_owned(), kept("Mailing"))
    );
    let wrong = refused(Source::TaskEngagement, &format!("{{\"Id\":\"{TASK}\",\"TaskSubtype\":\"Task\"}}"));
    assert_eq!(
        wrong,
        (Some("TaskSubtype"), "expected Call, Email or ListEmail: other tasks are no engagements".to_owned())
    );
}

#[test]
fn an_event_lasts_from_its_start_to_its_end() {
    let cases = [
        (
            r#""StartDateTime":"2022-02-10T10:00:00.000Z","EndDateTime":"2022-02-10T11:00:00.000Z","IsAllDayEvent":false"#,
            "2022-02-10T10:00:00Z to 2022-02-10T11:00:00Z",
        ),
        // One day, three days, and what is left when fields are hidden.
        (
            r#""IsAllDayEvent":true,"ActivityDate":"2022-02-10","EndDate":"2022-02-10""#,
            "2022-02-10T00:00:00Z to 2022-02-11T00:00:00Z",
        ),
        (
            r#""IsAllDayEvent":true,"StartDateTime":"2022-02-10T00:00:00.000Z","EndDateTime":"2022-02-12T00:00:00.000Z""#,
            "2022-02-10T00:00:00Z to 2022-02-13T00:00:00Z",
        ),
        (
            r#""IsAllDayEvent":true,"ActivityDate":"2022-02-28""#,
            "2022-02-28T00:00:00Z to 2022-03-01T00:00:00Z",
        ),
        (r#""IsAllDayEvent":true"#, "none to none"),
        (r#""ActivityDate":"2022-02-28""#, "none to none"),
    ];
    for (members, expected) in cases {
        assert_eq!(times(&event(members)), expected, "{members}");
    }
}

#[test]
fn the_times_of_an_event_are_written_together() {
    let timed =
        || event(r#""StartDateTime":"2022-02-10T10:00:00.000Z","EndDateTime":"2022-02-10T11:00:00.000Z""#);
    let days = || event(r#""IsAllDayEvent":true,"ActivityDate":"2022-02-10","EndDate":"2022-02-10""#);
    let cases = [
        (timed(), r#"{"start_time":"2022-02-10T10:00:00Z"}"#, ""),
        (
            timed(),
            r#"{"start_time":"2022-02-10T10:30:00Z"}"#,
            "Event.StartDateTime = \"2022-02-10T10:30:00.000Z\"\nEvent.EndDateTime = \"2022-02-10T11:00:00.000Z\"\n",
        ),
        (
            timed(),
            r#"{"end_time":"2022-02-10T09:00:00Z"}"#,
            "/end_time refused: the end is before the start\n",
        ),
        (
            timed(),
            r#"{"end_time":null}"#,
            "Event.StartDateTime = \"2022-02-10T10:00:00.000Z\"\nEvent.EndDateTime = null\n",
        ),
        (days(), r#"{"end_time":"2022-02-11T00:00:00Z"}"#, ""),
        (
            days(),
            r#"{"end_time":"2022-02-12T00:00:00Z"}"#,
            "Event.StartDateTime = \"2022-02-10T00:00:00.000Z\"\nEvent.EndDateTime = \"2022-02-11T00:00:00.000Z\"\n",
        ),
        (
            days(),
            r#"{"end_time":"2022-02-10T12:00:00Z"}"#,
            "Event.IsAllDayEvent = false\nEvent.StartDateTime = \"2022-02-10T00:00:00.000Z\"\n\
             Event.EndDateTime = \"2022-02-10T12:00:00.000Z\"\n",
        ),
        // An event may take no time, and then it does not last all day.
        (
            days(),
            r#"{"end_time":"2022-02-10T00:00:00Z"}"#,
            "Event.IsAllDayEvent = false\nEvent.StartDateTime = \"2022-02-10T00:00:00.000Z\"\n\
             Event.EndDateTime = \"2022-02-10T00:00:00.000Z\"\n",
        ),
        (
            timed(),
            r#"{"direction":"INBOUND"}"#,
            "/direction refused: a meeting has no direction: leave it out\n",
        ),
    ];
    for (before, json, lines) in cases {
        assert_eq!(update(before, engagement(json), &cx()), lines, "{json}");
    }
    let blind = update_blindly(EVENT, engagement(r#"{"end_time":"2022-02-10T12:00:00Z"}"#), &cx());
    assert_eq!(blind, "Event.EndDateTime = \"2022-02-10T12:00:00.000Z\"\n");
    let blind = update_blindly(EVENT, engagement(r#"{"start_time":"2022-02-10T12:00:00Z"}"#), &cx());
    assert_eq!(blind, "Event.StartDateTime = \"2022-02-10T12:00:00.000Z\"\n");
}

#[test]
fn a_call_ends_when_it_is_completed() {
    let cases = [
        (
            r#""CompletedDateTime":"2022-02-10T10:05:00.000Z","CallDurationInSeconds":300"#,
            "2022-02-10T10:00:00Z to 2022-02-10T10:05:00Z",
        ),
        (
            r#""CompletedDateTime":"2022-02-10T10:05:00.000Z","ActivityDate":"2022-02-09""#,
            "2022-02-10T10:05:00Z to 2022-02-10T10:05:00Z",
        ),
        (r#""ActivityDate":"2022-02-09""#, "2022-02-09T00:00:00Z to none"),
        (
            r#""ActivityDate":"2022-02-09","CallDurationInSeconds":60"#,
            "2022-02-09T00:00:00Z to 2022-02-09T00:01:00Z",
        ),
        (r#""CallDurationInSeconds":60"#, "none to none"),
        (
            r#""CompletedDateTime":"2022-02-10T10:05:00.000Z","UnicrmStartTime__c":"2022-02-10T09:00:00.000Z","UnicrmEndTime__c":"2022-02-10T09:10:00.000Z""#,
            "2022-02-10T09:00:00Z to 2022-02-10T09:10:00Z",
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(times(&task(&format!("\"TaskSubtype\":\"Call\",{members}"))), expected, "{members}");
    }
    let email =
        r#""TaskSubtype":"Email","CompletedDateTime":"2022-02-10T10:05:00.000Z","CallDurationInSeconds":300"#;
    assert_eq!(times(&task(email)), "2022-02-10T10:05:00Z to 2022-02-10T10:05:00Z");
}

#[test]
fn the_times_of_a_call_are_its_day_and_its_length() {
    let members =
        r#""TaskSubtype":"Call","CompletedDateTime":"2022-02-10T10:05:00.000Z","CallDurationInSeconds":300"#;
    let notice =
        "time_of_day: Salesforce keeps the day and the length; the time of day is that of its completion\n";
    let cases = [
        (r#"{"start_time":"2022-02-10T10:00:00Z","end_time":"2022-02-10T10:05:00.9Z"}"#, String::new()),
        (
            r#"{"end_time":"2022-02-10T10:10:00Z"}"#,
            format!(
                "Task.ActivityDate = \"2022-02-10\"\nTask.CallDurationInSeconds = 600\n/end_time {notice}"
            ),
        ),
        (
            r#"{"start_time":"2022-02-09T10:05:00Z"}"#,
            format!(
                "Task.ActivityDate = \"2022-02-09\"\nTask.CallDurationInSeconds = 86400\n/start_time {notice}"
            ),
        ),
        (
            r#"{"start_time":null}"#,
            format!(
                "Task.ActivityDate = \"2022-02-10\"\nTask.CallDurationInSeconds = null\n/start_time {notice}"
            ),
        ),
        (
            r#"{"end_time":"2022-02-10T09:00:00Z"}"#,
            "/end_time refused: the end is before the start\n".to_owned(),
        ),
        (
            r#"{"end_time":"2022-02-10T10:10:00Z","remote_fields":[{"remote_field_class":"Task.ActivityDate","value":"2022-01-01"},
                {"remote_field_class":"Task.CallDurationInSeconds","value":1}]}"#,
            format!("Task.ActivityDate = \"2022-01-01\"\nTask.CallDurationInSeconds = 1\n/end_time {notice}"),
        ),
    ];
    for (json, lines) in cases {
        assert_eq!(update(task(members), engagement(json), &cx()), lines, "{json}");
    }
    let lines = "Task.UnicrmEndTime__c = \"2022-02-10T10:10:00.000Z\"\nTask.ActivityDate = \"2022-02-10\"\n\
                 Task.CallDurationInSeconds = 600\n";
    assert_eq!(update(task(members), engagement(r#"{"end_time":"2022-02-10T10:10:00Z"}"#), &exact()), lines);
    let half = with_field(cx(), "Task", "UnicrmStartTime__c", writable("Task", "UnicrmStartTime__c"));
    let half = with_field(half, "Task", "ActivityDate", writable("Task", "ActivityDate"));
    let half = with_field(half, "Task", "CallDurationInSeconds", writable("Task", "CallDurationInSeconds"));
    let lines = "Task.UnicrmStartTime__c = \"2022-02-10T10:04:00.000Z\"\nTask.ActivityDate = \"2022-02-10\"\n\
                 Task.CallDurationInSeconds = 60\n";
    assert_eq!(update(task(members), engagement(r#"{"start_time":"2022-02-10T10:04:00Z"}"#), &half), lines);
}

#[test]
fn a_call_has_a_direction_and_an_email_gets_it_from_its_message() {
    let call = |ty: &str| task(&format!("\"TaskSubtype\":\"Call\",\"CallType\":\"{ty}\""));
    let direction = |engagement: &Engagement| {
        engagement.direction.as_ref().map(|direction| direction.as_str().to_owned())
    };
    assert_eq!(direction(&call("Inbound")).as_deref(), Some("INBOUND"));
    assert_eq!(direction(&call("Outbound")).as_deref(), Some("OUTBOUND"));
    assert_eq!((direction(&call("Internal")), remote_fields(&call("Internal")).len()), (None, 1));
    let email = |message: &str| {
        let json = format!("{{\"Id\":\"{TASK}\",\"TaskSubtype\":\"Email\",\"Description\":\"d\"}}");
        decode(
            Source::TaskEngagement,
            &json,
            Extras { email_message: Some(message), ..Extras::default() },
            &cx(),
        )
    };
    for (message, expected) in [
        ("{\"Incoming\":true}", Some("INBOUND")),
        ("{\"Incoming\":false}", Some("OUTBOUND")),
        ("{\"Incoming\":null}", None),
    ] {
        let record = email(message).expect(message).record;
        assert_eq!(record.get("direction").map(|direction| direction.to_string()).as_deref(), expected);
        assert_eq!(record.get("content").map(|content| content.to_string()).as_deref(), Some("d"));
    }
    // A query may answer the message within the row.
    let within = task(r#""TaskSubtype":"Email","EmailMessage":{"Incoming":true,"TextBody":"t"}"#);
    assert_eq!((direction(&within).as_deref(), within.content.as_deref()), (Some("INBOUND"), Some("t")));
    for message in ["{\"Incoming\":1}", "[]", "{\"MessageDate\":\"x\"}"] {
        assert_eq!(email(message).expect_err(message).field, Some("EmailMessage"), "{message}");
    }
    let cases = [
        (call("Inbound"), r#"{"direction":"OUTBOUND"}"#, "Task.CallType = \"Outbound\"\n"),
        (call("Inbound"), r#"{"direction":"INBOUND"}"#, ""),
        (call("Inbound"), r#"{"direction":null}"#, "Task.CallType = null\n"),
        (
            call("Inbound"),
            r#"{"direction":"Internal"}"#,
            "/direction refused: a call is INBOUND or OUTBOUND\n",
        ),
        (
            task(r#""TaskSubtype":"Email""#),
            r#"{"direction":"INBOUND"}"#,
            "/direction read_only: the direction of an e-mail follows from its message\n",
        ),
    ];
    for (before, json, lines) in cases {
        assert_eq!(update(before, engagement(json), &cx()), lines, "{json}");
    }
}

const ONE: &str = r#"{"remote_id":"0036g00000BdtE7AAJ"}"#;

#[test]
fn one_contact_has_a_place_and_more_where_activities_are_shared() {
    let two = wide("0036g00000BdtE8");
    let both = format!("{{\"contacts\":[{ONE},{{\"remote_id\":\"{two}\"}}]}}");
    let left = format!("/contacts left_out: this org does not share activities: {two} are left out\n");
    let none = event(r#""WhoId":null"#);
    let first = "Event.WhoId = \"0036g00000BdtE7AAJ\"\n";
    assert_eq!(update(none.clone(), engagement(&both), &cx()), format!("{first}{left}"));
    assert_eq!(
        update(none, engagement(&both), &shared()),
        format!("{first}EventRelation + [\"{two}\"] - []\n")
    );
    let one = || event(r#""WhoId":"0036g00000BdtE7AAJ""#);
    assert_eq!(update(one(), engagement(&format!("{{\"contacts\":[{ONE}]}}")), &cx()), "");
    assert_eq!(update(one(), engagement(r#"{"contacts":null}"#), &cx()), "Event.WhoId = null\n");
    let pair = || {
        let relations = format!("{{\"records\":[{{\"RelationId\":\"{two}\"}}]}}");
        event(&format!("\"WhoId\":\"0036g00000BdtE7AAJ\",\"EventWhoRelations\":{relations}"))
    };
    assert_eq!(
        update(pair(), engagement(&format!("{{\"contacts\":[{ONE}]}}")), &shared()),
        format!("EventRelation + [] - [\"{two}\"]\n")
    );
    // Whoever writes back what was read changes nothing and is told nothing; a new activity has nobody to part with.
    assert_eq!(update(pair(), engagement(&both), &cx()), "");
    let alone = r#"{"engagement_type":{"remote_id":"Event"},"contacts":[]}"#;
    assert_eq!(create(engagement(alone), &shared()), "");
    let swapped = format!("{{\"contacts\":[{{\"remote_id\":\"{two}\"}},{ONE}]}}");
    let lines = format!("Event.WhoId = \"{two}\"\nEventRelation + [\"0036g00000BdtE7AAJ\"] - [\"{two}\"]\n");
    assert_eq!(update(pair(), engagement(&swapped), &shared()), lines);
    let call = task(r#""TaskSubtype":"Call""#);
    assert_eq!(
        update(call, engagement(&both), &shared()),
        format!("Task.WhoId = \"0036g00000BdtE7AAJ\"\nTaskRelation + [\"{two}\"] - []\n")
    );
    let lead = r#"{"contacts":[{"remote_id":"00Q6g00000D3CNyEAN"}]}"#;
    assert_eq!(
        update(one(), engagement(lead), &cx()),
        "/contacts/0 refused: 00Q6g00000D3CNyEAN is not an id that begins with 003\n"
    );
}

#[test]
fn a_lead_keeps_its_place_where_the_contacts_have_places_of_their_own() {
    let lead = || event(r#""WhoId":"00Q6g00000D3CNyEAN""#);
    let json = format!("{{\"contacts\":[{ONE}]}}");
    assert_eq!(
        update(lead(), engagement(&json), &shared()),
        "EventRelation + [\"0036g00000BdtE7AAJ\"] - []\n"
    );
    let lines = "Event.WhoId = \"0036g00000BdtE7AAJ\"\n\
                 /contacts replaced: the activity was with the lead 00Q6g00000D3CNyEAN, which it no longer is\n";
    assert_eq!(update(lead(), engagement(&json), &cx()), lines);
    let with_contact = event(
        r#""WhoId":"00Q6g00000D3CNyEAN","EventWhoRelations":{"records":[{"RelationId":"0036g00000BdtE7AAJ"}]}"#,
    );
    assert_eq!(
        update(with_contact, engagement(r#"{"contacts":[]}"#), &shared()),
        "EventRelation + [] - [\"0036g00000BdtE7AAJ\"]\n"
    );
}

#[test]
fn the_account_is_what_the_activity_is_about() {
    let account = r#"{"account":{"remote_id":"0016g00000CYNqKAAX"}}"#;
    let about =
        |members: &str| event(members).account.and_then(|to| to.remote_id().map(|id| id.as_str().to_owned()));
    assert_eq!(about(r#""WhatId":"0016g00000CYNqKAAX""#).as_deref(), Some("0016g00000CYNqKAAX"));
    assert_eq!(
        about(r#""WhatId":"0066g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#).as_deref(),
        Some("0016g00000CYNqKAAX")
    );
    let lines = "Event.WhatId = \"0016g00000CYNqKAAX\"\n\
                 /account replaced: the activity was about 0066g00000CYNqKAAX, which it no longer is\n";
    assert_eq!(update(event(r#""WhatId":"0066g00000CYNqKAAX""#), engagement(account), &cx()), lines);
    assert_eq!(update(event(r#""WhatId":"0016g00000CYNqKAAX""#), engagement(account), &cx()), "");
    assert_eq!(
        update(event(r#""WhatId":"0016g00000CYNqKAAX""#), engagement(r#"{"account":null}"#), &cx()),
        "Event.WhatId = null\n"
    );
}

#[test]
fn a_sub_query_that_is_none_is_refused_by_its_name() {
    for relations in ["[]", "{\"records\":[{}]}", "{\"records\":[{\"RelationId\":5}]}", "{}"] {
        let json = format!("{{\"Id\":\"{EVENT}\",\"EventWhoRelations\":{relations}}}");
        assert_eq!(
            refused(Source::Event, &json),
            (Some("EventWhoRelations"), "expected the records of a sub-query".to_owned())
        );
    }
}

fn wide(id: &str) -> String {
    crate::api::SalesforceId::parse(id).expect("an id").to_string()
}

#[test]
fn nobody_is_among_the_contacts_twice() {
    let with = |who: &str, relations: &[&str]| {
        let rows: Vec<_> = relations.iter().map(|id| format!("{{\"RelationId\":\"{id}\"}}")).collect();
        let members = format!("{who}\"EventWhoRelations\":{{\"records\":[{}]}}", rows.join(","));
        let read = event(&members);
        let contacts: Vec<_> =
            read.contacts.iter().filter_map(|to| to.remote_id().map(|id| id.as_str().to_owned())).collect();
        (contacts, remote_fields(&read))
    };
    let (first, second, lead) = ("0036g00000BdtE7AAJ", "0036g00000BdtE8AAJ", "00Q6g00000D3CNyEAN");
    let who = format!("\"WhoId\":\"{first}\",");
    assert_eq!(with(&who, &[first, second, second]), (vec![first.to_owned(), second.to_owned()], vec![]));
    // A lead beside the contacts is kept, once.
    let others = vec![("EventWhoRelations".to_owned(), format!("[\"{lead}\"]"))];
    assert_eq!(with("", &[lead, second, lead]), (vec![second.to_owned()], others));
}

#[test]
fn what_an_engagement_is_about_is_written_unless_a_seed_names_it_otherwise() {
    let account =
        "\"engagement_type\":{\"remote_id\":\"Event\"},\"account\":{\"remote_id\":\"0016g00000CYNqKAAX\"}";
    let written = create(engagement(&format!("{{{account}}}")), &cx());
    assert!(written.contains("Event.WhatId = \"0016g00000CYNqKAAX\""), "{written}");
    // An account that follows from the deal that the activity is about is no second WhatId.
    let about_a_deal = event(r#""WhatId":"0066g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#);
    let remote = encode(&about_a_deal, &cx());
    assert_eq!(remote.get("WhatId").map(Json::as_str), Some("\"0066g00000CYNqKAAX\""));
    let without = event(r#""AccountId":"0016g00000CYNqKAAX""#);
    assert_eq!(encode(&without, &cx()).get("AccountId").map(Json::as_str), Some("\"0016g00000CYNqKAAX\""));
    assert_eq!(encode(&without, &cx()).get("WhatId").map(Json::as_str), Some("\"0016g00000CYNqKAAX\""));
}

#[test]
fn a_call_within_the_firm_stays_one() {
    let call = task(r#""TaskSubtype":"Call","CallType":"Internal""#);
    assert_eq!(call.direction, None);
    assert_eq!(encode(&call, &cx()).get("CallType").map(Json::as_str), Some("\"Internal\""));
    let silent = task(r#""TaskSubtype":"Call""#);
    assert!(encode(&silent, &cx()).get("CallType").is_none());
}
