//! The values that an environment may have.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::inputs::SPECS;

/// One value of an environment: a key under `environments`, and often an input of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The team's space on the platform.
    TenantName,
    /// One deployable of the tenant.
    AppName,
    /// The cloud project.
    ProjectId,
    /// The cloud project's number.
    ProjectNumber,
    /// The cloud region; also the registry's and the cluster's location.
    Region,
    /// The platform environment's own name.
    Dplatform,
    /// The cluster.
    ClusterName,
    /// The domain that the environment's services are reached under.
    BaseDomain,
    /// The domain of the platform's internal services.
    InternalServicesDomain,
    /// The domain of Google's registries, where it is not `pkg.dev`.
    ArtifactRegistryDomain,
    /// The domain of Google's services in a sovereign cloud.
    GoogleUniverse,
    /// The base URL of the Security Token Service.
    GoogleStsUrl,
    /// The base URL of the IAM Service Account Credentials API.
    GoogleIamCredentialsUrl,
    /// The base URL of the Kubernetes Engine API.
    GoogleContainerUrl,
    /// Which endpoint of the cluster is used.
    ClusterEndpoint,
    /// How long a subnamespace may take to be ready.
    SubnamespacesTimeout,
    /// The largest workspace that is copied for parallel targets.
    CopyLimit,
    /// Host and path that images are pushed under.
    Registry,
    /// The account that acts for the tenant.
    ServiceAccount,
    /// The provider that trusts the pipeline's token.
    WorkloadIdentityProvider,
    /// The context of the kubeconfig.
    KubeContext,
    /// The namespace that the subnamespaces are children of.
    BaseNamespace,
    /// The namespace of `p2p-functional`.
    NamespaceFunctional,
    /// The namespace of `p2p-nft`.
    NamespaceNft,
    /// The namespace of `p2p-integration`.
    NamespaceIntegration,
    /// The namespace of `p2p-extended-test`.
    NamespaceExtended,
    /// The namespace of `p2p-prod`.
    NamespaceProd,
    /// The ending of [`Key::Namespace`].
    Subnamespace,
    /// The namespace of all targets of `run`, whatever their own would be.
    Namespace,
}

impl Key {
    /// Every key; a derived one stands after what it is derived from.
    pub const ALL: [Self; 29] = [
        Self::TenantName,
        Self::AppName,
        Self::ProjectId,
        Self::ProjectNumber,
        Self::Region,
        Self::Dplatform,
        Self::ClusterName,
        Self::BaseDomain,
        Self::InternalServicesDomain,
        Self::ArtifactRegistryDomain,
        Self::GoogleUniverse,
        Self::GoogleStsUrl,
        Self::GoogleIamCredentialsUrl,
        Self::GoogleContainerUrl,
        Self::ClusterEndpoint,
        Self::SubnamespacesTimeout,
        Self::CopyLimit,
        Self::Registry,
        Self::ServiceAccount,
        Self::WorkloadIdentityProvider,
        Self::KubeContext,
        Self::BaseNamespace,
        Self::NamespaceFunctional,
        Self::NamespaceNft,
        Self::NamespaceIntegration,
        Self::NamespaceExtended,
        Self::NamespaceProd,
        Self::Subnamespace,
        Self::Namespace,
    ];

    /// Its name under `environments`, and as an input where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Self::TenantName => "tenant-name",
            Self::AppName => "app-name",
            Self::ProjectId => "project-id",
            Self::ProjectNumber => "project-number",
            Self::Region => "region",
            Self::Dplatform => "dplatform",
            Self::ClusterName => "cluster-name",
            Self::BaseDomain => "base-domain",
            Self::InternalServicesDomain => "internal-services-domain",
            Self::ArtifactRegistryDomain => "artifact-registry-domain",
            Self::GoogleUniverse => "google-universe",
            Self::GoogleStsUrl => "google-sts-url",
            Self::GoogleIamCredentialsUrl => "google-iam-credentials-url",
            Self::GoogleContainerUrl => "google-container-url",
            Self::ClusterEndpoint => "cluster-endpoint",
            Self::SubnamespacesTimeout => "subnamespaces-timeout",
            Self::CopyLimit => "copy-limit",
            Self::Registry => "registry",
            Self::ServiceAccount => "service-account",
            Self::WorkloadIdentityProvider => "workload-identity-provider",
            Self::KubeContext => "kube-context",
            Self::BaseNamespace => "base-namespace",
            Self::NamespaceFunctional => "namespace-functional",
            Self::NamespaceNft => "namespace-nft",
            Self::NamespaceIntegration => "namespace-integration",
            Self::NamespaceExtended => "namespace-extended",
            Self::NamespaceProd => "namespace-prod",
            Self::Subnamespace => "subnamespace",
            Self::Namespace => "namespace",
        }
    }

    /// The key of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Its name in GitHub's `vars` context, where it has one (contract §4).
    pub fn vars_name(self) -> Option<&'static str> {
        match self {
            Self::TenantName => Some("TENANT_NAME"),
            Self::ProjectId => Some("PROJECT_ID"),
            Self::ProjectNumber => Some("PROJECT_NUMBER"),
            Self::Region => Some("REGION"),
            Self::Dplatform => Some("DPLATFORM"),
            Self::BaseDomain => Some("BASE_DOMAIN"),
            Self::InternalServicesDomain => Some("INTERNAL_SERVICES_DOMAIN"),
            _ => None,
        }
    }

    /// What it is derived from where nothing gives it; empty for what cannot be derived.
    pub fn derived_from(self) -> &'static [Self] {
        match self {
            Self::ClusterName => &[Self::Dplatform],
            Self::Registry => &[Self::Region, Self::ProjectId, Self::TenantName],
            Self::ServiceAccount => &[Self::TenantName, Self::ProjectId],
            Self::WorkloadIdentityProvider => &[Self::ProjectNumber, Self::TenantName],
            Self::KubeContext => &[Self::ProjectId, Self::Region, Self::ClusterName],
            // The app's name takes part where there is one.
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

    /// How the namespace of a gate's target ends where nothing gives another one.
    pub(super) fn ending(self) -> Option<&'static str> {
        match self {
            Self::NamespaceFunctional => Some("functional"),
            Self::NamespaceNft => Some("nft"),
            Self::NamespaceIntegration => Some("integration"),
            Self::NamespaceExtended => Some("extended"),
            Self::NamespaceProd => Some("prod"),
            _ => None,
        }
    }

    /// Whether the value belongs to tenant, app or cloud, which are the same in every environment,
    /// and not to one environment.
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
        )
    }

    /// Whether there is an input of this name, too.
    pub(super) fn is_input(self) -> bool {
        SPECS.iter().any(|spec| spec.name == self.name())
    }

    /// The namespace that a target works in: build and promotion have the base namespace.
    pub fn namespace_of(target: &str) -> Self {
        match target {
            "p2p-functional" => Self::NamespaceFunctional,
            "p2p-nft" => Self::NamespaceNft,
            "p2p-integration" => Self::NamespaceIntegration,
            "p2p-extended-test" => Self::NamespaceExtended,
            "p2p-prod" => Self::NamespaceProd,
            _ => Self::BaseNamespace,
        }
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
