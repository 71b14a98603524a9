//! The promotion record: a small in-toto statement that each promotion attaches to the image, so
//! that a later gate and an auditor can ask how a digest got here. `statement` is the value,
//! `chain` judges several, `attach` writes and reads them at a registry. It is not signed: it
//! informs, it does not protect. No gate and no command line here.

mod attach;
mod chain;
mod statement;

pub use attach::{Kept, attach, carry, read};
pub use chain::{Chain, missing};
pub use statement::{PREDICATE_TYPE, Passed, Record, StepTook, UNSIGNED};
