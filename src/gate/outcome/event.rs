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
    /// The run begins. The secrets that the runner must mask come before anything else.
    Began {
        /// The plan that will be executed.
        plan: &'a Plan,
    },
    /// Text that the runner must mask from now on.
    Mask(&'a workflow_commands::Secret),
    /// A message of p2p itself.
    Message(Level, &'a str),
    /// A request will be tried again.
    Retry(&'a Retry),
    /// Steps begin, in one group of the log.
    GroupBegan(&'a [&'a Step]),
    /// A target printed this text. It is masked, cannot act as a command, and ends with a line feed.
    Printed(&'a [u8]),
    /// A target replaces its current line with a carriage return.
    Drawing {
        step: &'a str,
        /// The text of the line. It is masked and cannot act as a command.
        text: &'a [u8],
    },
    /// A step is running. Sent every second.
    Alive {
        step: &'a str,
        /// How long it has been running.
        running: Duration,
        /// How long its target has printed nothing.
        silent: Duration,
        /// The last line that its target printed. It is masked and cannot act as a command.
        last: &'a str,
    },
    /// The group of the log ends.
    GroupEnded,
    /// A step ended.
    StepEnded(&'a StepResult),
    /// A target made this annotation with a workflow command. It is validated and may be passed on.
    Annotated(&'a Annotation),
    /// The text that a target wrote to its step summary, masked.
    Summarised(&'a str, &'a str),
    /// p2p found an image of the build in the registry.
    Recorded(&'a Image),
    /// A scan ended.
    Scanned(&'a Scan),
    /// An image was promoted.
    Promoted(&'a Promoted),
    /// The run is over.
    Ended(&'a Outcome),
}
