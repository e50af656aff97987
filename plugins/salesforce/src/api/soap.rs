//! The one call that only the SOAP API has: the conversion of leads.

use http::{HeaderValue, Method, header};
use quick_xml::escape::escape;
use serde::Deserialize;
use unicrm_core::Usage;
use unicrm_http::Replay;

use super::answer::{Answer, Expect};
use super::client::Client;
use super::connection::Call;
use crate::error::{Code, Fault, MAX_LIST, Refusal};

/// Most leads of one call.
pub(crate) const MAX_LEADS: usize = 100;

/// How a lead is converted. Ids are those of existing records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeadConvert {
    pub(crate) lead: String,
    pub(crate) account: Option<String>,
    pub(crate) contact: Option<String>,
    /// The name of the opportunity; none for no opportunity.
    pub(crate) opportunity_name: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) status: String,
}

/// What a lead became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) account: String,
    pub(crate) contact: String,
    pub(crate) opportunity: Option<String>,
}

impl Client {
    /// Converts up to [`MAX_LEADS`] leads: one outcome per lead, in order. A lead that is converted already is refused, so that
    /// none is ever converted twice.
    pub(crate) async fn convert_leads(
        &self,
        usage: &mut Usage,
        leads: &[LeadConvert],
        allow_duplicates: bool,
    ) -> Result<Vec<Result<Conversion, Box<Refusal>>>, Fault> {
        let (body, session_at) = envelope(leads, allow_duplicates);
        let segment = self.version().segment();
        let version = segment.trim_start_matches('v');
        let mut call = Call::change(
            Method::POST,
            format!("/services/Soap/u/{version}"),
            body.into_bytes(),
            Replay::Unsafe,
        );
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=UTF-8"));
        call.headers.insert("soapaction", HeaderValue::from_static("\"\""));
        call.headers.insert(header::ACCEPT, HeaderValue::from_static("text/xml"));
        call.expect = Expect::Soap;
        call.session_at = Some(session_at);
        self.fetch(usage, &call, |answer| decode(&answer, leads.len())).await
    }
}

/// The envelope of a call, and where in it the session's id belongs.
fn envelope(leads: &[LeadConvert], allow_duplicates: bool) -> (String, usize) {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:urn=\"urn:partner.soap.sforce.com\"><soapenv:Header><urn:SessionHeader><urn:sessionId>",
    );
    let session_at = out.len();
    out.push_str("</urn:sessionId></urn:SessionHeader>");
    if allow_duplicates {
        out.push_str(
            "<urn:DuplicateRuleHeader><urn:allowSave>true</urn:allowSave></urn:DuplicateRuleHeader>",
        );
    }
    out.push_str("</soapenv:Header><soapenv:Body><urn:convertLead>");
    for lead in leads {
        out.push_str("<urn:leadConverts>");
        let without = if lead.opportunity_name.is_none() { "true" } else { "false" };
        // The order is that of the API's own description, which it insists on.
        for (name, text) in [
            ("accountId", lead.account.as_deref()),
            ("contactId", lead.contact.as_deref()),
            ("convertedStatus", Some(lead.status.as_str())),
            ("doNotCreateOpportunity", Some(without)),
            ("leadId", Some(lead.lead.as_str())),
            ("opportunityName", lead.opportunity_name.as_deref()),
            ("overwriteLeadSource", Some("false")),
            ("ownerId", lead.owner.as_deref()),
            ("sendNotificationEmail", Some("false")),
        ] {
            if let Some(text) = text {
                out.push_str(&format!("<urn:{name}>{}</urn:{name}>", escape(text)));
            }
        }
        out.push_str("</urn:leadConverts>");
    }
    out.push_str("</urn:convertLead></soapenv:Body></soapenv:Envelope>");
    (out, session_at)
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Body")]
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "convertLeadResponse", default)]
    converted: Option<Converted>,
    #[serde(rename = "Fault", default)]
    fault: Option<SoapFault>,
}

#[derive(Deserialize)]
struct Converted {
    #[serde(default)]
    result: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    contact_id: Option<String>,
    #[serde(default)]
    opportunity_id: Option<String>,
    #[serde(default)]
    success: bool,
    #[serde(default)]
    errors: Vec<RowError>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RowError {
    message: String,
    status_code: String,
    fields: Vec<String>,
    duplicate_result: Option<DuplicateResult>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DuplicateResult {
    match_results: Vec<MatchResult>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct MatchResult {
    match_records: Vec<MatchRecord>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MatchRecord {
    record: MatchedRecord,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MatchedRecord {
    // Records of this API name their id twice.
    #[serde(rename = "Id")]
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct SoapFault {
    #[serde(default)]
    faultcode: String,
    #[serde(default)]
    faultstring: String,
}

impl SoapFault {
    /// Every fault comes with status 500. One that refuses the call gets the status that REST gives it, so that it is known
    /// that nothing was done.
    fn refusal(self) -> Refusal {
        let (prefix, code) = self.faultcode.trim().rsplit_once(':').unwrap_or(("", self.faultcode.trim()));
        let message = self.faultstring.strip_prefix(code).unwrap_or(&self.faultstring);
        let status = match Code::from(code) {
            Code::ServerUnavailable | Code::UnknownException => 500,
            Code::RequestLimitExceeded => 403,
            _ if prefix == "sf" || code == "Client" || code.starts_with("Client.") => 400,
            _ => 500,
        };
        Refusal::worded(status, code, message.trim_start_matches(':').trim())
    }
}

/// Whether XML can carry a text: no reference stands for the other control characters either.
pub(crate) fn is_xml_text(text: &str) -> bool {
    !text.contains(|c: char| {
        c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

impl Row {
    fn outcome(self) -> Result<Conversion, Box<Refusal>> {
        let some = |id: Option<String>| id.filter(|id| !id.is_empty());
        let opportunity = some(self.opportunity_id);
        if let (true, Some(account), Some(contact)) =
            (self.success, some(self.account_id), some(self.contact_id))
        {
            return Ok(Conversion { account, contact, opportunity });
        }
        let Some(error) = self.errors.into_iter().next() else {
            return Err(Box::new(Refusal::without_body(400)));
        };
        let matches = error.duplicate_result.into_iter().flat_map(|found| found.match_results);
        let records = matches.flat_map(|found| found.match_records);
        Err(Box::new(Refusal {
            fields: error.fields.into_iter().take(MAX_LIST).collect(),
            candidates: records
                .filter_map(|found| found.record.ids.into_iter().next())
                .take(MAX_LIST)
                .collect(),
            ..Refusal::worded(400, &error.status_code, &error.message)
        }))
    }
}

const WHAT: &str = "the answer to a conversion";

fn read(body: &[u8]) -> Option<Body> {
    let text = std::str::from_utf8(body).ok()?;
    quick_xml::de::from_str::<Envelope>(text).ok().map(|envelope| envelope.body)
}

/// The refusal in a SOAP fault; none for anything else.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    Some(read(body)?.fault?.refusal())
}

fn decode(answer: &Answer, leads: usize) -> Result<Vec<Result<Conversion, Box<Refusal>>>, Fault> {
    let unreadable = |why: &str| Fault::Unreadable { what: WHAT, why: why.to_owned(), cut: false };
    let body = read(&answer.body).ok_or_else(|| unreadable("it is no such envelope"))?;
    if let Some(fault) = body.fault {
        return Err(Fault::Refused(Box::new(fault.refusal())));
    }
    let rows = body.converted.ok_or_else(|| unreadable("it holds no results"))?.result;
    if rows.len() != leads {
        return Err(unreadable("it has another number of results than there were leads"));
    }
    Ok(rows.into_iter().map(Row::outcome).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn enveloped(body: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        )
    }

    #[test]
    fn results_come_in_order_with_their_errors() {
        let text = enveloped(
            "<convertLeadResponse>\
             <result><accountId>001A</accountId><contactId>003A</contactId><leadId>00QA</leadId><opportunityId xsi:nil=\"true\"/>\
             <success>true</success></result>\
             <result><accountId xsi:nil=\"true\"/><contactId xsi:nil=\"true\"/><errors><message>cannot reference converted lead</message>\
             <statusCode>CANNOT_UPDATE_CONVERTED_LEAD</statusCode></errors><success>false</success></result>\
             <result><errors xsi:type=\"DuplicateError\"><duplicateResult><matchResults><matchRecords><record xsi:type=\"sObject\">\
             <type>Contact</type><Id>003B</Id><Id>003B</Id></record></matchRecords></matchResults></duplicateResult>\
             <message>Use one of these records?</message><statusCode>DUPLICATES_DETECTED</statusCode></errors>\
             <success>false</success></result>\
             </convertLeadResponse>",
        );
        let answer = Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: text.into_bytes().into(),
            took: std::time::Duration::ZERO,
        };
        let rows = decode(&answer, 3).unwrap();
        let expected =
            Conversion { account: "001A".to_owned(), contact: "003A".to_owned(), opportunity: None };
        assert_eq!(rows[0], Ok(expected));
        assert_eq!(rows[1].as_ref().unwrap_err().code, Code::ConvertedLead);
        let duplicate = rows[2].as_ref().unwrap_err();
        assert_eq!(
            (&duplicate.code, &duplicate.candidates),
            (&Code::DuplicatesDetected, &vec!["003B".to_owned()])
        );
        assert!(decode(&answer, 2).is_err());
    }

    #[test]
    fn a_fault_is_a_refusal_with_its_code() {
        let text = enveloped(
            "<soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session ID found\
             </faultstring><detail><sf:UnexpectedErrorFault xmlns:sf=\"urn:fault\"><sf:exceptionCode>INVALID_SESSION_ID\
             </sf:exceptionCode></sf:UnexpectedErrorFault></detail></soapenv:Fault>",
        );
        let refusal = refusal(text.as_bytes()).unwrap();
        assert_eq!(
            (refusal.code.clone(), refusal.message.as_str()),
            (Code::InvalidSession, "Invalid Session ID found")
        );
        assert!(refusal.is_about_session());
        assert_eq!(super::refusal(b"<html><body>Sorry</body></html>"), None);
    }

    #[test]
    fn a_fault_says_whether_anything_was_done() {
        for (code, status) in [
            ("sf:REQUEST_LIMIT_EXCEEDED", 403),
            ("sf:INVALID_TYPE", 400),
            ("sf:UNABLE_TO_LOCK_ROW", 400),
            ("soapenv:Client", 400),
            ("soapenv:Client.Syntax", 400),
            ("sf:SERVER_UNAVAILABLE", 500),
            ("sf:UNKNOWN_EXCEPTION", 500),
            ("soapenv:Server", 500),
            ("", 500),
        ] {
            let fault = format!("<faultcode>{code}</faultcode><faultstring>no</faultstring>");
            let text = enveloped(&format!("<soapenv:Fault>{fault}</soapenv:Fault>"));
            let refusal = refusal(text.as_bytes()).unwrap();
            assert_eq!(refusal.status, status, "{code}");
            let fault = Fault::Refused(Box::new(refusal));
            assert_eq!(fault.may_have_acted(), status == 500, "{code}");
            assert_eq!(fault.is_quota(), status == 403, "{code}");
        }
    }

    #[test]
    fn what_a_refusal_says_is_bounded() {
        let long = "x\n".repeat(2_000);
        let fault = format!("<faultcode>sf:y{long}</faultcode><faultstring>{long}</faultstring>");
        let refusal =
            refusal(enveloped(&format!("<soapenv:Fault>{fault}</soapenv:Fault>")).as_bytes()).unwrap();
        let errors = vec![RowError { message: long.clone(), status_code: long, ..RowError::default() }];
        let row = Row { account_id: None, contact_id: None, opportunity_id: None, success: false, errors };
        for refusal in [refusal, *row.outcome().unwrap_err()] {
            assert_eq!(refusal.message.chars().count(), 999, "a thousand, and the space at its end is cut");
            assert!(refusal.code.as_str().len() <= 100 && !refusal.message.contains('\n'));
        }
    }

    #[test]
    fn xml_cannot_carry_every_text() {
        assert!(is_xml_text("Größe\t\r\n<&> 😀\u{7f}"));
        for text in ["a\0", "\u{1}", "\u{b}b", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
            assert!(!is_xml_text(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn names_are_escaped_and_the_session_has_its_place(name in "\\PC{0,40}") {
            let lead = LeadConvert { lead: "00Q".to_owned(), opportunity_name: Some(name.clone()), ..LeadConvert::default() };
            let (text, at) = envelope(&[lead], true);
            prop_assert!(text[at..].starts_with("</urn:sessionId>"));
            let start = text.find("<urn:opportunityName>").unwrap() + "<urn:opportunityName>".len();
            let end = text.find("</urn:opportunityName>").unwrap();
            prop_assert!(!text[start..end].contains('<'));
            prop_assert_eq!(quick_xml::escape::unescape(&text[start..end]).unwrap(), name);
        }
    }
}
