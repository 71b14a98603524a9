//! Pure: the workflow-command protocol and masking. The only place that escapes.
//!
//! What others printed goes through [`Stream`]; what we print ourselves is built by [`command`]
//! and names of others in it by [`inert`](inert()). Nothing in here reads, writes or prints.

pub mod annotation;
mod colours;
pub mod command;
mod controls;
mod drawn;
mod edits;
pub mod file_command;
mod forms;
pub mod inert;
mod lines;
pub mod masker;
mod search;
mod secret;
pub mod stop;
pub mod stream;
mod tail;

pub use annotation::{Annotation, Level};
pub use command::Command;
pub use controls::{plain, stripped};
pub use file_command::FileCommandError;
pub use forms::one_line;
pub use inert::inert;
pub use masker::{Masker, cut};
pub use secret::{Secret, Secrets};
pub use stop::{NoRandomness, StopToken};
pub use stream::{Findings, Options, Printed, Stream};
