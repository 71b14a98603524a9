//! Why the registry could not be started.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// Starting the embedded registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Another program uses the port.
    #[error("the embedded registry cannot listen on {address}: the port is in use")]
    PortInUse { address: SocketAddr },
    /// Another process serves the same directory.
    #[error("another `p2p registry` serves these images already, at {address}")]
    Served {
        /// The address of the other process.
        address: SocketAddr,
    },
    /// The registry cannot listen on the address for another reason.
    #[error("the embedded registry cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The directory cannot be created or written.
    #[error("the embedded registry cannot keep its images in {}", root.display())]
    Root {
        root: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Help for RegistryError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::PortInUse { .. } => {
                "wait for the local run that listens there, end the program that does, or choose another port with \
                 `p2p registry --port`"
                    .to_owned()
            }
            Self::Served { .. } => "use that one, or end it first".to_owned(),
            Self::Listen { .. } => "choose an address of this machine, such as 127.0.0.1:0".to_owned(),
            Self::Root { root, .. } => {
                format!(
                    "make {} a directory that this user may write to, or name another one",
                    root.display()
                )
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::PortInUse { .. } | Self::Served { .. } => Exit::Unavailable,
            Self::Listen { .. } | Self::Root { .. } => Exit::Usage,
        }
    }
}
