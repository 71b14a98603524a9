//! A right in a cluster, as an access review asks for it.

use std::fmt;

/// Something that one may be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `create`.
    pub verb: &'static str,
    /// The API group; empty for the core's.
    pub group: &'static str,
    /// In the plural: `deployments`.
    pub resource: &'static str,
    /// Where.
    pub namespace: String,
}

impl Permission {
    /// What a gate needs that creates subnamespaces of `parent`.
    pub fn create_subnamespaces(parent: &str) -> Self {
        Self {
            verb: "create",
            group: "hnc.x-k8s.io",
            resource: "subnamespaceanchors",
            namespace: parent.to_owned(),
        }
    }

    /// What a target needs that deploys something to `namespace`.
    pub fn deploy(namespace: &str) -> Self {
        Self { verb: "create", group: "apps", resource: "deployments", namespace: namespace.to_owned() }
    }

    /// `deployments.apps`, as kubectl takes it.
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
