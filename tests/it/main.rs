//! The one integration test binary: the product against real parts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod image;
mod registry;
mod act;
mod inputs;
mod make;
mod dist;
mod lint;
mod support;
//! The parts of the gate against the real programs around it.

mod environment;
mod kube;
mod logins;
//! The one integration test binary: real processes and real parts.

mod output;
mod process;
mod support;
mod workspace;
//! The integration tests: one binary, real programs, loopback servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
mod version;
