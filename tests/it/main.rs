//! The integration tests: one binary, real programs, loopback servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod act;
mod dist;
mod lint;
mod support;
