//! Registries over the OCI distribution API: names, credentials, reading, writing, copying.
//! Everything that speaks HTTP to a registry is here; nothing here knows the gate, prints or
//! reads the environment.

mod blob;
mod challenge;
mod client;
mod copy;
mod credentials;
mod digest;
mod error;
mod helper;
pub mod image;
mod insecure;
mod lenient;
pub mod login_file;
pub mod logins;
mod manifest;
mod manifests;
mod pages;
mod realm;
mod reference;
mod referrers;
mod rights;
mod route;
mod source;
mod token;
mod transport;
mod upload;

pub use blob::BlobReader;
pub use client::{Client, Settings};
pub use copy::{
    Arrival, Attached, AttachedState, CopyListener, CopyOptions, CopyProgress, CopyReport, OnExisting, Tally,
};
pub use credentials::{Credentials, CredentialsOrigin, Keyring, RefreshableCredentials};
pub use digest::{Digest, Hasher};
pub use error::{Asked, OciError, RegistryAnswer};
pub use insecure::Insecure;
pub use manifest::{Contents, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST};
pub use reference::{Reference, ReferenceError, Repository, TagOrDigest, check_tag, is_name_component};
pub use source::Content;
