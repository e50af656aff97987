use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::*;

fn read(status: u16, body: &str) -> Fault {
    Fault::of_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

#[test]
fn every_shape_of_error_is_read() {
    for (status, body, code, message) in [
        (
            401,
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
            "invalid_grant",
            "authentication failure",
        ),
        (
            400,
            r#"[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"m","fields":[]}]"#,
            "UNABLE_TO_LOCK_ROW",
            "m",
        ),
        (
            400,
            r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#,
            "InvalidSessionId",
            "Invalid session id",
        ),
        (
            300,
            r#"["/services/data/v23.0/sobjects/X/a","/services/data/v23.0/sobjects/X/b"]"#,
            "MULTIPLE_MATCHES",
            "the external id fits several records",
        ),
        (403, "Bad_OAuth_Token", "Bad_OAuth_Token", "Bad_OAuth_Token"),
        (
            400,
            r#"[{"message":"rolled back","errorCode":"PROCESSING_HALTED"},{"message":"the cause","errorCode":"INVALID_FIELD"}]"#,
            "INVALID_FIELD",
            "the cause",
        ),
        (400, r#"[{"message":"a\n\tb","errorCode":"X"}]"#, "X", "a  b"),
    ] {
        let fault = read(status, body);
        let refusal = fault.refusal().unwrap_or_else(|| panic!("{body}: {fault:?}"));
        assert_eq!(
            (refusal.status, refusal.code.as_str(), refusal.message.as_str()),
            (status, code, message),
            "{body}"
        );
        assert_eq!(Code::from(code), refusal.code);
    }
    for (body, expected) in [
        ("", What::Nothing),
        (" \n", What::Nothing),
        ("<html>", What::Page),
        ("[]", What::Other),
        ("7", What::Other),
        ("{", What::Other),
    ] {
        assert!(matches!(read(500, body), Fault::Unexpected { what, .. } if what == expected), "{body}");
    }
}

#[test]
fn fields_and_duplicates_are_kept() {
    let fault = read(
        400,
        r#"[{"message":"m","errorCode":"DUPLICATES_DETECTED","fields":["Name"],"duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"003S800000jyTwTIAU"}}]}]}}]"#,
    );
    assert_eq!(fault.refusal().unwrap().candidates, ["003S800000jyTwTIAU"]);
    let error = Error::from(fault);
    assert_eq!((error.kind(), error.fields()[0].pointer.as_str()), (ErrorKind::Conflict, "/Name"));
}

#[test]
fn what_a_gateway_says_ends_nothing() {
    let unavailable = r#"[{"message":"m","errorCode":"SERVER_UNAVAILABLE"}]"#;
    for (status, is_final) in [(500, true), (503, true), (502, false), (504, false)] {
        assert_eq!(read(status, "<html>").is_final(), is_final, "{status}");
        assert_eq!(read(status, unavailable).is_final(), is_final, "{status}");
        assert!(read(status, "").may_have_acted());
    }
    assert!(!read(408, "").is_final() && !read(200, "<html>").is_final());
    assert!(read(400, unavailable).is_final());
}

#[test]
fn a_fault_is_small() {
    assert!(size_of::<Fault>() <= 64, "{}", size_of::<Fault>());
}

proptest! {
    #[test]
    fn any_answer_is_a_fault_that_converts_and_is_bounded(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let fault = Fault::of_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body);
        let again = fault.again(1);
        let error = Error::from(fault);
        prop_assert!(error.to_string().chars().count() < 3_000);
        // What was worth another attempt here is worth one later as well, a locked row included.
        if again.is_some() { prop_assert!(error.is_retryable()); }
    }

    #[test]
    fn any_message_is_read_on_one_line(status in 400_u16..600, code in ".{0,200}", message in any::<String>()) {
        let body = serde_json::json!([{ "errorCode": code, "message": message }]).to_string();
        let fault = read(status, &body);
        let refusal = fault.refusal().unwrap();
        prop_assert!(!refusal.message.chars().any(char::is_control));
        prop_assert!(refusal.message.chars().count() <= 1_000 && refusal.code.as_str().chars().count() <= 100);
    }
}
