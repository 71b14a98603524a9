//! A client of registries that speak the [OCI distribution API](https://github.com/opencontainers/distribution-spec):
//! resolves, pushes and copies images, and lists tags and referrers. The crate prints nothing and reads the process
//! environment only as a value.
//!
//! ```no_run
//! use oci::{Client, CopyOptions, Keyring, Reference, Settings};
//! use sys::world::Env;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The logins of docker and podman, and their credential helpers.
//! let keyring = Keyring::from_env(&Env::of_process())?;
//! let client = Client::new(Settings { keyring, ..Settings::default() });
//!
//! let tested: Reference = "ghcr.io/acme/shop/test/app:1.2.3".parse()?;
//! let destination = "ghcr.io/acme/shop/extended-test/app".parse()?;
//! let tags = ["1.2.3".to_owned()];
//! let report = client.copy(&tested, &destination, &tags, &CopyOptions::default()).await?;
//! println!("{destination}@{} has {} blobs more", report.digest, report.moved.blobs);
//! # Ok(())
//! # }
//! ```
//!
//! [`image`] packs and unpacks images without Docker. [`logins`] reads and writes login files.

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
pub mod logins;
mod manifest;
mod manifests;
mod origin;
mod pages;
mod realm;
mod reference;
mod reference_error;
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
pub use credentials::{Credentials, Keyring, RefreshableCredentials};
pub use digest::{Digest, Hasher};
pub use error::{Asked, OciError, RegistryAnswer};
pub use insecure::Insecure;
pub use manifest::{
    Contents, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, EMPTY, Manifest, OCI_INDEX, OCI_MANIFEST,
};
pub use origin::CredentialsOrigin;
pub use realm::is_inner_host;
pub use reference::{Reference, Repository, TagOrDigest, check_tag, is_name_component};
pub use reference_error::ReferenceError;
pub use source::Content;
