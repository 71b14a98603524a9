//! The edge to Google Cloud, without gcloud: federated tokens, credential files, looking a cluster up.
//! It knows no registry, no kubeconfig and no target: the caller decides where a token is written, and when.
//! The sources of the facts about Google's APIs are in `docs/google-cloud.md`.

mod account;
mod claims;
mod cluster;
mod credential_file;
mod endpoints;
mod error;
mod exchange;
mod federation;
mod help;
mod id_token;
mod identity;
mod refusal;
mod renew;
mod token;

pub use claims::Claims;
pub use cluster::{Cluster, ClusterName};
pub use endpoints::Endpoints;
pub use error::GoogleError;
pub use federation::{Federation, FederationSettings};
pub use id_token::IdTokenRequest;
pub use identity::{Identity, Role};
pub use renew::Renewer;
pub use token::{TOKEN_USER, Token};
