//! The readers of answers, for the test of the recordings.

use std::time::Duration;

use bytes::Bytes;

pub(crate) use super::answer::Answer;
use super::answer::Expect;
use super::describe::GlobalDescribe;
use super::identity::UserInfo;
use super::{ApiVersion, Deleted, Describe, QueryPage, SubAnswer};
use crate::error::Fault;

pub(crate) fn checked(response: http::Response<Bytes>) -> Result<Answer, Fault> {
    Answer::checked(response, Expect::Json, Duration::ZERO)
}

pub(crate) fn bytes(response: http::Response<Bytes>) -> Result<Bytes, Fault> {
    Answer::checked(response, Expect::Bytes, Duration::ZERO).map(|answer| answer.body)
}

pub(crate) fn describe(text: &str) -> Result<Describe, Fault> {
    Describe::parse(text)
}

pub(crate) fn global(text: &str) -> Result<GlobalDescribe, Fault> {
    GlobalDescribe::parse(text)
}

pub(crate) fn page(answer: &Answer) -> Result<QueryPage, Fault> {
    QueryPage::decode(answer)
}

pub(crate) fn versions(answer: &Answer) -> Result<Vec<ApiVersion>, Fault> {
    super::version::offered(answer)
}

pub(crate) fn identity(answer: &Answer) -> Result<UserInfo, Fault> {
    answer.json("the user's identity")
}

pub(crate) fn deleted(answer: &Answer) -> Result<Deleted, Fault> {
    Deleted::decode(answer)
}

pub(crate) fn composite(answer: &Answer, requests: usize) -> Result<Vec<Result<SubAnswer, Fault>>, Fault> {
    super::composite::decode(answer, requests)
}
