//! The edge to Kubernetes: the kubeconfig files that targets get. What a kubeconfig given by the user
//! holds is read here and never changed; which namespace a target has is `environment`'s.

mod error;
mod kubeconfig;
mod read;

pub use error::KubeError;
pub use kubeconfig::{Kubeconfig, NO_CLUSTER};
