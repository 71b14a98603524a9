//! The full name of a cluster.

use std::fmt;

/// The full name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName {
    pub project: String,
    /// The region or zone.
    pub location: String,
    pub cluster: String,
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, project {})", self.cluster, self.location, self.project)
    }
}
