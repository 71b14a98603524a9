//! The gate on Google Cloud and Kubernetes: against a loopback Google that is as strict as the real one,
//! a registry that takes its tokens, and a cluster that does.

mod scene;
mod whole;

pub(crate) use scene::{AUTH_FILE, Cloud, GCLOUD, MAKEFILE, SWITCHES};
