//! Strategies, round-trip laws and the conformance suite for providers.
