//! Requests and answers as the resources see them: whole, decoded, and free of the server library.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::multipart::{self, Part};
use super::stream::FilePart;
use crate::error::SalesforceError;

/// A request whose body has been read and unpacked.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Path as sent, without the query.
    pub(crate) path: String,
    /// Decoded path segments without empty ones: a trailing slash makes no difference.
    pub(crate) segments: Vec<String>,
    /// Decoded query parameters in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl ApiRequest {
    pub(crate) fn new(method: Method, target: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            segments: path.split('/').filter(|segment| !segment.is_empty()).map(decode_segment).collect(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers,
            body,
        }
    }

    /// The first query parameter of this name.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The parameters of a form body, in parts or in one line, with those of the query behind them.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let content_type = self.header("content-type").unwrap_or_default();
        let text =
            |part: &Part<'_>| (part.name.to_owned(), String::from_utf8_lossy(part.content).into_owned());
        let mut fields: Vec<(String, String)> = match multipart::parts(content_type, &self.body) {
            Some(parts) => parts.iter().map(text).collect(),
            None => url::form_urlencoded::parse(&self.body).into_owned().collect(),
        };
        fields.extend(self.query.iter().cloned());
        fields
    }

    /// The access token of the `Authorization` header, `Bearer` or `OAuth`, or of `X-SFDC-Session`.
    pub(crate) fn token(&self) -> Option<&str> {
        if let Some(value) = self.header("authorization") {
            let (scheme, token) = value.split_once(' ')?;
            let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
            return known.then(|| token.trim());
        }
        self.header("x-sfdc-session")
    }
}

fn decode_segment(segment: &str) -> String {
    // form_urlencoded would turn '+' into a space, which a path does not.
    let kept = segment.replace('+', "%2B");
    url::form_urlencoded::parse(format!("={kept}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// What is sent instead of `body` when it is too large to be held.
    pub(crate) file: Option<FilePart>,
}

/// Content type of every REST answer.
pub(crate) const JSON: &str = "application/json;charset=UTF-8";
/// Content type of bulk results.
pub(crate) const CSV: &str = "text/csv";
/// Content type of pages for people.
pub(crate) const HTML: &str = "text/html;charset=UTF-8";

impl ApiResponse {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, content_type: None, headers: Vec::new(), body: Bytes::new(), file: None }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::raw_json(status, body.to_string())
    }

    /// A JSON answer that is written already.
    pub(crate) fn raw_json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(JSON), body: body.into(), ..Self::empty(status) }
    }

    /// A part of a file.
    pub(crate) fn file(content_type: &'static str, file: FilePart) -> Self {
        Self { content_type: Some(content_type), file: Some(file), ..Self::empty(200) }
    }

    /// A page.
    pub(crate) fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(HTML), body: body.into(), ..Self::empty(status) }
    }

    /// Bytes of any kind.
    pub(crate) fn bytes(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(content_type), body: body.into(), ..Self::empty(200) }
    }

    /// A REST error body with one element.
    pub(crate) fn error(error: &SalesforceError) -> Self {
        Self::json(error.status, &Value::Array(vec![error.to_rest_json()]))
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The JSON body; null when there is none or it is no JSON.
    pub(crate) fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What a resource answers.
pub(crate) type Answer = Result<ApiResponse, SalesforceError>;

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> ApiRequest {
        ApiRequest::new(Method::GET, target, HeaderMap::new(), Bytes::new())
    }

    #[test]
    fn paths_and_parameters_are_decoded_each_by_its_own_rule() {
        let request =
            get("/services/data/v66.0/sobjects/Contact/Email/a+b%40example.com/?q=a+b&fields=Id%2CName");
        assert_eq!(request.segments.last().map(String::as_str), Some("a+b@example.com"));
        assert_eq!(request.param("q"), Some("a b"));
        assert_eq!(request.param("fields"), Some("Id,Name"));
        assert_eq!(request.param("absent"), None);
    }

    #[test]
    fn both_authorization_schemes_are_read() {
        for (value, token) in
            [("Bearer abc", Some("abc")), ("OAuth abc", Some("abc")), ("Basic abc", None), ("abc", None)]
        {
            let mut request = get("/");
            request.headers.insert("authorization", value.parse().unwrap());
            assert_eq!(request.token(), token, "{value}");
        }
    }
}
