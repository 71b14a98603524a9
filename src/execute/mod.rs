//! Runs a plan with the edges and emits events.
