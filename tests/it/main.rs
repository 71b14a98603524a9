//! The integration tests: one binary, real programs, loopback servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
mod version;
