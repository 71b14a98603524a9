//! What can be wrong with a kubeconfig.

use std::io;
use std::path::PathBuf;

use crate::error::{Exit, Help};

/// Names files and contexts; never quotes a kubeconfig, which holds tokens and keys.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The text is neither a path of a file that exists nor a kubeconfig.
    #[error("the kubeconfig is neither a file that exists nor the content of one")]
    Neither,
    /// None of the files is there.
    #[error("there is no kubeconfig at {}", show(paths))]
    NoFile {
        /// Where one was looked for.
        paths: Vec<PathBuf>,
    },
    /// A file cannot be read.
    #[error("cannot read the kubeconfig {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no kubeconfig.
    #[error("{place}, line {line}: {problem}")]
    Malformed {
        /// The file, or `input kubeconfig`.
        place: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the text.
        problem: String,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context {wanted:?}")]
    NoContext {
        /// What was asked for.
        wanted: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No context was asked for, and the kubeconfig names no current one.
    #[error("the kubeconfig has no current context")]
    NoCurrent {
        /// Those that there are.
        known: Vec<String>,
    },
    /// A context names something that is not there.
    #[error("the context {context:?} of the kubeconfig names the {kind} {name:?}, which is not in it")]
    Dangling {
        /// The context.
        context: String,
        /// `cluster` or `user`.
        kind: &'static str,
        /// The missing name.
        name: String,
    },
    /// A target's kubeconfig cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn show(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

impl Help for KubeError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Neither | Self::NoFile { .. } | Self::Unreadable { .. } => {
                "give the input kubeconfig (INPUT_KUBECONFIG) as a path or as the content itself, or name a \
                 file by KUBECONFIG"
                    .to_owned()
            }
            Self::Malformed { .. } | Self::Dangling { .. } => {
                "`kubectl config view --kubeconfig FILE` shows what kubectl makes of it".to_owned()
            }
            Self::NoContext { known, .. } | Self::NoCurrent { known } if known.is_empty() => {
                "it has no contexts at all; give another kubeconfig".to_owned()
            }
            Self::NoContext { known, .. } | Self::NoCurrent { known } => {
                format!("give the input kube-context, one of {}", known.join(", "))
            }
            Self::Write { .. } => return None,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}
