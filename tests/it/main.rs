//! The one integration test binary: real processes and real parts.

mod output;
mod process;
mod support;
