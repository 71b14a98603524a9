//! What was asked and answered, so that tests can count requests.

use sys::sync::Mutex;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `GET`, `PUT`, …
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The status that was answered; `None` while it is being worked on, and where a fault or a broken
    /// connection left it without an answer.
    pub(crate) status: Option<u16>,
}

/// All requests since the start, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<Entry>>);

impl Log {
    /// Notes a request and gives its number, from 1.
    pub(super) fn begin(&self, method: &str, path: &str) -> usize {
        let mut entries = self.0.lock();
        entries.push(Entry { method: method.to_owned(), path: path.to_owned(), status: None });
        entries.len()
    }

    /// Notes the answer to request `number`.
    pub(super) fn end(&self, number: usize, status: u16) {
        let mut entries = self.0.lock();
        if let Some(entry) = number.checked_sub(1).and_then(|index| entries.get_mut(index)) {
            entry.status = Some(status);
        }
    }

    /// A copy of all entries.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.0.lock().clone()
    }
}
