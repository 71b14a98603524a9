//! How many requests are under way at once: more while all goes well, half when a registry
//! complains.

use std::sync::Arc;

use sys::sync::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Fewer would only make a slow registry look slower.
const LEAST: usize = 4;
/// How many times the first number there may be in the end.
const MOST: usize = 2;

/// Lets tasks through.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many may be under way.
    limit: usize,
    least: usize,
    most: usize,
    /// Permits that are in use and will not be given again.
    owed: usize,
}

impl ConcurrencyLimit {
    /// Begins with `first` at once, at least one.
    pub(super) fn new(first: usize) -> Self {
        let first = first.clamp(1, Semaphore::MAX_PERMITS / MOST);
        Self {
            permits: Arc::new(Semaphore::new(first)),
            state: Mutex::new(State { limit: first, least: LEAST.min(first), most: first * MOST, owed: 0 }),
        }
    }

    /// Waits until one more may be under way. `None` never comes: the semaphore is not closed.
    pub(super) async fn enter(self: &Arc<Self>) -> Pass {
        Pass { permit: Arc::clone(&self.permits).acquire_owned().await.ok(), limit: Arc::clone(self) }
    }

    /// One went well.
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

    /// A registry had enough, or a connection broke.
    pub(super) fn badly(&self) {
        let mut state = self.state.lock();
        let limit = (state.limit / 2).max(state.least);
        let fewer = state.limit.saturating_sub(limit);
        state.limit = limit;
        state.owed += fewer - self.permits.forget_permits(fewer);
    }

    /// Whether a permit that comes back is taken away.
    fn owes(&self) -> bool {
        let mut state = self.state.lock();
        let owes = state.owed > 0;
        state.owed -= usize::from(owes);
        owes
    }
}

/// The right to be under way, until it is dropped.
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
        // Two are free; six more are taken away as they come back.
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
