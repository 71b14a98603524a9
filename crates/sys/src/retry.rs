//! Which failures of a request are worth another try, and how long to wait.
//!
//! Retried are transport errors, 408, 429 and 5xx; nothing else. The wait is exponential with
//! full jitter, and `Retry-After` (RFC 9110, section 10.2.3) sets its least.

use std::sync::Arc;
use std::time::Duration;

/// How often and how patiently a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Tries in all, the first one included.
    pub attempts: u32,
    /// The first wait, before jitter.
    pub base: Duration,
    /// The longest wait that we choose ourselves.
    pub cap: Duration,
    /// The longest `Retry-After` that is obeyed; a longer one ends the trying.
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
    /// How long to wait after try number `attempt` (from 1) failed, or `None` to give up.
    /// `random` is uniform in 0..=1.
    pub fn wait(&self, attempt: u32, retry_after: Option<Duration>, random: f64) -> Option<Duration> {
        if attempt >= self.attempts || retry_after.is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let doubled = self.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.cap);
        let jittered = doubled.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        Some(retry_after.map_or(jittered, |asked| asked.max(jittered)))
    }
}

/// Whether an answer with this status is worth another try.
pub fn transient(status: u16) -> bool {
    matches!(status, 408 | 429) || (500..=599).contains(&status)
}

/// A number in 0..=1 from the system's random source, for [`Policy::wait`].
pub fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

/// A try that failed and will be repeated, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// What was asked, without secrets: `PUT /v2/app/manifests/1.2.3 at registry.example`.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// The number of the try that failed, from 1.
    pub attempt: u32,
    /// Tries in all.
    pub of: u32,
    /// How long we wait now.
    pub wait: Duration,
}

/// Who is told of each repeated try.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(Again) + Send + Sync>);

impl Watcher {
    /// Calls `tell` for each repeated try.
    pub fn new(tell: impl Fn(Again) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells of one.
    pub fn again(&self, again: Again) {
        (self.0)(again);
    }
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}
