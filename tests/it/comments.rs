//! Comments on pull requests: one for each marker, changed in place.

mod edge;
mod gate;
