//! Work that waits for the disk.

use std::io;

use super::answer::Refusal;

/// Runs blocking work on another thread, so that it blocks no connection.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
