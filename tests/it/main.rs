//! The one integration test binary: the product against real parts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod oci;
mod support;
