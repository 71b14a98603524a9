//! A small client of the Kubernetes API for p2p's own requests: whether the tenant has the rights, its
//! subnamespaces, and what is wrong after a failed deployment. It reads kubeconfigs like client-go. Targets use
//! kubectl and their own kubeconfig.

mod access;
mod answer;
mod client;
mod connection;
mod diagnostics;
mod error;
mod event;
mod exec;
mod help;
mod object;
mod permission;
mod pod;
mod question;
mod subnamespace;
mod workload;

pub use client::Api;
pub use error::{ApiError, Reach};
pub use permission::Permission;
pub use subnamespace::{SubnamespaceProgress, SubnamespaceStage};
