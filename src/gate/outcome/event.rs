//! The events that execution sends to its listeners as they happen.

use std::time::Duration;

use super::{Outcome, StepResult};
use crate::domain::image::{Image, Promoted};
use crate::domain::scan::Scan;
use crate::gate::plan::{Plan, Step};
use sys::retry::Retry;
use workflow_commands::{Annotation, Level};

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins; the secrets that the runner must mask come first of all.
    Began {
        /// What will run.
        plan: &'a Plan,
    },
    /// Text that the runner must mask from now on.
    Mask(&'a workflow_commands::Secret),
    /// A message of ours.
    Message(Level, &'a str),
    /// A request is tried again.
    Retry(&'a Retry),
    /// Steps begin, in one group of the log.
    GroupBegan(&'a [&'a Step]),
    /// A target printed this. It is masked and harmless, and ends with a line.
    Printed(&'a [u8]),
    /// A target draws a line with CR.
    Drawing {
        /// The name of its step.
        step: &'a str,
        /// What the line shows now. It is masked and harmless.
        text: &'a [u8],
    },
    /// A step is running. Comes every second.
    Alive {
        /// Its name.
        step: &'a str,
        /// How long it has been running.
        running: Duration,
        /// For how long its target has printed nothing.
        silent: Duration,
        /// The last line that its target printed or drew. It is masked and harmless.
        last: &'a str,
    },
    /// The group of the log ends.
    GroupEnded,
    /// A step ended.
    StepEnded(&'a StepResult),
    /// A target made this annotation by a workflow command. It is checked and may be passed on.
    Annotated(&'a Annotation),
    /// What a target wrote to its step summary, masked.
    Summarised(&'a str, &'a str),
    /// An image of the build was found in the registry.
    Recorded(&'a Image),
    /// A scan ended.
    Scanned(&'a Scan),
    /// An image was promoted.
    Promoted(&'a Promoted),
    /// The run is over.
    Ended(&'a Outcome),
}
