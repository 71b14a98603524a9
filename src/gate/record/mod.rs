//! The records of gates: each gate attaches one to every image it judged, so that a later gate and an
//! auditor can ask what a digest passed. `value` is the record, `rule` decides which records count,
//! `chain` shows them to a person; these are pure. `here` reads who judges from the job's environment,
//! `statement` is the form a record is stored in, `attach` writes and reads it at a registry. No gate
//! and no command line here. A signature can be laid over the stored form; today there is none.

mod attach;
mod chain;
mod here;
mod rule;
mod statement;
mod value;

pub use attach::{Kept, attach, carry, read};
pub use chain::Chain;
pub use rule::{Finding, Refs, Rule, yanked};
pub use statement::PREDICATE_TYPE;
pub use value::{By, Judgement, Ran, Record, UNSIGNED};
