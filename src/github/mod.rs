//! The edge to GitHub's REST API.
