//! The values that an environment may have.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::inputs::SPECS;

macro_rules! keys {
    ($($(#[doc = $meaning:literal])+ $key:ident = $name:literal $(($vars:literal))?;)+) => {
        /// A value of an environment: a key under `environments`, and often an input with the same name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($(#[doc = $meaning])+ $key,)+ }

        impl Key {
            /// All keys. A derived key comes after those that it is derived from.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$key),+];

            /// The name of the key under `environments`, and of the input if there is one.
            pub fn name(self) -> &'static str {
                match self { $(Self::$key => $name),+ }
            }

            /// The name in GitHub's `vars` context, if it has one (contract §4).
            pub fn vars_name(self) -> Option<&'static str> {
                match self { $($(Self::$key => Some($vars),)?)+ _ => None }
            }
        }
    };
}

// A key, its name, and its name in GitHub's `vars` context.
keys! {
    /// The team's space on the platform.
    TenantName = "tenant-name" ("TENANT_NAME");
    /// One deployable of the tenant.
    AppName = "app-name";
    /// The cloud project.
    ProjectId = "project-id" ("PROJECT_ID");
    /// The cloud project's number.
    ProjectNumber = "project-number" ("PROJECT_NUMBER");
    /// The cloud region; also the registry's and the cluster's location.
    Region = "region" ("REGION");
    /// The platform environment's own name.
    Dplatform = "dplatform" ("DPLATFORM");
    /// The cluster.
    ClusterName = "cluster-name";
    /// The domain that the environment's services are reached under.
    BaseDomain = "base-domain" ("BASE_DOMAIN");
    /// The domain of the platform's internal services.
    InternalServicesDomain = "internal-services-domain" ("INTERNAL_SERVICES_DOMAIN");
    /// The domain of Google's registries, where it is not `pkg.dev`.
    ArtifactRegistryDomain = "artifact-registry-domain";
    /// The domain of Google's services in a sovereign cloud.
    GoogleUniverse = "google-universe";
    /// The base URL of the Security Token Service.
    GoogleStsUrl = "google-sts-url";
    /// The base URL of the IAM Service Account Credentials API.
    GoogleIamCredentialsUrl = "google-iam-credentials-url";
    /// The base URL of the Kubernetes Engine API.
    GoogleContainerUrl = "google-container-url";
    /// The base URL of the Key Management Service.
    GoogleKmsUrl = "google-kms-url";
    /// The endpoint of the cluster to use.
    ClusterEndpoint = "cluster-endpoint";
    /// How long a subnamespace may take to be ready.
    SubnamespacesTimeout = "subnamespaces-timeout";
    /// The largest workspace that is copied for parallel targets.
    CopyLimit = "copy-limit";
    /// When the pull request gets a comment.
    Comment = "comment";
    /// Whether the gates scan source and images.
    Scan = "scan";
    /// The lowest severity that blocks.
    ScanBlockingSeverity = "scan-blocking-severity";
    /// Whether vulnerabilities without a fix are left out.
    ScanIgnoreUnfixed = "scan-ignore-unfixed";
    /// Whether providers are asked if a secret works.
    ScanVerifySecrets = "scan-verify-secrets";
    /// The commits to search for secrets.
    ScanHistory = "scan-history";
    /// The OCI reference of the vulnerability database.
    ScanDb = "scan-db";
    /// The OCI reference of the database of Java packages.
    ScanJavaDb = "scan-java-db";
    /// The age at which the vulnerability database is too old.
    ScanDbMaxAge = "scan-db-max-age";
    /// Whether an image without a scan may be promoted.
    RecordScans = "record-scans";
    /// Where scanners are fetched from.
    ScannerBaseUrl = "scanner-base-url";
    /// The path of an installed Trivy.
    TrivyPath = "trivy-path";
    /// The path of an installed TruffleHog.
    TrufflehogPath = "trufflehog-path";
    /// Globs of SARIF files with further findings.
    Sarif = "sarif";
    /// Globs of the test reports that targets write.
    TestReports = "test-reports";
    /// Who signs the records of gates.
    Signing = "signing";
    /// The key in Cloud KMS that signs them.
    SigningKey = "signing-key";
    /// The file with the trust root.
    SigstoreTrustRoot = "sigstore-trust-root";
    /// The base URL of Fulcio.
    SigstoreFulcioUrl = "sigstore-fulcio-url";
    /// The base URL of Rekor.
    SigstoreRekorUrl = "sigstore-rekor-url";
    /// The URL of the timestamp authority.
    SigstoreTimestampUrl = "sigstore-timestamp-url";
    /// The issuer of the id tokens of signers.
    SigstoreIssuer = "sigstore-issuer";
    /// The workflows whose signatures count.
    RecordWorkflows = "record-workflows";
    /// Whether GitHub's attestations get the signed records.
    GithubAttestations = "github-attestations";
    /// Whether the organization's linked artifacts show where images are.
    LinkedArtifacts = "linked-artifacts";
    /// The registry with the path for images.
    Registry = "registry";
    /// The service account of the tenant.
    ServiceAccount = "service-account";
    /// The provider that trusts the id token of the job.
    WorkloadIdentityProvider = "workload-identity-provider";
    /// The context of the kubeconfig to use.
    KubeContext = "kube-context";
    /// The namespace that the subnamespaces are children of.
    BaseNamespace = "base-namespace";
    /// The namespace of `p2p-functional`.
    NamespaceFunctional = "namespace-functional";
    /// The namespace of `p2p-nft`.
    NamespaceNft = "namespace-nft";
    /// The namespace of `p2p-integration`.
    NamespaceIntegration = "namespace-integration";
    /// The namespace of `p2p-extended-test`.
    NamespaceExtended = "namespace-extended";
    /// The namespace of `p2p-prod`.
    NamespaceProd = "namespace-prod";
    /// The ending of [`Key::Namespace`].
    Subnamespace = "subnamespace";
    /// The namespace of all targets of `run`, in place of their own.
    Namespace = "namespace";
}

impl Key {
    /// The key with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The keys that a value is derived from if nothing sets it. Empty if it cannot be derived.
    pub fn derived_from(self) -> &'static [Self] {
        match self {
            Self::ClusterName => &[Self::Dplatform],
            Self::Registry => &[Self::Region, Self::ProjectId, Self::TenantName],
            Self::ServiceAccount => &[Self::TenantName, Self::ProjectId],
            Self::WorkloadIdentityProvider => &[Self::ProjectNumber, Self::TenantName],
            Self::KubeContext => &[Self::ProjectId, Self::Region, Self::ClusterName],
            // The app's name is used only if it is known.
            Self::BaseNamespace => &[Self::TenantName],
            Self::NamespaceFunctional
            | Self::NamespaceNft
            | Self::NamespaceIntegration
            | Self::NamespaceExtended
            | Self::NamespaceProd => &[Self::BaseNamespace],
            Self::Namespace => &[Self::BaseNamespace, Self::Subnamespace],
            _ => &[],
        }
    }

    /// Whether the value belongs to the tenant, the app or the cloud, so that it is the same in every environment.
    pub fn shared(self) -> bool {
        matches!(
            self,
            Self::TenantName
                | Self::AppName
                | Self::ArtifactRegistryDomain
                | Self::GoogleUniverse
                | Self::GoogleStsUrl
                | Self::GoogleIamCredentialsUrl
                | Self::GoogleContainerUrl
                | Self::GoogleKmsUrl
                | Self::Comment
                | Self::Signing
                | Self::SigningKey
                | Self::SigstoreTrustRoot
                | Self::SigstoreFulcioUrl
                | Self::SigstoreRekorUrl
                | Self::SigstoreTimestampUrl
                | Self::SigstoreIssuer
                | Self::RecordWorkflows
                | Self::GithubAttestations
                | Self::LinkedArtifacts
        )
    }

    /// Whether there is an input with this name.
    pub(super) fn is_input(self) -> bool {
        SPECS.iter().any(|spec| spec.name == self.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// `region, project-id and tenant-name`.
pub(super) fn join(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name_and_stands_after_what_it_comes_from() {
        for (position, key) in Key::ALL.into_iter().enumerate() {
            assert_eq!(Key::named(key.name()), Some(key));
            for source in key.derived_from() {
                assert!(Key::ALL[..position].contains(source), "{source} stands after {key}");
            }
        }
        assert_eq!(Key::named("Region"), None);
    }

    #[test]
    fn names_are_joined_as_a_person_would() {
        assert_eq!(join(&[Key::Region]), "region");
        assert_eq!(join(&[Key::Region, Key::ProjectId]), "region and project-id");
        assert_eq!(join(&[Key::Region, Key::ProjectId, Key::AppName]), "region, project-id and app-name");
    }
}
