//! The edge to the git program.
