//! The edge to Kubernetes: the kubeconfig files that targets get, and the few questions that we ask
//! the API ourselves. What a kubeconfig given by the user holds is read here and never changed; which
//! namespace a target has is `environment`'s.

mod api;
mod error;
mod input;
mod kubeconfig;
mod read;
mod secrets;

pub use api::{Api, ApiError, Permission, Reach, SubnamespaceProgress, SubnamespaceStage};
pub use error::KubeError;
pub use kubeconfig::{Kubeconfig, NO_CLUSTER};
