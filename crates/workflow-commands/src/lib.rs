//! GitHub's [workflow commands](https://docs.github.com/actions/reference/workflow-commands-for-github-actions):
//! builds and parses them, masks secrets, and makes the output of programs harmless.
//!
//! The crate neither reads nor writes nor prints. [`Stream`] turns the output of a program into text for the
//! console and for a log file: secrets are masked, `add-mask` is obeyed, annotations are collected, and no line
//! can act as a command.
//!
//! ```
//! use workflow_commands::{Masker, Options, Secret, Stream};
//!
//! let masker = Masker::new([&Secret::new("hunter2-and-more")]);
//! let mut stream = Stream::new(masker, Options::default());
//! let printed = stream.push(b"the password is hunter2-and-more\n::error file=a.rs,line=3::it broke\n");
//! assert_eq!(printed.log, b"the password is ***\n: :error file=a.rs,line=3::it broke\n");
//!
//! stream.finish();
//! assert_eq!(stream.findings().annotations[0].message, "it broke");
//! ```
//!
//! [`Command`] builds the commands that we print ourselves. Names of others in them go through [`neutralize()`].

mod annotation;
mod colours;
pub mod command;
mod controls;
mod drawn;
mod edits;
pub mod file_command;
mod forms;
mod lines;
mod masker;
mod neutralize;
mod run_url;
mod search;
mod secret;
mod stop;
mod stream;
mod tail;

pub use annotation::{Annotation, Level};
pub use colours::uncoloured;
pub use command::Command;
pub use controls::{plain, stripped};
pub use file_command::FileCommandError;
pub use forms::{one_line, percent};
pub use masker::{Masker, cut};
pub use neutralize::neutralize;
pub use run_url::run_url;
pub use secret::{Secret, Secrets};
pub use stop::{NoRandomness, StopToken};
pub use stream::{Findings, Options, Printed, Stream};
