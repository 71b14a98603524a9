//! A right in a cluster, in the form of an access review.

use std::fmt;

/// An action that may be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `create`.
    pub verb: &'static str,
    /// The API group. Empty for the core group.
    pub group: &'static str,
    /// The resource in the plural: `deployments`.
    pub resource: &'static str,
    pub namespace: String,
}

impl Permission {
    /// The right to create subnamespaces of `parent`.
    pub fn create_subnamespaces(parent: &str) -> Self {
        Self {
            verb: "create",
            group: "hnc.x-k8s.io",
            resource: "subnamespaceanchors",
            namespace: parent.to_owned(),
        }
    }

    /// The right to deploy to `namespace`.
    pub fn deploy(namespace: &str) -> Self {
        Self { verb: "create", group: "apps", resource: "deployments", namespace: namespace.to_owned() }
    }

    /// `deployments.apps`, in kubectl's form.
    pub(super) fn kind(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.resource, self.group)
    }
}

/// `create deployments.apps in the namespace shop`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in the namespace {}", self.verb, self.kind(), self.namespace)
    }
}
