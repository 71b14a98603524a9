//! The reusable workflows as tenants call them, by their real `uses:` lines: run by act against a real
//! registry and a loopback GitHub over a real bare repository.

mod fast_feedback;
mod scene;

use scene::{MAKEFILE, Scene};
