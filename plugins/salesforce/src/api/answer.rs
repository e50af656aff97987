//! An answer of the API: either what was asked for, or a fault.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::de::{Deserialize, DeserializeOwned};
use unicrm_core::Quota;

use super::soap;
use super::time::parse_http_date;
use crate::error::{Fault, What, is_page};

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How long it took from the first byte of the request to the last one of the answer.
    pub(crate) took: Duration,
}

/// What a request expects, and so what is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// JSON.
    Json,
    /// JSON, or 304 when nothing has changed.
    JsonIfChanged,
    /// Bytes of any kind with a successful status.
    Bytes,
    /// An envelope of the SOAP API, refusals included.
    Soap,
    /// Any answer, refusals included; only the session is looked after.
    Anything,
}

impl Answer {
    /// Takes an answer apart. The status counts first, then the content type, then the first character.
    pub(super) fn checked(
        response: http::Response<Bytes>,
        expect: Expect,
        took: Duration,
    ) -> Result<Self, Fault> {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        if expect == Expect::Anything {
            let fault = (!status.is_success()).then(|| Fault::of_answer(status, &headers, &body));
            return match fault {
                Some(fault) if fault.wants_new_token() => Err(fault),
                _ => Ok(Self { status, headers, body, took }),
            };
        }
        let unchanged = status == StatusCode::NOT_MODIFIED && expect == Expect::JsonIfChanged;
        if !status.is_success() && !unchanged {
            let refusal = if expect == Expect::Soap { soap::refusal(&body) } else { None };
            return Err(match refusal {
                Some(refusal) => Fault::Refused(Box::new(refusal)),
                None => Fault::of_answer(status, &headers, &body),
            });
        }
        if !unchanged && !matches!(expect, Expect::Bytes | Expect::Soap) {
            let unexpected = |what| Fault::Unexpected { status: status.as_u16(), what, after: None };
            if is_page(&headers, &body) {
                return Err(unexpected(What::Page));
            }
            if body.trim_ascii().is_empty() {
                return Err(unexpected(What::Nothing));
            }
            if let Some(refusal) = refusal_with_success(status, &body) {
                return Err(refusal);
            }
        }
        Ok(Self { status, headers, body, took })
    }

    /// The body as text.
    pub(crate) fn text(&self, what: &'static str) -> Result<&str, Fault> {
        simdutf8::basic::from_utf8(&self.body).map_err(|_| Fault::Unreadable {
            what,
            why: "it is not UTF-8".to_owned(),
            cut: false,
        })
    }

    /// The body as JSON of a known form.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Fault> {
        json(self.text(what)?, what)
    }

    /// The server's clock when the request set out, or a little before: an answer is dated when it is made, and what changed
    /// while the server worked on it may not be in it.
    pub(crate) fn server_time(&self) -> Option<Timestamp> {
        let date = dated(&self.headers)?;
        let took = SignedDuration::try_from(self.took).unwrap_or(SignedDuration::MAX);
        date.checked_sub(took).ok()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// When the server made an answer, by its own clock.
pub(super) fn dated(headers: &HeaderMap) -> Option<Timestamp> {
    parse_http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// Some resources refuse with status 200 and the array of errors that belongs to an error status.
fn refusal_with_success(status: StatusCode, body: &[u8]) -> Option<Fault> {
    const MAX_ERRORS: usize = 64 << 10;
    if body.len() > MAX_ERRORS || !body.trim_ascii_start().starts_with(b"[") {
        return None;
    }
    let refusal = Fault::of_value(status.as_u16(), &serde_json::from_slice(body).ok()?)?;
    Some(Fault::Refused(Box::new(refusal)))
}

/// Reads JSON of a known form. The text itself never gets into the error.
pub(crate) fn json<'t, T: Deserialize<'t>>(text: &'t str, what: &'static str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Eof => "it ends early".to_owned(),
            _ => format!("it has another form at line {}, column {}", error.line(), error.column()),
        };
        Fault::Unreadable { what, why, cut: error.is_eof() }
    })
}

/// The quota in `Sforce-Limit-Info: api-usage=18/15000`; other limits may stand beside it.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let info = headers.get("sforce-limit-info")?.to_str().ok()?;
    info.split([';', ',']).find_map(|part| {
        let (used, limit) = part.trim().strip_prefix("api-usage=")?.split_once('/')?;
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text.get(..digits)?.parse().ok()
        };
        Some(Quota { used: number(used)?, limit: number(limit)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_the_time_at_which_its_request_set_out() {
        let response = http::Response::builder().header("date", "Tue, 13 Apr 2021 11:33:05 GMT");
        let response = response.body(Bytes::from_static(b"{}")).unwrap();
        let answer = Answer::checked(response, Expect::Json, Duration::from_secs(65)).unwrap();
        assert_eq!(answer.server_time(), Some("2021-04-13T11:32:00Z".parse().unwrap()));
    }

    #[test]
    fn the_quota_is_read_from_its_header() {
        for (text, expected) in [
            ("api-usage=18/15000", Some((18, 15_000))),
            ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample)", Some((25, 5_000))),
            ("per-app-api-usage=17/250(appName=sample), api-usage=1/2", Some((1, 2))),
            ("api-usage=", None),
            ("api-usage=a/b", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("sforce-limit-info", text.parse().unwrap());
            assert_eq!(quota(&headers).map(|quota| (quota.used, quota.limit)), expected, "{text}");
        }
        assert_eq!(quota(&HeaderMap::new()), None);
    }
}
