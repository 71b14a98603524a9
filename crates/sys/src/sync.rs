//! A mutex without poisoning. A panic in one task must not spread to other tasks that take the same lock, and no
//! lock in this product guards state that a panic could leave inconsistent.

use std::fmt;
use std::sync::{MutexGuard, PoisonError};

/// Like [`std::sync::Mutex`], but [`lock`](Self::lock) always succeeds.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock, even if another thread panicked while it held the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_panic_under_the_lock_leaves_it_usable() {
        let number = Arc::new(Mutex::new(1));
        let held = Arc::clone(&number);
        let panicked = std::thread::spawn(move || {
            let _held = held.lock();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.join().is_err());
        *number.lock() += 1;
        assert_eq!(*number.lock(), 2);
    }
}
