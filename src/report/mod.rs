//! The listeners: log, annotations, summary, outputs and the JSON report. Nothing else prints. They receive events,
//! and do not know how the steps run.

mod annotations;
mod attachments;
mod comment;
mod console;
mod hidden;
mod json;
mod links;
mod live;
mod log;
mod markdown;
mod matrix;
mod outputs;
mod page;
mod results;
mod scans;
mod summary;
mod transfer;
mod view;
mod why;

pub use annotations::Annotations;
pub(crate) use attachments::{attachments, left_behind};
pub(crate) use comment::Comment;
pub use console::Console;
pub use hidden::Hidden;
pub use json::{Json, SCHEMA_VERSION};
pub use links::RunLinks;
pub use log::Log;
pub use matrix::matrix;
pub use outputs::Outputs;
pub(crate) use page::write_page;
pub(crate) use scans::scan_text;
pub use summary::Summary;
pub use transfer::Transfer;
pub use view::View;
pub(crate) use why::why;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;

use crate::gate::outcome::Event;
use sys::error::Failure;
use sys::sync::Mutex;
use sys::world::Env;
use workflow_commands::plain;

/// A listener for events.
pub trait Listener {
    /// Handles an event. A listener that cannot write is silent, because the gate must go on.
    fn on_event(&mut self, event: &Event<'_>);
}

/// Sends events to all listeners, in order. Parallel steps share it.
#[derive(Clone)]
pub struct Reporter(Arc<Mutex<Vec<Box<dyn Listener + Send>>>>);

impl Reporter {
    /// A reporter with these listeners.
    pub fn new(listeners: Vec<Box<dyn Listener + Send>>) -> Self {
        Self(Arc::new(Mutex::new(listeners)))
    }

    pub fn emit(&self, event: &Event<'_>) {
        self.emit_all([event]);
    }

    /// Sends several events, without events of other threads in between.
    pub fn emit_all<'a>(&self, events: impl IntoIterator<Item = &'a Event<'a>>) {
        let mut listeners = self.0.lock();
        for event in events {
            for listener in listeners.iter_mut() {
                listener.on_event(event);
            }
        }
    }
}

/// Reports a failure that ends the run before its plan is executed, in the log, the step summary, the outputs and,
/// if there is a directory for it, the report.
pub fn failed(console: &Console, env: &Env, failure: &Failure, logs: Option<(&Path, Timestamp)>) {
    let report = logs.map(|(logs, began)| {
        let report = logs.join("report.json");
        // The other outputs contain it too.
        let _unwritten = json::failed(&report, &console.masker(), failure, logs, began);
        report
    });
    if !console.is_github() {
        return console.complain(&failure.to_string());
    }
    Annotations::failure(console, "p2p", failure);
    // If nothing can be written, only the exit code remains.
    if let Some(file) = env.path("GITHUB_OUTPUT") {
        let _unwritten = outputs::failed(&file, failure.exit, report.as_deref());
    }
    if let Some(file) = env.path("GITHUB_STEP_SUMMARY") {
        let _unwritten = summary::failed(&file, &console.masker(), failure);
    }
}

/// Reports a failure from before there is a console.
pub fn fatal(failure: &Failure) -> ExitCode {
    let _gone = writeln!(std::io::stderr(), "{}", plain(&failure.to_string()));
    ExitCode::from(failure.exit.code())
}

/// Formats seconds for a person: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole =
        std::time::Duration::try_from_secs_f64(seconds.round()).unwrap_or(std::time::Duration::MAX).as_secs();
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Formats bytes for a person: `512 B`, `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut rest = bytes;
    let mut unit = 0;
    while rest >= 10 * 1024 && unit < 3 {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", ["B", "KiB", "MiB", "GiB"][unit])
}

#[cfg(test)]
mod tests {
    use super::{size, time};

    #[test]
    fn sizes_are_as_a_person_writes_them() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(9 * 1024 * 1024), "9216 KiB");
        assert_eq!(size(3 << 30), "3072 MiB");
        assert_eq!(size(30 << 30), "30 GiB");
    }

    #[test]
    fn times_are_as_a_person_writes_them() {
        assert_eq!(time(0.04), "0.0 s");
        assert_eq!(time(9.96), "10.0 s");
        assert_eq!(time(59.4), "59 s");
        assert_eq!(time(185.0), "3 min 05 s");
        assert_eq!(time(7384.0), "2 h 03 min");
        assert!(time(2e19).ends_with(" min") && time(f64::INFINITY).ends_with(" min"));
    }
}
