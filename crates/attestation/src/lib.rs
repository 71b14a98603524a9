//! Signs [in-toto statements](https://github.com/in-toto/attestation) about images as
//! [Sigstore bundles](https://github.com/sigstore/protobuf-specs), and verifies what such a bundle says and who
//! signed it. Knows registries and gates as little as they know signatures.
//!
//! ```no_run
//! use attestation::{Services, Signer, Statement, TrustRoot, Verifier};
//! use workflow_commands::Secret;
//!
//! # async fn example(id_token: Secret) -> Result<(), Box<dyn std::error::Error>> {
//! let digest = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
//! let statement = Statement::new("app", digest, "https://example.com/tested/v1", serde_json::json!({"ok": true}))?;
//!
//! // One certificate serves all statements of a run.
//! let signer = Signer::keyless(&Services::public(), &id_token).await?;
//! let bundle = signer.sign(&statement).await?;
//!
//! let signed = Verifier::new(&TrustRoot::public()?)?.verify(&bundle, digest)?;
//! println!("{} by {:?}", signed.statement.predicate, signed.workload);
//! # Ok(())
//! # }
//! ```

mod allowed;
mod error;
mod json;
mod provider;
mod services;
mod sign;
mod signer;
mod statement;
mod trust;
mod verify;

pub use allowed::{AllowedSigner, Mismatch, is_glob};
pub use error::{SignError, VerifyError};
pub use services::{Services, check};
pub use sign::{Signer, claim, hash_to_sign, with_key};
pub use signer::Workload;
pub use statement::Statement;
pub use trust::{TrustRoot, embedded_since};
pub use verify::{Signed, Verifier, predicate_type};

/// The media type of a bundle, which is also the artifact type of the referrer that holds it.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
