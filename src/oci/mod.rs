//! The edge to OCI registries.
