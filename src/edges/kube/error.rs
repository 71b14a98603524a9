//! What can be wrong with a kubeconfig.

use std::io;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// Names contexts and where a kubeconfig comes from; never quotes it or its path, either of which may be
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The input is nothing that leads to a kubeconfig.
    #[error(
        "the input kubeconfig is neither the path of a file that exists, nor the content of a kubeconfig, nor that in base64"
    )]
    Neither,
    /// None of the files is there.
    #[error("there is no kubeconfig at {place}")]
    NoFile {
        /// Where its path comes from.
        place: String,
    },
    /// A file cannot be read.
    #[error("cannot read the kubeconfig at {place}")]
    Unreadable {
        /// Where its path comes from.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// A file holds other bytes than text.
    #[error("the kubeconfig at {place} is not text")]
    NotText {
        /// Where its path comes from.
        place: String,
    },
    /// The text is no kubeconfig.
    #[error("{place}, line {line}: {problem}")]
    Malformed {
        /// Where it comes from.
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
