//! Limits the size of an unpacked image.

use std::cell::Cell;
use std::io::{self, Read};

use super::error::UnpackError;

/// The most files, directories and links of an image.
const MOST_FILES: u64 = 1_000_000;

/// The most bytes between the contents of two files: headers, long names and attributes. They are held in memory.
const MOST_BETWEEN: u64 = 1024 * 1024;

/// The limit for all layers of an image together.
#[derive(Debug)]
pub struct Limit {
    size: u64,
    bytes: Cell<u64>,
    files: Cell<u64>,
    /// The bytes that may still come before the next content.
    between: Cell<Option<u64>>,
}

impl Limit {
    /// A limit of `size` bytes and a million files.
    pub fn new(size: u64) -> Self {
        Self { size, bytes: Cell::new(size), files: Cell::new(MOST_FILES), between: Cell::new(None) }
    }

    /// Counts files, directories or links.
    pub(super) fn files(&self, count: u64) -> Result<(), UnpackError> {
        let left = self.files.get().checked_sub(count);
        self.files.set(left.ok_or_else(|| UnpackError::TooLarge { limit: format!("{MOST_FILES} files") })?);
        Ok(())
    }

    /// Checks whether a file of `size` bytes may follow. Its bytes are counted while they are read. The zeros of a
    /// sparse file are not in the layer, so they are counted here.
    pub(super) fn file(&self, size: u64, sparse: bool) -> Result<(), UnpackError> {
        let left = self.bytes.get().checked_sub(size).ok_or_else(|| self.too_large())?;
        if sparse {
            self.bytes.set(left);
        }
        Ok(())
    }

    /// Marks that only headers follow, until [`Self::in_content`].
    pub(super) fn between(&self) {
        self.between.set(Some(MOST_BETWEEN));
    }

    pub(super) fn in_content(&self) {
        self.between.set(None);
    }

    /// The error for a failed reader. If the limit is the reason, it says so.
    pub(super) fn failure(&self, source: io::Error) -> UnpackError {
        if source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exceeded>) {
            return self.too_large();
        }
        UnpackError::Read { source }
    }

    fn too_large(&self) -> UnpackError {
        UnpackError::TooLarge { limit: format!("{} bytes", self.size) }
    }

    fn count(&self, bytes: u64) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(bytes).ok_or_else(|| io::Error::other(Exceeded));
        self.bytes.set(take(self.bytes.get())?);
        if let Some(left) = self.between.get() {
            self.between.set(Some(take(left)?));
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the limit of what is unpacked is exceeded")]
struct Exceeded;

/// A reader that counts decompressed bytes.
pub(super) struct Counted<'a, R> {
    pub(super) inner: R,
    pub(super) limit: &'a Limit,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.limit.count(count as u64)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn files_have_a_limit_of_their_own() {
        let limit = Limit::new(u64::MAX);
        limit.files(MOST_FILES).unwrap();
        let error = limit.files(1).unwrap_err().to_string();
        assert_eq!(error, "the image unpacks to more than 1000000 files");
    }
}
