//! Errors of packing and unpacking.

use std::io;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// Why a directory could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The path is not a directory.
    #[error("{} is not a directory that can be packed into an image", directory.display())]
    NotADirectory { directory: PathBuf },
    /// A file cannot be read.
    #[error("cannot read {} to pack it into an image", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file changed its size while it was read.
    #[error("{} changed while it was packed into an image", path.display())]
    Changed { path: PathBuf },
    /// The layer cannot be written.
    #[error("cannot write the image's layer in {}", directory.display())]
    Write { directory: PathBuf, source: io::Error },
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

/// Why a layer could not be unpacked. The caller handles what was unpacked before.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive cannot be read: it is incomplete or invalid.
    #[error("cannot read the image's layer")]
    Read { source: io::Error },
    /// The compression is neither gzip nor zstd.
    #[error("the image's layer is compressed with {compression}, which is not supported")]
    Compression { compression: &'static str },
    /// The content exceeds the limit.
    #[error("the image unpacks to more than {limit}")]
    TooLarge { limit: String },
    /// An entry would be outside the destination.
    #[error("the image's layer is unsafe: {entry:?} {why}")]
    Unsafe { entry: String, why: &'static str },
    /// An entry is not a file, a directory or a link.
    #[error("the image's layer holds {entry:?}, which is {kind}")]
    Unsupported { entry: String, kind: String },
    /// The destination cannot be written.
    #[error("cannot unpack {}", path.display())]
    Write { path: PathBuf, source: io::Error },
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
