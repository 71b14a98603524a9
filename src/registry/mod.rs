//! The embedded OCI registry that local runs and tests use.
