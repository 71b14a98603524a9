//! The gate: the facts of a run, its plan, and what carries it out.

pub mod allocation;
pub(crate) mod context;
pub(crate) mod execute;
pub(crate) mod outcome;
pub mod plan;
pub mod record;
pub mod release;
pub mod scan;
