//! The one integration test binary: the product against real parts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod act;
mod dist;
mod environment;
mod google;
mod image;
mod inputs;
mod kube;
mod kube_api;
mod lint;
mod logins;
mod make;
mod output;
mod process;
mod registry;
mod support;
mod version;
mod workspace;
