//! The records of gates. Each gate attaches one to every image that it judged, so that a later gate and an auditor
//! can find out what a digest has passed.
//!
//! Pure: `value` is the record, `rule` decides which records count, `pending` finds those that wait for a signature,
//! `chain` shows them to a person, `statement` is the form in which a record is stored. `here` reads who judges from
//! the job's environment, `settings` reads who signs. `signing` signs, `trust` verifies, and `ledger` writes and
//! reads records in a registry. No gate and no command line here.

mod chain;
mod document;
mod here;
mod ledger;
mod pending;
mod refs;
mod rule;
mod settings;
mod signing;
mod statement;
mod trust;
mod value;

pub use chain::Chain;
pub use ledger::{ARTIFACT_TYPE, Kept, Ledger, Left, NotRead};
pub use pending::pending;
pub use refs::{Refs, branch_glob};
pub use rule::{Finding, Rule, yanked};
pub use settings::SigningSettings;
pub use signing::{Credential, Signing};
pub use statement::PREDICATE_TYPE;
pub use trust::Trust;
pub use value::{Basis, By, Judgement, Ran, Record, RecordedScan, UNSIGNED};
