//! The API versions, and the resources of one.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};

/// The oldest version that is served; older ones are retired.
pub(crate) const OLDEST: u16 = 31;
/// The newest version.
pub(crate) const NEWEST: u16 = 68;

/// `GET /services/data`: needs no session.
pub(crate) fn list() -> ApiResponse {
    let versions: Vec<Value> = (OLDEST..=NEWEST)
        .map(|version| {
            json!({ "label": label(version), "url": format!("/services/data/v{version}.0"), "version": format!("{version}.0") })
        })
        .collect();
    ApiResponse::json(200, &Value::Array(versions))
}

/// The release that brought a version: three a year, of which Winter carries the next year's number.
fn label(version: u16) -> String {
    let since = version - OLDEST;
    let season = ["Summer", "Winter", "Spring"][usize::from(since % 3)];
    format!("{season} '{}", 14 + since.div_ceil(3))
}

/// `GET /services/data/vNN.0`.
pub(crate) fn resources(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let base = call.base();
    let names = [
        "composite",
        "jobs",
        "limits",
        "parameterizedSearch",
        "query",
        "queryAll",
        "recent",
        "search",
        "sobjects",
    ];
    let mut map: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("{base}/{name}")))).collect();
    map.insert("identity".to_owned(), json!(call.server.identity_url(&call.session.user_id)));
    Ok(ApiResponse::json(200, &Value::Object(map)))
}

/// The number of a version segment such as `v66.0`.
pub(crate) fn parse(segment: &str) -> Option<u16> {
    let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
    let plain = !major.is_empty() && major.len() <= 3 && major.bytes().all(|byte| byte.is_ascii_digit());
    (plain && minor == "0").then(|| major.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_release_calendar() {
        for (version, expected) in [
            (31, "Summer '14"),
            (32, "Winter '15"),
            (33, "Spring '15"),
            (51, "Spring '21"),
            (53, "Winter '22"),
            (66, "Spring '26"),
            (67, "Summer '26"),
            (68, "Winter '27"),
        ] {
            assert_eq!(label(version), expected, "{version}");
        }
    }

    #[test]
    fn only_whole_versions_parse() {
        for (segment, version) in [
            ("v66.0", Some(66)),
            ("v66", None),
            ("v66.1", None),
            ("66.0", None),
            ("viAmABadVersion", None),
            ("v.0", None),
        ] {
            assert_eq!(parse(segment), version, "{segment}");
        }
    }
}
