//! The gate: the facts of a run, its plan, and what carries it out.

pub mod allocation;
pub mod context;
pub mod execute;
pub mod plan;
pub mod record;
pub mod release;
