//! One whole remote record of each source, as Salesforce sends it, and the unified record that it becomes.

use unicrm_core::Record;

use super::{decode, rich_cx, with_field, writable};
use crate::objects::{Extras, MapContext};
use crate::read::source::Source;

fn org() -> MapContext {
    let cx = rich_cx();
    let cx = with_field(cx, "Account", "AnnualRevenue", writable("Account", "AnnualRevenue"));
    with_field(cx, "Contact", "Level__c", writable("Contact", "Level__c"))
}

fn shown(source: Source, json: &str, extras: Extras<'_>) -> String {
    let decoded = decode(source, json, extras, &org()).expect(json);
    let mut text = serde_json::to_string_pretty(&Plain(&decoded.record)).expect("JSON");
    text.push_str(&format!("\nstamp {:?}, merged into {:?}", decoded.stamp, decoded.merged_into));
    text
}

/// A record with its remote fields as a plain object: their classes have tests of their own.
struct Plain<'r>(&'r Record);

impl serde::Serialize for Plain<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        self.0.visit(&mut |field, value| {
            let Some(value) = value.filter(|_| field.name != "remote_fields") else { return };
            let json = match value {
                unicrm_core::Value::Json(text) => unicrm_core::Json::parse(text.into_owned()).expect("JSON"),
                unicrm_core::Value::Reference { remote_id, .. } => unicrm_core::Json::of(&remote_id),
                unicrm_core::Value::Boolean(flag) => unicrm_core::Json::of(&flag),
                unicrm_core::Value::Integer(number) => unicrm_core::Json::of(&number),
                unicrm_core::Value::Amount(amount) => unicrm_core::Json::of(&amount),
                other => unicrm_core::Json::text(&other.to_string()),
            };
            map.serialize_entry(field.name, &json).expect("a map takes all");
        });
        for field in self.0.remote_fields() {
            map.serialize_entry(&format!("remote {}", field.key().unwrap_or_default()), &field.value)?;
        }
        map.end()
    }
}

#[test]
fn account() {
    let json = r#"{
        "attributes": {"type": "Account", "url": "/services/data/v66.0/sobjects/Account/001B000001LntWlIAJ"},
        "Id": "001B000001LntWl", "IsDeleted": true, "MasterRecordId": "001B000001LntWmIAJ", "Name": "K-LINK",
        "Type": "Customer - Direct", "ParentId": null,
        "BillingStreet": "50 Bowling Green Dr\r\nGolden Gate Park\r\n\r\nGate 4", "BillingCity": "San Francisco",
        "BillingState": "California", "BillingPostalCode": "94122", "BillingCountry": "United States",
        "BillingStateCode": "CA", "BillingCountryCode": "US", "BillingLatitude": 37.769421,
        "ShippingStreet": "1 Market St", "ShippingCity": "Oakland", "ShippingState": "CA", "ShippingPostalCode": "94601",
        "ShippingCountry": "Etats-Unis", "ShippingStateCode": null, "ShippingCountryCode": null,
        "Phone": "(415) 555-0100", "Fax": "(415) 555-0101", "Website": "https://klink.example", "Industry": "Technology",
        "AnnualRevenue": 1.6147805824397E13, "NumberOfEmployees": 40, "Description": "Line \"one\"\nline two",
        "OwnerId": "005B0000002nRJAIA2", "CreatedDate": "2021-11-10T08:09:10.000+0000",
        "CreatedById": "005B0000002nRJAIA2", "SystemModstamp": "2022-02-10T00:00:01.000+0000",
        "LastActivityDate": "2022-02-09", "IsPersonAccount": false, "Tier__c": "gold"
    }"#;
    insta::assert_snapshot!(shown(Source::Account, json, Extras::default()));
}

#[test]
fn contact() {
    let json = r#"{
        "attributes": {"type": "Contact", "url": "/services/data/v66.0/sobjects/Contact/003ak000003dQCGAA2"},
        "Id": "003ak000003dQCGAA2", "IsDeleted": false, "MasterRecordId": null, "Level__c": "Secondary",
        "AccountId": "001ak00000OKNPHAA5", "LastName": "Feig", "FirstName": "Gil", "Salutation": "Mr.",
        "Name": "Gil Feig", "OtherStreet": "2 Side St", "OtherCity": "Reno", "OtherState": "Nevada",
        "OtherPostalCode": "89501", "OtherCountry": "United States", "OtherStateCode": "NV", "OtherCountryCode": "US",
        "MailingStreet": "50 Bowling Green Dr\nGolden Gate Park", "MailingCity": "San Francisco",
        "MailingState": "California", "MailingPostalCode": "94122", "MailingCountry": "United States",
        "MailingStateCode": "CA", "MailingCountryCode": "US",
        "Phone": "1", "Fax": "2", "MobilePhone": "3", "HomePhone": "4", "OtherPhone": "5", "AssistantPhone": "6",
        "Email": "hello@klink.example", "Title": "CEO", "OwnerId": "005ak000002nRJAAA2",
        "CreatedDate": "2021-11-10T08:09:10.000+0000", "SystemModstamp": "2022-02-10T00:00:01.000+0000",
        "LastActivityDate": "2022-02-10", "IsEmailBounced": false, "Birthdate": "1970-01-31"
    }"#;
    insta::assert_snapshot!(shown(Source::Contact, json, Extras::default()));
}

#[test]
fn lead() {
    let json = r#"{
        "attributes": {"type": "Lead", "url": "/services/data/v66.0/sobjects/Lead/00Q6g00000D3CNyEAN"},
        "Id": "00Q6g00000D3CNyEAN", "IsDeleted": false, "MasterRecordId": null, "LastName": "Feig", "FirstName": "Gil",
        "Title": "Co-Founder", "Company": "K-LINK", "Street": "50 Bowling Green Dr", "City": "San Francisco",
        "State": "California", "PostalCode": "94122", "Country": "United States", "StateCode": "CA", "CountryCode": "US",
        "Phone": "1", "MobilePhone": "2", "Fax": "3", "Email": "hello@klink.example", "LeadSource": "API Blogger",
        "Status": "Closed - Converted", "Rating": "Hot", "OwnerId": "00G6g000000AiJXAA0", "IsConverted": true,
        "ConvertedDate": "2022-03-10", "ConvertedAccountId": "0016g00000CYNqKAAX",
        "ConvertedContactId": "0036g00000BdtE7AAJ", "ConvertedOpportunityId": "0066g00000CYNqKAAX",
        "CreatedDate": "2021-11-10T08:09:10.000Z", "SystemModstamp": "2022-03-10T11:12:13.000+0000"
    }"#;
    insta::assert_snapshot!(shown(Source::Lead, json, Extras::default()));
}

#[test]
fn opportunity() {
    let json = r#"{
        "attributes": {"type": "Opportunity", "url": "/services/data/v66.0/sobjects/Opportunity/0066g00000CYNqKAAX"},
        "Id": "0066g00000CYNqKAAX", "IsDeleted": false, "AccountId": "0016g00000CYNqKAAX", "Name": "Needs Integrations",
        "Description": "Needs a Unified API", "StageName": "Closed Won", "Amount": 12345678901234567.89,
        "Probability": 100.0, "CloseDate": "2022-02-10", "IsClosed": true, "IsWon": true, "ForecastCategory": "Closed",
        "OwnerId": "0056g000004AiJXAA0", "CreatedDate": "2021-11-10T08:09:10.000+0000",
        "SystemModstamp": "2022-02-10T00:00:01.000+0000", "LastActivityDate": "2022-02-09", "CurrencyIsoCode": "EUR"
    }"#;
    insta::assert_snapshot!(shown(Source::Opportunity, json, Extras::default()));
}

#[test]
fn stage() {
    let json = r#"{
        "attributes": {"type": "OpportunityStage", "url": "/services/data/v66.0/sobjects/OpportunityStage/01J6g00000CYNqKAAX"},
        "Id": "01J6g00000CYNqKAAX", "MasterLabel": "Won!", "ApiName": "Closed Won", "IsActive": true, "SortOrder": 9,
        "IsClosed": true, "IsWon": true, "DefaultProbability": 100.0, "SystemModstamp": "2020-01-01T00:00:00.000+0000"
    }"#;
    insta::assert_snapshot!(shown(Source::Stage, json, Extras::default()));
}

#[test]
fn user() {
    let json = r#"{
        "attributes": {"type": "User", "url": "/services/data/v66.0/sobjects/User/0056g000004AiJXAA0"},
        "Id": "0056g000004AiJXAA0", "Username": "gil@klink.example", "Name": "Gil Feig", "Email": "hello@klink.example",
        "IsActive": true, "UserType": "Standard", "SystemModstamp": "2022-02-10T00:00:01.000+0000"
    }"#;
    insta::assert_snapshot!(shown(Source::User, json, Extras::default()));
}

#[test]
fn task() {
    let json = r#"{
        "attributes": {"type": "Task", "url": "/services/data/v66.0/sobjects/Task/00T6g00000D3CNyEAN"},
        "Id": "00T6g00000D3CNyEAN", "WhoId": "0036g00000BdtE7AAJ", "WhatId": "0066g00000CYNqKAAX",
        "Subject": "Contact about Integration Strategy", "ActivityDate": "2022-02-10", "Status": "Done early",
        "Priority": "High", "OwnerId": "0056g000004AiJXAA0", "Description": "Follow up", "IsDeleted": false,
        "AccountId": "0016g00000CYNqKAAX", "IsClosed": true, "SystemModstamp": "2022-02-11T08:09:10.000+0000",
        "TaskSubtype": "Task", "CompletedDateTime": "2022-02-11T08:09:10.000+0000"
    }"#;
    insta::assert_snapshot!(shown(Source::Task, json, Extras::default()));
}

#[test]
fn meeting() {
    let json = r#"{
        "attributes": {"type": "Event", "url": "/services/data/v66.0/sobjects/Event/00U6g00000D3CNyEAN"},
        "Id": "00U6g00000D3CNyEAN", "WhoId": "0036g00000BdtE7AAJ", "WhatId": "0016g00000CYNqKAAX", "Subject": "Demo",
        "Location": "Gate 4", "IsAllDayEvent": false, "ActivityDateTime": "2022-02-10T10:00:00.000+0000",
        "ActivityDate": "2022-02-10", "DurationInMinutes": 90, "StartDateTime": "2022-02-10T10:00:00.000+0000",
        "EndDateTime": "2022-02-10T11:30:00.000+0000", "EndDate": "2022-02-10", "Description": "Show it",
        "AccountId": "0016g00000CYNqKAAX", "OwnerId": "0056g000004AiJXAA0", "IsDeleted": false, "Type": "Demo",
        "SystemModstamp": "2022-02-11T08:09:10.000+0000",
        "EventWhoRelations": {"totalSize": 4, "done": true, "records": [
            {"attributes": {"type": "EventWhoRelation"}, "RelationId": "0036g00000BdtE8AAJ", "IsDeleted": false},
            {"attributes": {"type": "EventWhoRelation"}, "RelationId": "0036g00000BdtE7AAJ"},
            {"attributes": {"type": "EventWhoRelation"}, "RelationId": "0036g00000BdtE9AAJ", "IsDeleted": true},
            {"attributes": {"type": "EventWhoRelation"}, "RelationId": "00Q6g00000D3CNyEAN"}
        ]}
    }"#;
    insta::assert_snapshot!(shown(Source::Event, json, Extras::default()));
}

#[test]
fn call() {
    let json = r#"{
        "attributes": {"type": "Task", "url": "/services/data/v66.0/sobjects/Task/00T6g00000D3CNyEAN"},
        "Id": "00T6g00000D3CNyEAN", "WhoId": "00Q6g00000D3CNyEAN", "WhatId": "5006g00000CYNqKAAX", "Subject": "Call",
        "ActivityDate": "2022-02-10", "Status": "Completed", "OwnerId": "0056g000004AiJXAA0", "Description": "Talked",
        "Type": "Cold call", "IsDeleted": false, "AccountId": "0016g00000CYNqKAAX", "IsClosed": true,
        "CallDurationInSeconds": 300, "CallType": "Inbound", "CallDisposition": "Good",
        "SystemModstamp": "2022-02-11T08:09:10.000+0000", "TaskSubtype": "Call",
        "CompletedDateTime": "2022-02-10T00:05:00.000+0000",
        "TaskWhoRelations": {"records": [{"RelationId": "0036g00000BdtE7AAJ"}]}
    }"#;
    insta::assert_snapshot!(shown(Source::TaskEngagement, json, Extras::default()));
}

#[test]
fn email() {
    let json = r#"{
        "attributes": {"type": "Task", "url": "/services/data/v66.0/sobjects/Task/00T6g00000D3CNyEAN"},
        "Id": "00T6g00000D3CNyEAN", "WhoId": "0036g00000BdtE7AAJ", "WhatId": null, "Subject": "Email: Offer",
        "ActivityDate": "2022-02-10", "Status": "Completed", "OwnerId": "0056g000004AiJXAA0", "Description": null,
        "Type": null, "IsDeleted": false, "AccountId": null, "CallType": null, "CallDurationInSeconds": null,
        "SystemModstamp": "2022-02-11T08:09:10.000+0000", "TaskSubtype": "Email",
        "CompletedDateTime": "2022-02-10T12:00:00.000+0000"
    }"#;
    let message = r#"{"attributes": {"type": "EmailMessage"}, "Id": "02s6g00000D3CNyEAN", "ActivityId": "00T6g00000D3CNyEAN",
        "Incoming": true, "MessageDate": "2022-02-10T11:59:58.000+0000", "TextBody": "Dear Gil,\nthe offer ..."}"#;
    let extras = Extras { email_message: Some(message), ..Extras::default() };
    insta::assert_snapshot!(shown(Source::TaskEngagement, json, extras));
}

#[test]
fn classic_note() {
    let json = r#"{
        "attributes": {"type": "Note", "url": "/services/data/v66.0/sobjects/Note/0026g00000D3CNyEAN"},
        "Id": "0026g00000D3CNyEAN", "IsDeleted": false, "ParentId": "0036g00000BdtE7AAJ", "Title": "Hiring",
        "IsPrivate": false, "Body": "K-LINK is hiring!\r\nMany people.", "OwnerId": "0056g000004AiJXAA0",
        "CreatedDate": "2021-11-10T08:09:10.000+0000", "SystemModstamp": "2022-02-10T00:00:01.000+0000"
    }"#;
    insta::assert_snapshot!(shown(Source::Note, json, Extras::default()));
}

#[test]
fn enhanced_note() {
    let json = r#"{
        "attributes": {"type": "ContentNote", "url": "/services/data/v66.0/sobjects/ContentNote/0696g00000D3CNyEAN"},
        "Id": "0696g00000D3CNyEAN", "IsDeleted": false, "Title": "Hiring", "FileType": "SNOTE",
        "Content": "/services/data/v66.0/sobjects/ContentNote/0696g00000D3CNyEAN/Content",
        "OwnerId": "0056g000004AiJXAA0", "CreatedDate": "2021-11-10T08:09:10.000+0000",
        "LastModifiedDate": "2022-02-10T00:00:01.000+0000", "TextPreview": "K-LINK is"
    }"#;
    let extras = Extras {
        body: Some("<p>K-LINK &amp; friends are <b>hiring</b>!</p><p>Many people.</p>"),
        links: &[
            "0056g000004AiJXAA0",
            "0036g00000BdtE7AAJ",
            "0036g00000BdtE8AAJ",
            "0016g00000CYNqKAAX",
            "0066g00000CYNqKAAX",
        ],
        ..Extras::default()
    };
    insta::assert_snapshot!(shown(Source::ContentNote, json, extras));
}
