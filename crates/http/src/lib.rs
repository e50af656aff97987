//! What every HTTP plugin needs once: client, OAuth, token cache, retries, redaction. Knows no CRM.
//!
//! The layers, from the wire upwards:
//!
//! 1. [`Transport`] carries one request and answers with a stream of body chunks. Tests replace it.
//! 2. [`HttpClient`] adds what is the same for every remote: which hosts may be spoken to ([`HostPolicy`]), gzip,
//!    bounded bodies, redirects as errors, one tracing event per attempt.
//! 3. [`Retrier`] repeats an attempt as the plugin's [`Verdict`] says, within attempts, time and a shared budget.
//! 4. [`TokenCache`] gives out access tokens and refreshes them once, across tasks and processes; [`oauth`] is how
//!    a plugin gets them.

mod body;
mod client;
mod failure;
mod gunzip;
mod hosts;
mod limits;
pub mod oauth;
mod random;
pub mod redact;
mod retry;
mod token;
mod trace;
mod transport;
mod usage;

pub use body::BodyStream;
pub use client::{Attempt, ClientConfig, HttpClient};
pub use failure::{TransportError, TransportErrorKind};
pub use hosts::HostPolicy;
pub use limits::{ConcurrencyLimit, Permit};
pub use retry::{Effect, Replay, Retrier, RetryBudget, RetryPolicy, Verdict, retry_after};
pub use token::{RefreshPolicy, Refreshed, Refresher, Token, TokenCache, names};
pub use transport::{Request, ReqwestTransport, Response, Transport};
pub use usage::{Usage, UsageCounts};
