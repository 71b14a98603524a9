//! The edge to Kubernetes: the kubeconfig files of targets, and the requests of p2p itself. It reads the user's
//! kubeconfig and never changes it. `domain::environment` decides the namespace of a target.

mod api;
mod error;
mod input;
mod kubeconfig;
mod load;
mod read;
mod secrets;

pub use api::{Api, ApiError, Permission, Reach, SubnamespaceProgress, SubnamespaceStage};
pub use error::KubeError;
pub use kubeconfig::{Kubeconfig, NO_CLUSTER};
