//! Errors of make.

use std::path::{Path, PathBuf};

use super::location::Location;
use sys::error::{Exit, FileError, Help};
use sys::process::ProcessError;

/// A failure of make, or of the files that it reads.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// make could not be started, or did not finish.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The system returned no random name for the probe.
    #[error("cannot create a random name for the probe of make")]
    Random(#[from] std::io::Error),
    /// A file for make cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory for make is not a directory. Remedy: `working-directory`.
    #[error("{} is not a directory", directory.display())]
    NoDirectory { directory: PathBuf },
    /// There is no file with one of make's names. Remedy: add one, or set `working-directory`.
    #[error("no Makefile in {}", directory.display())]
    NoMakefile {
        /// The directory that was searched.
        directory: PathBuf,
        /// Directories nearby that have one.
        others: Vec<PathBuf>,
    },
    /// make cannot read the Makefile, so it would run no target.
    #[error("the Makefile is broken: {message}")]
    Broken {
        /// make's own messages, one per line.
        message: String,
        place: Option<Location>,
    },
    /// A requested variable has a value that stops make when it is expanded.
    #[error("the variable {name} of the Makefile cannot be expanded: {message}")]
    Variable {
        name: String,
        /// make's own message.
        message: String,
    },
    /// make read everything, but its output contains no database. Remedy: GNU make 3.81 or later.
    #[error("`make` printed no database of its rules: {detail}")]
    NotUnderstood {
        /// What was missing.
        detail: String,
    },
    /// `p2p-images` failed.
    #[error("`{command}` failed with exit code {code}: {message}")]
    ImagesFailed {
        command: String,
        /// make's exit code, or 128 + n for signal n.
        code: i32,
        message: String,
    },
    /// `p2p-images` printed something that is not an image name.
    #[error("`p2p-images` printed {word:?}, which is not an image name")]
    BadImageName {
        /// The word that it printed.
        word: String,
    },
}

/// Names the directories with a Makefile. Those below appear in the form for `working-directory`.
fn no_makefile(directory: &Path, others: &[PathBuf]) -> String {
    let shown = |other: &PathBuf| match other.strip_prefix(directory) {
        Ok(below) => below.display().to_string(),
        Err(_) => other.display().to_string(),
    };
    let names: Vec<_> = others.iter().map(shown).collect();
    format!(
        "there are Makefiles in {}: set the input `working-directory` to one of these directories \
         (--working-directory), or run p2p there",
        names.join(", ")
    )
}

impl Help for MakeError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.help(),
            Self::Program(ProcessError::Missing { .. }) => {
                "install GNU make (`apt-get install make`) before this step".to_owned()
            }
            Self::Program(ProcessError::TimedOut { .. }) => {
                "a `$(shell …)` of the Makefile probably waits for something (a download, a password); run \
                 `make -n` by hand to see it"
                    .to_owned()
            }
            Self::Random(_) => return None,
            Self::Program(_) | Self::NotUnderstood { .. } => {
                "`make --version` should say GNU Make 3.81 or later".to_owned()
            }
            Self::NoDirectory { .. } => {
                "check the input `working-directory`, and that the checkout step ran before".to_owned()
            }
            Self::NoMakefile { others, .. } if others.is_empty() => {
                "add a Makefile with the p2p targets, or set the input \
                `working-directory` to the directory that has one; the checkout step must run before"
                    .to_owned()
            }
            Self::NoMakefile { directory, others } => no_makefile(directory, others),
            Self::Broken { message, .. } => help_for(message).to_owned(),
            Self::Variable { name, .. } => {
                format!("give its value as an input, or in the environment as `{name}`")
            }
            Self::ImagesFailed { .. } => {
                "`make p2p-images` must print the names of the images and exit with 0; or list them in the \
                 input `image-names`"
                    .to_owned()
            }
            Self::BadImageName { .. } => "the recipe of `p2p-images` must print image names only, separated by \
                white space: lowercase letters and digits, parted by `.`, `_`, `-` or `/`; no registry, no tag. \
                Put `@` in front of its lines"
                .to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Program(error) => error.exit(),
            Self::Random(_) | Self::NotUnderstood { .. } | Self::File(_) => Exit::Unavailable,
            Self::NoDirectory { .. }
            | Self::NoMakefile { .. }
            | Self::Broken { .. }
            | Self::Variable { .. }
            | Self::BadImageName { .. } => Exit::Usage,
            Self::ImagesFailed { .. } => Exit::Failed,
        }
    }
}

impl MakeError {
    /// Adds that make failed at the value of variable `name`.
    pub(super) fn of_variable(self, name: String) -> Self {
        match self {
            Self::Broken { message, .. } => Self::Variable { name, message },
            other => other,
        }
    }
}

/// The remedy for common messages of make.
fn help_for(message: &str) -> &'static str {
    if message.contains("missing separator") {
        "a recipe line must begin with a tab, not with spaces"
    } else if message.contains("No such file or directory") || message.contains("No rule to make target") {
        "an `include` names a file that is not there and that nothing makes: check that it is committed, or \
         that what downloads it works; `-include` ignores a missing one"
    } else {
        "`make -n p2p-build` shows the same message; mend the Makefile at the line it names"
    }
}
