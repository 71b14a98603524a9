//! Reports that a running target is alive.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

const EVERY: Duration = Duration::from_secs(1);

/// Waits for `work`. Every second, calls `alive` with the elapsed time and with the result of `silent`.
pub(super) async fn while_running<T>(
    work: impl Future<Output = T>,
    silent: impl Fn() -> Duration,
    alive: impl Fn(Duration, Duration),
) -> T {
    let began = Instant::now();
    let mut beat = interval_at(began + EVERY, EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = beat.tick() => alive(began.elapsed(), silent()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_second_of_the_work_is_reported_and_none_after_it() {
        let beats = RefCell::new(Vec::new());
        let silent = || Duration::from_secs(7);
        let work = async {
            sleep(Duration::from_millis(3500)).await;
            "done"
        };
        let alive = |running: Duration, silent| beats.borrow_mut().push((running.as_secs(), silent));
        assert_eq!(while_running(work, silent, alive).await, "done");
        assert_eq!(beats.into_inner(), [1, 2, 3].map(|second| (second, Duration::from_secs(7))));
    }
}
