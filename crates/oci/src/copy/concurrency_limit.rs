//! How many requests run at the same time: more while all succeed, half when a registry complains.

use std::sync::Arc;

use sys::sync::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// With fewer, a slow registry would only look slower.
const LEAST: usize = 4;
/// The largest limit, as a multiple of the first one.
const MOST: usize = 2;

/// Limits the number of parallel tasks.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The current limit.
    limit: usize,
    least: usize,
    most: usize,
    /// Permits in use that will not be available again.
    owed: usize,
}

impl ConcurrencyLimit {
    /// Starts with the limit `first`, at least one.
    pub(super) fn new(first: usize) -> Self {
        let first = first.clamp(1, Semaphore::MAX_PERMITS / MOST);
        Self {
            permits: Arc::new(Semaphore::new(first)),
            state: Mutex::new(State { limit: first, least: LEAST.min(first), most: first * MOST, owed: 0 }),
        }
    }

    /// Waits for a permit. `None` never happens, because the semaphore is not closed.
    pub(super) async fn enter(self: &Arc<Self>) -> Pass {
        Pass { permit: Arc::clone(&self.permits).acquire_owned().await.ok(), limit: Arc::clone(self) }
    }

    /// Reports a success.
    pub(super) fn well(&self) {
        let mut state = self.state.lock();
        if state.limit < state.most {
            state.limit += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.permits.add_permits(1);
            }
        }
    }

    /// Reports that a registry refused more load, or that a connection broke.
    pub(super) fn badly(&self) {
        let mut state = self.state.lock();
        let limit = (state.limit / 2).max(state.least);
        let fewer = state.limit.saturating_sub(limit);
        state.limit = limit;
        state.owed += fewer - self.permits.forget_permits(fewer);
    }

    /// Whether a returned permit is removed.
    fn owes(&self) -> bool {
        let mut state = self.state.lock();
        let owes = state.owed > 0;
        state.owed -= usize::from(owes);
        owes
    }
}

/// A permit. It is returned when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    permit: Option<OwnedSemaphorePermit>,
    limit: Arc<ConcurrencyLimit>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.limit.owes()
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn grows_to_twice_and_halves_on_trouble() {
        let limit = Arc::new(ConcurrencyLimit::new(8));
        for _ in 0..100 {
            limit.well();
        }
        assert_eq!(limit.permits.available_permits(), 16);
        let mut passes = Vec::new();
        for _ in 0..14 {
            passes.push(limit.enter().await);
        }
        // Two are free; six more are removed when they are returned.
        limit.badly();
        assert_eq!(limit.permits.available_permits(), 0);
        passes.truncate(8);
        assert_eq!(limit.permits.available_permits(), 0);
        passes.clear();
        assert_eq!(limit.permits.available_permits(), 8);
        for _ in 0..10 {
            limit.badly();
        }
        assert_eq!(limit.permits.available_permits(), 4);
        limit.well();
        assert_eq!(limit.permits.available_permits(), 5);
    }

    #[tokio::test]
    async fn one_at_a_time_stays_possible() {
        let limit = Arc::new(ConcurrencyLimit::new(0));
        limit.badly();
        drop(limit.enter().await);
        assert_eq!(limit.permits.available_permits(), 1);
    }
}
