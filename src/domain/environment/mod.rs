//! The values of an environment with their sources, the names derived from tenant, app and environment, the
//! variables of a make target, and `env-vars`. Pure: no files, no processes, no network.

mod env_vars;
mod environments;
mod error;
mod key;
mod matrix;
mod names;
mod resolve;
mod stage;
mod target;
mod value;
mod variables;
mod vars;

pub use env_vars::EnvVars;
pub use environments::{Environments, SettingsFile, TextSource};
pub use error::EnvironmentError;
pub use key::Key;
pub use matrix::{Matrix, MatrixEntry};
pub use resolve::{Sources, Values};
pub use stage::{BUILD, FUNCTIONAL, GateTarget, INTEGRATION, NFT, PROD, Stage, TARGETS};
pub use target::{TargetEnvironment, target_variables};
pub use value::{Given, Origin, StagePaths, Value};
pub use variables::{ComesFrom, Entry, TABLE, Variable, Variables, assignable, inherited, is_ours, runtime};
pub use vars::Vars;
