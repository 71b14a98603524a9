//! The workload that signed, as its certificate describes it.

use std::fmt;

use sigstore_crypto::CertificateInfo;

/// A run of a workflow, from the id token's claims that Fulcio copied into the certificate (extensions
/// `1.3.6.1.4.1.57264.1.8` to `.22`, see Fulcio's `oid-info.md`). A missing text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The issuer of the id token.
    pub issuer: String,
    /// The URL of the repository.
    pub repository: String,
    /// The repository's id. Unlike the name, nobody else can get it.
    pub repository_id: String,
    /// The ref that ran: `refs/heads/main`.
    pub git_ref: String,
    /// The commit that ran.
    pub commit: String,
    /// The workflow of the repository that ran, with its ref:
    /// `https://github.com/acme/shop/.github/workflows/gate.yaml@refs/heads/main`.
    pub workflow: String,
    /// The workflow whose job signed. It differs from `workflow` in a reusable workflow.
    pub job_workflow: String,
    /// The event that started the run.
    pub event: String,
    /// The URL of the run and its attempt.
    pub run: String,
    /// `public`, `private` or `internal`.
    pub visibility: String,
}

impl Workload {
    pub(crate) fn of(certificate: &CertificateInfo) -> Self {
        let text = |claim: &Option<String>| claim.clone().unwrap_or_default();
        let claims = &certificate.ci_claims;
        Self {
            issuer: text(&certificate.issuer),
            repository: text(&claims.source_repository_uri),
            repository_id: text(&claims.source_repository_identifier),
            git_ref: text(&claims.source_repository_ref),
            commit: text(&claims.source_repository_digest),
            workflow: text(&claims.build_config_uri),
            job_workflow: certificate.identity.as_ref().map(ToString::to_string).unwrap_or_default(),
            event: text(&claims.build_trigger),
            run: text(&claims.run_invocation_uri),
            visibility: text(&claims.source_repository_visibility_at_signing),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} ({}, {})", self.workflow, self.git_ref, self.event, self.run)
    }
}
