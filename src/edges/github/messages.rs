//! Messages on GitHub that a gate can do without: comments, attestations and linked artifacts.

use std::time::Duration;

use sys::retry::{Policy, Watcher};

use super::client::GitHub;
use super::{GitHubError, Reason};

/// The longest that a message may take: no gate waits longer for it.
const LIMIT: Duration = Duration::from_secs(20);

/// How requests are retried.
const RETRIES: Policy = Policy::quick(Duration::from_secs(10));

impl GitHub {
    /// Retries only as long as a gate may wait for a message.
    #[must_use]
    pub fn for_messages(self) -> Self {
        self.retrying(RETRIES, Watcher::default())
    }
}

/// Limits the time of a message. The error is a sentence that begins with `failed`. It ends with `rights` if the token
/// lacks rights.
pub(super) async fn limited(
    failed: &str,
    rights: &str,
    message: impl Future<Output = Result<(), GitHubError>>,
) -> Result<(), String> {
    use Reason::{Forbidden, NotFound, ReadOnlyPersonalToken, ReadOnlyToken};
    let why = match tokio::time::timeout(LIMIT, Box::pin(message)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(GitHubError::Refused {
            reason: Forbidden | NotFound | ReadOnlyPersonalToken | ReadOnlyToken,
            ..
        })) => rights.to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("GitHub took more than {} s", LIMIT.as_secs()),
    };
    Err(format!("{failed}: {why}"))
}
