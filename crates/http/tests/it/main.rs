//! The crate as a plugin sees it: over real sockets where the wire matters, over scripted transports where time does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod client;
mod oauth;
mod secrets;
mod support;
mod tokens;
