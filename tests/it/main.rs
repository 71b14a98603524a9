//! The one integration test binary: the product against real parts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod act;
mod bad_input;
mod build_cache;
mod cloud;
mod copy;
mod dist;
mod environment;
mod events;
mod gate;
mod google;
mod hostile;
mod image;
mod inputs;
mod kube;
mod kube_api;
mod lint;
mod local;
mod logins;
mod make;
mod matrix;
mod oci;
mod output;
mod parallel;
mod plan;
mod process;
mod registry;
mod signals;
mod slack;
mod stages;
mod support;
mod trouble;
mod variables;
mod version;
mod workflows;
mod workspace;
