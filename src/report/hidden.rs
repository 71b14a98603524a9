//! What GitHub does not show. The listeners collect it for one notice.

use std::sync::Arc;

use super::{Console, Listener};
use crate::gate::outcome::Event;
use sys::sync::Mutex;
use workflow_commands::Level;

/// What was left out. Clones share the list.
#[derive(Clone, Default)]
pub struct Hidden(Arc<Mutex<Vec<String>>>);

impl Hidden {
    /// Adds something that was left out: `3 annotations, of which GitHub keeps ten`.
    pub(super) fn add(&self, what: &str) {
        self.0.lock().push(what.to_owned());
    }

    /// A listener that reports in one notice what was left out. It comes after the listeners that leave something
    /// out.
    pub fn notice(self, console: Console) -> impl Listener + Send {
        HiddenNotice(self, console)
    }
}

struct HiddenNotice(Hidden, Console);

impl Listener for HiddenNotice {
    fn on_event(&mut self, event: &Event<'_>) {
        let what = self.0.0.lock();
        if let (Event::Ended(outcome), false) = (event, what.is_empty()) {
            let logs = &outcome.logs;
            let text = format!(
                "GitHub cannot show all. Left out: {}. Logs and report are in {logs}",
                what.join("; ")
            );
            self.1.annotate_text(Level::Notice, "p2p", &text);
        }
    }
}
