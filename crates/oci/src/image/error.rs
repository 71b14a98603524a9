//! What can go wrong between a directory and an image.

use std::io;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// A directory could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// What is to be packed is no directory.
    #[error("{} is not a directory that can be packed into an image", directory.display())]
    NotADirectory {
        /// What was named.
        directory: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {} to pack it into an image", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file grew or shrank at the same time.
    #[error("{} changed while it was packed into an image", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The layer cannot be written.
    #[error("cannot write the image's layer in {}", directory.display())]
    Write {
        /// Where it was to be.
        directory: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl Help for PackError {
    fn help(&self) -> Option<String> {
        Some(
            match self {
                Self::NotADirectory { .. } => "name the directory whose content the image is to have",
                Self::Read { .. } => {
                    "make everything in the directory readable to this user, or move it elsewhere"
                }
                Self::Changed { .. } => "let whatever writes to the directory end before packing it",
                Self::Write { .. } => "make room there, or let temporary files go elsewhere",
            }
            .to_owned(),
        )
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotADirectory { .. } => Exit::Usage,
            Self::Read { .. } | Self::Changed { .. } | Self::Write { .. } => Exit::Failed,
        }
    }
}

/// A layer could not be unpacked. What was unpacked before is left to the caller.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive cannot be read: it broke off, or is no archive.
    #[error("cannot read the image's layer")]
    Read {
        /// What is wrong with it.
        source: io::Error,
    },
    /// Compressed in another way than gzip and zstd.
    #[error("the image's layer is compressed with {compression}, which is not supported")]
    Compression {
        /// The name of the way.
        compression: &'static str,
    },
    /// More than may be unpacked.
    #[error("the image unpacks to more than {limit}")]
    TooLarge {
        /// The limit: a number of bytes or of files.
        limit: String,
    },
    /// An entry that would leave the destination.
    #[error("the image's layer is unsafe: {entry:?} {why}")]
    Unsafe {
        /// Its name in the archive.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An entry that is no file, directory or link.
    #[error("the image's layer holds {entry:?}, which is {kind}")]
    Unsupported {
        /// Its name in the archive.
        entry: String,
        /// What it is.
        kind: String,
    },
    /// The destination cannot be written to.
    #[error("cannot unpack {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl Help for UnpackError {
    fn help(&self) -> Option<String> {
        Some(
            match self {
                Self::Read { .. } => "pull the image again; should it fail again, build and push it again",
                Self::Compression { .. } => "build the image with layers in gzip or zstd",
                Self::TooLarge { .. } => {
                    "if you trust this image and it is that large, raise `--max-size`; nothing was left in the directory"
                }
                Self::Unsafe { .. } => "do not use this image: no honest build makes such an entry",
                Self::Unsupported { .. } => {
                    "build the image without device files, or run it with a container engine"
                }
                Self::Write { .. } => "make room at the destination, and let this user write there",
            }
            .to_owned(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}
