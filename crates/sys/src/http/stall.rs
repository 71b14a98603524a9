//! Detects streams that no longer move.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::Mutex;

/// A server may take this many times longer than a stall to store a complete upload.
const STORING: u32 = 5;

/// Ends a stream that no longer moves. A moving stream has no time limit.
#[derive(Debug, Clone)]
pub struct StallTimer(Arc<Mutex<Instant>>);

impl Default for StallTimer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl StallTimer {
    /// Records that the stream moved.
    pub fn moved(&self) {
        self.wait_for(Duration::ZERO);
    }

    /// Allows a pause of this length.
    pub fn wait_for(&self, pause: Duration) {
        *self.0.lock() = Instant::now() + pause;
    }

    /// Records that the whole body was sent, so that the server now stores it.
    pub fn storing(&self, stall: Duration) {
        self.wait_for(stall * (STORING - 1));
    }

    fn last(&self) -> Instant {
        *self.0.lock()
    }

    /// The future's output, or `None` if nothing moved for as long as `stall`.
    pub async fn guard<T>(&self, stall: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let deadline = self.last() + stall;
            tokio::select! {
                output = &mut future => return Some(output),
                () = tokio::time::sleep_until(deadline) => {
                    if self.last() + stall <= Instant::now() {
                        return None;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_long_but_not_stand_still() {
        let stall = Duration::from_secs(10);
        let timer = StallTimer::default();
        let moving = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                timer.moved();
            }
            timer.storing(stall);
            tokio::time::sleep(Duration::from_secs(45)).await;
        };
        assert_eq!(timer.guard(stall, moving).await, Some(()));
        let timer = StallTimer::default();
        let standing = tokio::time::sleep(Duration::from_secs(11));
        assert_eq!(timer.guard(stall, standing).await, None);
    }
}
