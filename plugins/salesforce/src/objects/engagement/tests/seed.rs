//! The remote record that an engagement stands for: what Salesforce would know of its times and its direction.

use unicrm_core::{Json, ObjectKind, Record, RecordPatch};

use super::{EVENT, TASK, all, cx, exact, times, with_field, writable};
use crate::objects::laws;
use crate::objects::{Intent, MapContext, encode, to_remote};

/// The fields of the remote record, but for those that every engagement has, and what comes back of it.
fn seeded(sort: &str, members: &str, cx: &MapContext) -> (String, String) {
    let id = if sort.starts_with("Task") { TASK } else { EVENT };
    let json =
        format!("{{\"engagement_type\":{{\"remote_id\":\"{sort}\"}},\"remote_id\":\"{id}\"{members}}}");
    let mut record = Record::from(unicrm_core::Engagement::default());
    RecordPatch::from_json(ObjectKind::Engagement, &json).expect(&json).apply_to(&mut record);
    let remote = encode(&record, cx);
    let own = remote.fields.iter().filter(|(name, _)| !matches!(&**name, "Id" | "TaskSubtype"));
    let messages = remote.related.iter().flat_map(|row| {
        assert_eq!(row.sobject, "EmailMessage");
        &row.fields
    });
    let lines = own.chain(messages).map(|(name, value)| format!("{name} {}", value.as_str()));
    let Record::Engagement(back) = laws::decode(&remote, ObjectKind::Engagement, cx).expect(&json) else {
        unreachable!("an engagement")
    };
    let direction = back.direction.as_ref().map_or("", |direction| direction.as_str());
    (lines.collect::<Vec<_>>().join("; "), format!("{} {direction}", times(&back)))
}

const START: &str = r#","start_time":"2022-02-10T10:00:00Z""#;
const END: &str = r#","end_time":"2022-02-10T10:05:00Z""#;
const COMPLETED: &str = r#"CompletedDateTime "2022-02-10T10:05:00.000+0000""#;
const MESSAGE: &str = r#"MessageDate "2022-02-10T10:05:00.000+0000""#;

fn given(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{{\"remote_field_class\":\"Task.{name}\",\"value\":{value}}}"))
        .collect();
    format!(",\"remote_fields\":[{}]", fields.join(","))
}

#[test]
fn salesforce_knows_when_a_call_was_completed_and_how_long_it_was() {
    let both = "2022-02-10T10:00:00Z to 2022-02-10T10:05:00Z ";
    let end = "2022-02-10T10:05:00Z to 2022-02-10T10:05:00Z ";
    let day = "2022-02-10T00:00:00Z to none ";
    let at_once = START.replace("start", "end");
    let completed_at_once = COMPLETED.replace("10:05", "10:00");
    let seconds = given(&[("CallDurationInSeconds", "60")]);
    let of_day = given(&[("ActivityDate", "\"2022-02-09\"")]);
    let earlier = given(&[("CompletedDateTime", "\"2022-02-09T10:00:00.000+0000\"")]);
    let cases = [
        (String::new(), String::new(), "none to none "),
        (format!("{START}{END}"), format!("{COMPLETED}; CallDurationInSeconds 300"), both),
        (END.to_owned(), COMPLETED.to_owned(), end),
        // What took no time has no length.
        (format!("{START}{at_once}"), completed_at_once, "2022-02-10T10:00:00Z to 2022-02-10T10:00:00Z "),
        (START.to_owned(), "ActivityDate \"2022-02-10\"".to_owned(), day),
        (
            format!("{START}{END},\"direction\":\"INBOUND\""),
            format!("CallType \"Inbound\"; {COMPLETED}; CallDurationInSeconds 300"),
            "2022-02-10T10:00:00Z to 2022-02-10T10:05:00Z INBOUND",
        ),
        // A direction that Salesforce does not know stands for nothing.
        (",\"direction\":\"SIDEWAYS\"".to_owned(), String::new(), "none to none "),
        // What the remote fields say stays.
        (
            format!("{START}{END}{seconds}"),
            format!("CallDurationInSeconds 60; {COMPLETED}"),
            "2022-02-10T10:04:00Z to 2022-02-10T10:05:00Z ",
        ),
        (format!("{START}{END}{of_day}"), format!("ActivityDate \"2022-02-09\"; {COMPLETED}"), end),
        (
            format!("{START}{of_day}"),
            "ActivityDate \"2022-02-09\"".to_owned(),
            "2022-02-09T00:00:00Z to none ",
        ),
        (
            format!("{START}{END}{earlier}"),
            "CompletedDateTime \"2022-02-09T10:00:00.000+0000\"".to_owned(),
            "2022-02-09T10:00:00Z to 2022-02-09T10:00:00Z ",
        ),
    ];
    for (members, remote, unified) in cases {
        assert_eq!(seeded("Task:Call", &members, &cx()), (remote, unified.to_owned()), "{members}");
    }
}

#[test]
fn an_org_that_keeps_both_times_needs_no_completion() {
    let start = r#"UnicrmStartTime__c "2022-02-10T10:00:00.000Z""#;
    let end = r#"UnicrmEndTime__c "2022-02-10T10:05:00.000Z""#;
    let half = |field| with_field(cx(), "Task", field, writable("Task", field));
    let cases = [
        (exact(), format!("{start}; {end}")),
        (half("UnicrmStartTime__c"), format!("{start}; {COMPLETED}; CallDurationInSeconds 300")),
        (half("UnicrmEndTime__c"), format!("{end}; {COMPLETED}; CallDurationInSeconds 300")),
    ];
    for (cx, remote) in cases {
        let both = "2022-02-10T10:00:00Z to 2022-02-10T10:05:00Z ".to_owned();
        assert_eq!(seeded("Task:Call", &format!("{START}{END}"), &cx), (remote, both));
    }
}

#[test]
fn an_email_has_its_direction_and_its_time_from_a_message() {
    let end = "2022-02-10T10:05:00Z to 2022-02-10T10:05:00Z ";
    let [inbound, outbound, other] =
        ["INBOUND", "outbound", "SIDEWAYS"].map(|to| format!("{END},\"direction\":\"{to}\""));
    let cases = [
        (cx(), inbound.clone(), format!("{COMPLETED}; Incoming true; {MESSAGE}"), format!("{end}INBOUND")),
        (cx(), outbound, format!("{COMPLETED}; Incoming false; {MESSAGE}"), format!("{end}OUTBOUND")),
        (cx(), other, COMPLETED.to_owned(), end.to_owned()),
        // An e-mail has no length.
        (cx(), format!("{START}{END}"), COMPLETED.to_owned(), end.to_owned()),
        (
            exact(),
            inbound,
            r#"UnicrmEndTime__c "2022-02-10T10:05:00.000Z"; Incoming true"#.to_owned(),
            "none to 2022-02-10T10:05:00Z INBOUND".to_owned(),
        ),
    ];
    for (cx, members, remote, unified) in cases {
        assert_eq!(seeded("Task:Email", &members, &cx), (remote, unified), "{members}");
    }
}

#[test]
fn salesforce_knows_the_days_of_an_event_that_lasts_all_day() {
    let all_day = |more: &str| {
        let times = r#","start_time":"2022-02-10T00:00:00Z","end_time":"2022-02-13T00:00:00Z""#;
        let flag = r#"{"remote_field_class":"Event.IsAllDayEvent","value":true}"#;
        seeded("Event", &format!("{times},\"remote_fields\":[{flag}{more}]"), &cx())
    };
    let span = r#"StartDateTime "2022-02-10T00:00:00.000Z"; EndDateTime "2022-02-12T00:00:00.000Z""#;
    let unified = "2022-02-10T00:00:00Z to 2022-02-13T00:00:00Z ".to_owned();
    let days = r#"ActivityDate "2022-02-10"; EndDate "2022-02-12""#;
    assert_eq!(all_day(""), (format!("{days}; {span}; IsAllDayEvent true"), unified.clone()));
    let first = r#",{"remote_field_class":"Event.ActivityDate","value":"2022-02-10"}"#;
    let remote = format!(r#"EndDate "2022-02-12"; {span}; IsAllDayEvent true; ActivityDate "2022-02-10""#);
    assert_eq!(all_day(first), (remote, unified));
}

#[test]
fn nothing_is_said_about_a_seed() {
    // Read-only fields, a contact that is named twice, and directions that a write would refuse or leave out.
    for (sort, direction) in [("Event", "INBOUND"), ("Task:Call", "SIDEWAYS"), ("Task:Email", "OUTBOUND")] {
        let patch = RecordPatch::from(all(sort, &format!("\"direction\": \"{direction}\",")));
        let seed = to_remote(&patch, Intent::Seed, &cx());
        assert!(seed.warnings.is_empty() && seed.errors.is_empty(), "{seed:?}");
        let write = to_remote(&patch, Intent::Create, &cx());
        assert!(!write.warnings.is_empty(), "{write:?}");
    }
    // The remote record holds them all the same.
    let incoming = seeded("Task:Email", ",\"direction\":\"INBOUND\"", &cx()).0;
    assert_eq!(incoming, format!("Incoming {}", Json::of(&true).as_str()));
}
