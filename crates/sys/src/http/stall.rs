//! Whether a stream moves.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::Mutex;

/// How many times longer than a stall a server may take to store what it received whole.
const STORING: u32 = 5;

/// Ends a stream on which nothing moves. It may take as long as it likes otherwise.
#[derive(Debug, Clone)]
pub struct StallTimer(Arc<Mutex<Instant>>);

impl Default for StallTimer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl StallTimer {
    /// Something moved.
    pub fn moved(&self) {
        self.wait_for(Duration::ZERO);
    }

    /// Something will move within `pause`.
    pub fn wait_for(&self, pause: Duration) {
        *self.0.lock() = Instant::now() + pause;
    }

    /// The whole body is sent; now the server stores it.
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
