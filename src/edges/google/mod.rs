//! The edge to Google Cloud, without gcloud: federated tokens, credential files, and the lookup of clusters. It
//! knows no registry, no kubeconfig and no target; the caller decides where and when a token is written.
//! `docs/google-cloud.md` has the sources of the facts about Google's APIs.

mod account;
mod answer;
mod claims;
mod cluster;
mod cluster_name;
mod credential_file;
mod endpoints;
mod error;
mod exchange;
mod federation;
mod help;
mod id_token;
mod identity;
mod key_version;
mod refusal;
mod renew;
mod signing_key;
mod token;

pub use claims::Claims;
pub use cluster::Cluster;
pub use cluster_name::ClusterName;
pub use endpoints::Endpoints;
pub use error::GoogleError;
pub use federation::{Federation, FederationSettings};
pub use id_token::IdTokenRequest;
pub use identity::{Identity, IdentityError, Role};
pub use key_version::KeyVersion;
pub use renew::Renewer;
pub use signing_key::SigningKey;
pub use token::{TOKEN_USER, Token};
