//! A small client of the Kubernetes API, for what we ask ourselves: whether the tenant may act,
//! its subnamespaces, and what is wrong after a deployment failed. It reads kubeconfigs as client-go does; targets use kubectl and their own.

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
