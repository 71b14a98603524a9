//! The one retry loop: which failures are worth another try, and how long to wait.
//!
//! The wait is exponential with jitter, and `Retry-After` (RFC 9110, section 10.2.3) sets its minimum.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

/// How often a request is sent, and how long p2p waits between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Tries in all, the first one included.
    pub attempts: u32,
    /// The first wait, before jitter.
    pub base: Duration,
    /// The longest wait that p2p chooses itself.
    pub cap: Duration,
    /// The longest `Retry-After` that p2p obeys. It gives up on a longer one.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 6,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(10),
            patience: Duration::from_mins(2),
        }
    }
}

impl Policy {
    /// A few quick tries, for a message that must not delay a gate. `patience` is the longest `Retry-After` to obey.
    pub const fn quick(patience: Duration) -> Self {
        Self { attempts: 3, base: Duration::from_millis(300), cap: Duration::from_secs(1), patience }
    }

    /// How long to wait after try number `attempt` (from 1) failed, or `None` to give up.
    /// `random` is uniform in 0..=1.
    fn wait(&self, attempt: u32, retry_after: Option<Duration>, random: f64) -> Option<Duration> {
        if attempt >= self.attempts || retry_after.is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let jittered = self.doubled(attempt).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        Some(retry_after.map_or(jittered, |asked| asked.max(jittered)))
    }

    fn doubled(&self, attempt: u32) -> Duration {
        self.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.cap)
    }
}

/// Whether an answer with this status is worth another try: 408, 429 and 5xx are.
pub fn transient(status: u16) -> bool {
    matches!(status, 408 | 429) || (500..=599).contains(&status)
}

/// A number in 0..=1 from the system's random source, for [`Policy::wait`].
fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

/// A failed try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<E> {
    /// The error for the caller if this was the last try.
    pub error: E,
    /// Whether another try may help.
    pub again: Again,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Another try would fail the same way.
    No,
    /// After a wait, at least that of `Retry-After`.
    After(Option<Duration>),
    /// Once more only: content may have been damaged on the way.
    Once,
}

/// Runs something with retries, and reports each of them.
#[derive(Debug, Clone, Default)]
pub struct Retrying {
    /// How often, and how long to wait.
    pub policy: Policy,
    /// The callback for each retry.
    pub watcher: Watcher,
}

impl Retrying {
    /// Runs `attempt` until it succeeds or another try cannot help. It gets the number of the try, from 1. `what` names
    /// it in the log.
    ///
    /// # Errors
    /// The error of the last try.
    pub async fn run<T, E, F, Fut>(&self, what: &str, mut attempt: F) -> Result<T, E>
    where
        E: Display,
        F: FnMut(u32) -> Fut,
        Fut: Future<Output = Result<T, Failed<E>>>,
    {
        let (mut number, mut damaged) = (1, false);
        loop {
            let Failed { error, again } = match attempt(number).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let after = match again {
                Again::Once if !std::mem::replace(&mut damaged, true) => None,
                Again::After(after) => after,
                Again::No | Again::Once => return Err(error),
            };
            if !self.pause(what, &error, number, after).await {
                return Err(error);
            }
            number += 1;
        }
    }

    /// Waits after try number `failed` (from 1) and reports it; `false` at once if that was the last try.
    pub async fn pause(&self, what: &str, why: impl Display, failed: u32, after: Option<Duration>) -> bool {
        let Some(wait) = self.policy.wait(failed, after, random()) else { return false };
        // Clients with the same `Retry-After` must not all come back at the same moment.
        let wait = if after.is_some() { wait.mul_f64(1.0 + random() / 4.0) } else { wait };
        self.sleep(what, why, failed, wait).await;
        true
    }

    /// The same for competing runs: a random wait between zero and the policy's, so that runs that collided do not
    /// collide again.
    pub async fn yield_to_others(&self, what: &str, why: impl Display, failed: u32) -> bool {
        if failed >= self.policy.attempts {
            return false;
        }
        self.sleep(what, why, failed, self.policy.doubled(failed).mul_f64(random())).await;
        true
    }

    async fn sleep(&self, what: &str, why: impl Display, attempt: u32, wait: Duration) {
        let why = why.to_string();
        // Most errors begin with the request, which the event names already.
        let rest = why.strip_prefix("could not ").unwrap_or(&why).strip_prefix(what);
        let why = rest.map_or(why.as_str(), |rest| rest.trim_start_matches([' ', ':'])).to_owned();
        (self.watcher.0)(Retry { what: what.to_owned(), why, attempt, of: self.policy.attempts, wait });
        tokio::time::sleep(wait).await;
    }
}

/// A try that failed and will be repeated, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The request, without secrets: `PUT /v2/app/manifests/1.2.3 at registry.example`.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// The number of the try that failed, from 1.
    pub attempt: u32,
    /// Tries in all.
    pub of: u32,
    /// The wait before the next one.
    pub wait: Duration,
}

/// A callback for retries.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(Retry) + Send + Sync>);

impl Watcher {
    /// Calls `on_retry` for each repeated try.
    pub fn new(on_retry: impl Fn(Retry) + Send + Sync + 'static) -> Self {
        Self(Arc::new(on_retry))
    }

    /// Reports a retry outside the loop.
    pub fn report(&self, retry: Retry) {
        (self.0)(retry);
    }
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn damage_is_tried_again_once_and_the_rest_as_the_policy_says() {
        for (again, tries) in [
            (Again::No, 1),
            (Again::Once, 2),
            (Again::After(None), 6),
            (Again::After(Some(Duration::from_mins(1))), 6),
            (Again::After(Some(Duration::from_hours(1))), 1),
        ] {
            let heard: Arc<Mutex<Vec<Retry>>> = Arc::default();
            let into = Arc::clone(&heard);
            let watcher = Watcher::new(move |retry| into.lock().unwrap().push(retry));
            let retrying = Retrying { watcher, ..Retrying::default() };
            let mut tried = 0;
            let attempt = |number| {
                tried += 1;
                assert_eq!(number, tried);
                async move { Err::<(), _>(Failed { error: "GET it was answered 503", again }) }
            };
            assert_eq!(retrying.run("GET it", attempt).await.unwrap_err(), "GET it was answered 503");
            let heard = heard.lock().unwrap();
            assert_eq!((tried, heard.len()), (tries, tries as usize - 1), "{again:?}");
            assert!(heard.iter().all(|retry| retry.why == "was answered 503"), "{heard:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn competitors_wait_for_a_random_time_and_not_for_ever() {
        let retrying = Retrying::default();
        for failed in 1..retrying.policy.attempts {
            assert!(retrying.yield_to_others("x", "taken", failed).await);
        }
        assert!(!retrying.yield_to_others("x", "taken", retrying.policy.attempts).await);
    }
}
