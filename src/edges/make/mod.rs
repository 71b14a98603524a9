//! The edge to the make program: what a Makefile defines, where its recipes are, and the image names that
//! `p2p-images` prints. The targets of a gate are not run here. This room knows GNU make, but no plans, registries
//! or git.

mod answer;
mod assigned;
mod broken;
mod command;
mod database;
mod error;
mod files;
mod flags;
mod images;
mod location;
mod makefile;
mod probe;
mod reach;
mod variables;

pub use assigned::{Assignment, Hold};
pub use error::MakeError;
pub use files::content;
pub use flags::{Unwanted, unwanted};
pub use images::images;
pub use location::Location;
pub use makefile::{MakeTarget, MakeVariable, Makefile, State, VariableOrigin};
pub use probe::{ProbeRequest, probe};
pub use reach::Shared;
