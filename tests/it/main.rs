//! The one integration test binary: the product against real parts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs and servers with an environment of their own"
)]

mod act;
mod architecture;
mod attacks;
mod attestation;
mod bad_input;
mod build_cache;
mod causes;
mod cloud;
mod comments;
mod copy;
mod delivery;
mod diagnostics;
mod dist;
mod docker;
mod environment;
mod events;
mod gate;
mod google;
mod hostile;
mod house;
mod image;
mod inputs;
mod kube;
mod kube_api;
mod laptop;
mod linked;
mod lint;
mod local;
mod local_registry;
mod logins;
mod make;
mod makefiles;
mod matrix;
mod message;
mod oci;
mod output;
mod page;
mod parallel;
mod plan;
mod process;
mod registries;
mod registry;
mod release;
mod scan;
mod signals;
mod signed;
mod slack;
mod stages;
mod summary;
mod support;
mod terminal;
mod test_reports;
mod variables;
mod version;
mod workflows;
mod workspace;
