//! `/services/Soap/u/NN.0`: login for old clients, and the calls that REST does not have.

use serde_json::Value as Json;

use super::Server;
use super::message::{ApiRequest, ApiResponse};
use super::oauth::{check_password, escape};
use super::xml::Element;
use crate::error::SalesforceError;
use crate::org::dml::{self, Context, Conversion};
use crate::schema::{ObjectSchema, ids};

/// The first version whose SOAP login is gone.
const NO_LOGIN_SINCE: u16 = 65;

const XML: &str = "text/xml;charset=UTF-8";

/// Answers a call, and tells how many API calls it was: logging in and out is none.
pub(crate) fn answer(server: &Server, request: &ApiRequest) -> (ApiResponse, u32) {
    dispatch(server, request).unwrap_or_else(|fault| (*fault, 0))
}

fn dispatch(server: &Server, request: &ApiRequest) -> Result<(ApiResponse, u32), Box<ApiResponse>> {
    let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let ["services", "Soap", kind @ ("u" | "c"), version, ..] = path.as_slice() else {
        return Err(refusal(
            "sf:UNSUPPORTED_API_VERSION",
            "UNSUPPORTED_API_VERSION: this SOAP API is not served here",
        ));
    };
    let version = version.trim_end_matches(".0").parse::<u16>().unwrap_or_default();
    if !(super::versions::OLDEST..=super::versions::NEWEST).contains(&version) {
        return Err(refusal(
            "sf:UNSUPPORTED_API_VERSION",
            "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL",
        ));
    }
    let envelope = std::str::from_utf8(&request.body).ok().and_then(Element::parse).unwrap_or_default();
    let call = envelope.child("Body").and_then(|body| body.children.first());
    let call = call.ok_or_else(|| refusal("soapenv:Client", "Failed to parse the SOAP envelope"))?;
    let urn = if *kind == "u" { "urn:partner.soap.sforce.com" } else { "urn:enterprise.soap.sforce.com" };
    if call.name == "login" {
        return Ok((login(server, version, kind, urn, call), 0));
    }
    let header = envelope.child("Header").and_then(|header| header.child("SessionHeader"));
    let token = header.and_then(|header| header.text_of("sessionId")).unwrap_or_default();
    if server.tokens.session(token, server.org.clock.now()).is_none() {
        let message = "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session";
        return Err(refusal("sf:INVALID_SESSION_ID", message));
    }
    let run: (&str, fn(&Context<'_>, &Element) -> Row) = match call.name.as_str() {
        "logout" => {
            server.tokens.end_session(token);
            return Ok((success(urn, "<logoutResponse/>"), 0));
        }
        "getUserInfo" => {
            let body =
                format!("<getUserInfoResponse><result>{}</result></getUserInfoResponse>", user_info(server));
            return Ok((success(urn, &body), 0));
        }
        "getServerTimestamp" => {
            let now = server.org.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
            let result = format!("<result><timestamp>{now}</timestamp></result>");
            return Ok((
                success(urn, &format!("<getServerTimestampResponse>{result}</getServerTimestampResponse>")),
                0,
            ));
        }
        "convertLead" => ("leadConverts", convert),
        "merge" => ("request", merge),
        "undelete" => ("ids", undelete),
        "emptyRecycleBin" => ("ids", empty_recycle_bin),
        other => {
            return Err(refusal(
                "soapenv:Client",
                &format!("No operation available for request {{{urn}}}{other}"),
            ));
        }
    };
    let refuse = |error: SalesforceError| {
        refusal(&format!("sf:{}", error.code), &format!("{}: {}", error.code, error.message))
    };
    server.usage.take(1, server.org.clock.now()).map_err(refuse)?;
    Ok((rows(server, urn, call, run.0, run.1), 1))
}

fn refusal(code: &str, message: &str) -> Box<ApiResponse> {
    Box::new(fault(code, message))
}

fn login(server: &Server, version: u16, kind: &str, urn: &str, call: &Element) -> ApiResponse {
    if version >= NO_LOGIN_SINCE {
        return fault(
            "sf:UNSUPPORTED_API_VERSION",
            "UNSUPPORTED_API_VERSION: login() is not available in API version 65.0 and later",
        );
    }
    let username = call.text_of("username").unwrap_or_default();
    let password = call.text_of("password").unwrap_or_default();
    if check_password(server, username, password).is_err() {
        let message = "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";
        return fault("sf:INVALID_LOGIN", message);
    }
    let org = &server.org;
    let lifetime = server.credentials.session_lifetime;
    let session =
        server.tokens.open_session(&org.org_id, &org.user_id, "api", None, org.clock.now(), lifetime);
    let base = server.instance_url();
    let short_org = org.org_id.get(..15).unwrap_or_default();
    success(
        urn,
        &format!(
            "<loginResponse><result><metadataServerUrl>{base}/services/Soap/m/{version}.0/{short_org}</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>{base}/services/Soap/{kind}/{version}.0/{short_org}</serverUrl><sessionId>{session}</sessionId>\
         <userId>{}</userId><userInfo>{}</userInfo></result></loginResponse>",
            org.user_id,
            user_info(server)
        ),
    )
}

fn user_info(server: &Server) -> String {
    let org = &server.org;
    let user = org.find("User", &org.user_id).ok().flatten().unwrap_or_default();
    let organization = org.find("Organization", &org.org_id).ok().flatten().unwrap_or_default();
    let text = |value: Option<&str>, other: &str| escape(value.unwrap_or(other));
    format!(
        "<organizationId>{}</organizationId><organizationMultiCurrency>{}</organizationMultiCurrency>\
         <organizationName>{}</organizationName><profileId>{}</profileId><sessionSecondsValid>{}</sessionSecondsValid>\
         <userEmail>{}</userEmail><userFullName>{}</userFullName><userId>{}</userId>\
         <userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>{}</userName>\
         <userTimeZone>GMT</userTimeZone><userType>Standard</userType>",
        org.org_id,
        org.schema().features().multi_currency,
        text(organization.text("Name"), ""),
        text(user.text("ProfileId"), ""),
        server.credentials.session_lifetime.as_secs(),
        text(user.text("Email"), &server.credentials.username),
        text(user.text("Name"), ""),
        org.user_id,
        escape(&server.credentials.username),
    )
}

/// One row of a call: what it gives, as XML, or why it failed.
type Row = Result<String, SalesforceError>;

/// Runs each row of a call by itself, as these calls do.
fn rows(
    server: &Server,
    urn: &str,
    call: &Element,
    name: &str,
    run: fn(&Context<'_>, &Element) -> Row,
) -> ApiResponse {
    let given: Vec<&Element> = call.children.iter().filter(|child| child.name == name).collect();
    if given.len() > 200 {
        return fault(
            "sf:EXCEEDED_ID_LIMIT",
            "EXCEEDED_ID_LIMIT: record limit reached. cannot submit more than 200 records into this call",
        );
    }
    let mut body = format!("<{}Response>", call.name);
    for row in given {
        let outcome =
            server.org.db.write(|conn| run(&Context::new(&server.org, conn, server.org.schema()), row));
        body.push_str("<result>");
        match outcome {
            Ok(xml) => body.push_str(&format!("{xml}<success>true</success>")),
            Err(error) => body.push_str(&format!(
                "<errors><message>{}</message><statusCode>{}</statusCode></errors><success>false</success>",
                escape(&error.message),
                escape(&error.code)
            )),
        }
        body.push_str("</result>");
    }
    body.push_str(&format!("</{}Response>", call.name));
    success(urn, &body)
}

fn id(text: Option<&str>) -> Result<String, SalesforceError> {
    let text = text.unwrap_or_default();
    ids::widen(text).ok_or_else(|| SalesforceError::new(400, "MALFORMED_ID", format!("malformed id {text}")))
}

fn object_of<'c>(context: &'c Context<'_>, id: &str) -> Result<&'c ObjectSchema, SalesforceError> {
    let object = context.schema.object_of_id(id);
    object
        .ok_or_else(|| SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"))
}

fn convert(context: &Context<'_>, row: &Element) -> Row {
    let optional = |name: &str| row.text_of(name).map(|text| id(Some(text))).transpose();
    let conversion = Conversion {
        account_id: optional("accountId")?,
        contact_id: optional("contactId")?,
        opportunity_name: row.text_of("opportunityName").map(str::to_owned),
        without_opportunity: row.text_of("doNotCreateOpportunity") == Some("true"),
        status: row.text_of("convertedStatus").map(str::to_owned),
        owner_id: optional("ownerId")?,
    };
    let lead = id(row.text_of("leadId"))?;
    let done = dml::convert_lead(context, &lead, &conversion)?;
    let opportunity = done
        .opportunity_id
        .map_or_else(|| "<opportunityId/>".to_owned(), |id| format!("<opportunityId>{id}</opportunityId>"));
    Ok(format!(
        "<accountId>{}</accountId><contactId>{}</contactId><leadId>{lead}</leadId>{opportunity}",
        done.account_id, done.contact_id
    ))
}

fn merge(context: &Context<'_>, row: &Element) -> Row {
    let master = row
        .child("masterRecord")
        .ok_or_else(|| SalesforceError::new(400, "MISSING_ARGUMENT", "masterRecord is required"))?;
    let master_id = id(master.text_of("Id"))?;
    let losers = row
        .children
        .iter()
        .filter(|child| child.name == "recordToMergeIds")
        .map(|child| id(Some(child.text.trim())));
    let losers: Vec<String> = losers.collect::<Result<_, _>>()?;
    let object = object_of(context, &master_id)?;
    let fields: serde_json::Map<String, Json> = master
        .children
        .iter()
        .filter(|field| !matches!(field.name.as_str(), "Id" | "type" | "fieldsToNull"))
        .map(|field| (field.name.clone(), Json::String(field.text.clone())))
        .collect();
    dml::merge(context, object, &master_id, &losers)?;
    if !fields.is_empty() {
        let text = Json::Object(fields).to_string();
        let input: dml::Input =
            serde_json::from_str(&text).map_err(|error| SalesforceError::internal(error.to_string()))?;
        dml::update(context, object, &master_id, &input)?;
    }
    let merged: String =
        losers.iter().map(|loser| format!("<mergedRecordIds>{loser}</mergedRecordIds>")).collect();
    Ok(format!("<id>{master_id}</id>{merged}"))
}

fn undelete(context: &Context<'_>, row: &Element) -> Row {
    let id = id(Some(row.text.trim()))?;
    dml::undelete(context, object_of(context, &id)?, &id)?;
    Ok(format!("<id>{id}</id>"))
}

fn empty_recycle_bin(context: &Context<'_>, row: &Element) -> Row {
    let id = id(Some(row.text.trim()))?;
    dml::purge(context, object_of(context, &id)?, &id)?;
    Ok(format!("<id>{id}</id>"))
}

fn success(urn: &str, body: &str) -> ApiResponse {
    xml(
        200,
        &format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"{urn}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        ),
    )
}

fn fault(code: &str, message: &str) -> ApiResponse {
    let kind = code.rsplit_once(':').map_or(code, |(_, kind)| kind);
    let detail = match kind {
        "INVALID_LOGIN" => "LoginFault",
        "Client" => "",
        _ => "UnexpectedErrorFault",
    };
    let detail = if detail.is_empty() {
        String::new()
    } else {
        format!(
            "<detail><sf:{detail} xsi:type=\"sf:{detail}\"><sf:exceptionCode>{kind}</sf:exceptionCode>\
             <sf:exceptionMessage>{}</sf:exceptionMessage></sf:{detail}></detail>",
            escape(message.split_once(": ").map_or(message, |(_, text)| text))
        )
    };
    xml(
        500,
        &format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         <soapenv:Fault><faultcode>{code}</faultcode><faultstring>{}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>",
            escape(message)
        ),
    )
}

fn xml(status: u16, body: &str) -> ApiResponse {
    ApiResponse { content_type: Some(XML), body: body.to_owned().into(), ..ApiResponse::empty(status) }
}
