//! Annotations and masks: workflow commands for GitHub's runner.

use super::{Console, Hidden, Listener, results};
use crate::gate::outcome::{Event, FailedStep, StepResult};
use sys::error::Failure;
use workflow_commands::{Annotation, Level, command};

/// How many annotations of targets are shown. GitHub keeps 10 of each kind per step, and p2p needs some for its own.
const OF_TARGETS: usize = 7;

/// Writes annotations and masks.
pub struct Annotations {
    console: Console,
    passed_on: Vec<Level>,
    left_out: usize,
    hidden: Hidden,
}

impl Annotations {
    /// Writes annotations to `console`. Those that GitHub would not keep are counted in `hidden`.
    pub fn new(console: Console, hidden: Hidden) -> Self {
        Self { console, passed_on: Vec::new(), left_out: 0, hidden }
    }

    /// The annotation for a failure of p2p itself: of a step, or before there is a plan.
    pub fn failure(console: &Console, title: &str, failure: &Failure) {
        let text = failure.to_string();
        console.annotate_text(Level::Error, title, text.strip_prefix("error: ").unwrap_or(&text));
    }

    fn ended(&self, result: &StepResult) {
        if let Some(failure) = &result.failure {
            Self::failure(&self.console, &result.name, failure);
        } else if let Some(failed) = result.failed_step() {
            self.console.annotate(of_target(result, &failed));
        }
    }

    fn pass_on(&mut self, annotation: &Annotation) {
        if self.passed_on.iter().filter(|level| **level == annotation.level).count() == OF_TARGETS {
            self.left_out += 1;
        } else {
            self.passed_on.push(annotation.level);
            self.console.annotate(annotation.clone());
        }
    }
}

/// The annotation for a failed target: the cause first, at its file if it is known.
fn of_target(result: &StepResult, failed: &FailedStep) -> Annotation {
    let mut lines = vec![failed.headline().to_owned()];
    lines.extend(failed.cause.iter().map(|_| failed.what.clone()));
    lines.extend(failed.lines().map(|line| format!("| {line}")));
    lines.extend(failed.help.iter().map(|help| format!("help: {help}")));
    // The first line of the diagnostics names the problem. The log has the rest.
    lines.extend(result.cluster.first().map(|line| format!("cluster: {line}")));
    lines.extend(result.repeat.iter().map(|repeat| format!("repeat it: {repeat}")));
    let place = failed.cause.as_ref().and_then(|cause| cause.place.as_ref());
    Annotation {
        title: Some(result.name.clone()),
        file: place.map(|place| place.file.clone()),
        line: place.map(|place| place.line),
        ..Annotation::new(Level::Error, lines.join("\n"))
    }
}

impl Listener for Annotations {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Mask(text) => self.console.command(&command::add_mask(text)),
            Event::Began { plan } => {
                for warning in &plan.warnings {
                    self.console.annotate_text(Level::Warning, "p2p", warning);
                }
            }
            Event::Message(level @ (Level::Warning | Level::Error), text) => {
                self.console.annotate_text(*level, "p2p", text);
            }
            Event::Annotated(annotation) => self.pass_on(annotation),
            Event::StepEnded(result) => {
                self.ended(result);
                for annotation in results::annotations(result) {
                    self.pass_on(&annotation);
                }
            }
            Event::Ended(_) if self.left_out > 0 => self.hidden.add(&format!(
                "{} more annotations of targets, because GitHub keeps 10 of each kind per step",
                self.left_out
            )),
            _ => {}
        }
    }
}
