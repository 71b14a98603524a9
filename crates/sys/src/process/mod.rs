//! Child processes, each in a group of its own.
//!
//! Starts them, reads their output, stops them and enforces time limits. It does not interpret the output and prints
//! nothing.

mod capture;
mod error;
mod group;
mod members;
mod own;
mod pump;
mod signals;
mod spec;
mod table;

pub use capture::{Captured, capture, capture_any};
pub use error::ProcessError;
pub use group::{Ended, How, RunOptions, run_group};
pub use members::{Daemons, adopt_daemons, end_daemons};
pub use own::keep_to_ourselves;
pub use pump::widen;
pub use signals::{Signals, Stop, StopSignal, Stopper};
pub use spec::Spec;
