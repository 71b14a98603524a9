//! The listeners: log, annotations, summary, outputs and the JSON report. Nothing else prints.
//! They hear events and know nothing of how the steps are run.

mod annotations;
mod console;
mod json;
mod log;
mod markdown;
mod outputs;
mod summary;

pub use annotations::Annotations;
pub use console::Console;
pub use json::{Json, SCHEMA_VERSION};
pub use log::Log;
pub use outputs::Outputs;
pub use summary::Summary;

use std::sync::{Arc, Mutex, PoisonError};

use crate::outcome::Event;

/// One who hears what happens.
pub trait Listener {
    /// Hears one event. A listener that cannot write keeps quiet: the gate goes on.
    fn hear(&mut self, event: &Event<'_>);
}

/// Tells every listener, in order; steps that run at the same time share it.
#[derive(Clone)]
pub struct Reporter(Arc<Mutex<Vec<Box<dyn Listener + Send>>>>);

impl Reporter {
    /// A reporter with these listeners.
    pub fn new(listeners: Vec<Box<dyn Listener + Send>>) -> Self {
        Self(Arc::new(Mutex::new(listeners)))
    }

    /// Tells all of them.
    pub fn tell(&self, event: &Event<'_>) {
        for listener in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            listener.hear(event);
        }
    }
}

/// Seconds as a person writes them: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = std::time::Duration::from_secs_f64(seconds.round()).as_secs();
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_as_a_person_writes_them() {
        assert_eq!(time(0.04), "0.0 s");
        assert_eq!(time(9.96), "10.0 s");
        assert_eq!(time(59.4), "59 s");
        assert_eq!(time(185.0), "3 min 05 s");
        assert_eq!(time(7384.0), "2 h 03 min");
    }
}
