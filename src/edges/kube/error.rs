//! Errors in a kubeconfig.

use std::io;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// The errors name contexts and the source of a kubeconfig. They never quote the kubeconfig or its path, because
/// either may be secret.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The input is neither a kubeconfig nor a path to one.
    #[error(
        "the input kubeconfig is neither the path of a file that exists, nor the content of a kubeconfig, nor that in base64"
    )]
    Neither,
    /// None of the files exists.
    #[error("there is no kubeconfig at {place}")]
    NoFile { place: String },
    /// A file cannot be read.
    #[error("cannot read the kubeconfig at {place}")]
    Unreadable { place: String, source: io::Error },
    /// A file does not contain text.
    #[error("the kubeconfig at {place} is not text")]
    NotText { place: String },
    /// The text is not a kubeconfig.
    #[error("{place}, line {line}: {problem}")]
    Malformed {
        place: String,
        /// The line, starting at 1.
        line: usize,
        /// What is wrong, without quoting the text.
        problem: String,
    },
    /// The kubeconfig does not have this context.
    #[error("the kubeconfig has no context {wanted:?}")]
    NoContext {
        /// The wanted context.
        wanted: String,
        /// The existing contexts.
        known: Vec<String>,
    },
    /// No context was chosen, and the kubeconfig has no current one.
    #[error("the kubeconfig has no current context")]
    NoCurrent {
        /// The existing contexts.
        known: Vec<String>,
    },
    /// A context refers to something that does not exist.
    #[error("the context {context:?} of the kubeconfig names the {kind} {name:?}, which is not in it")]
    Dangling {
        context: String,
        /// `cluster` or `user`.
        kind: &'static str,
        /// The missing name.
        name: String,
    },
    /// A target's kubeconfig cannot be written.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Help for KubeError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Neither | Self::NoFile { .. } | Self::Unreadable { .. } | Self::NotText { .. } => {
                "give the input kubeconfig (INPUT_KUBECONFIG) as a path, as the content itself or as the content \
                 in base64, or name a file by KUBECONFIG; values are not shown because they may be secret"
                    .to_owned()
            }
            Self::Malformed { .. } | Self::Dangling { .. } => {
                "`kubectl config view --kubeconfig FILE` shows what kubectl reads in it".to_owned()
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
