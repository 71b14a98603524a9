//! Which environments a promotion is between.
//!
//! Where none is named, it is the job's own. A named one is never filled from the job's own
//! values (contract §4).

use super::several::variable;
use crate::domain::environment::{Origin, Sources, Stage, Value, Values, Vars};
use crate::inputs::Inputs;
use sys::error::Failure;

/// The first environment of a stage's matrix.
pub(super) fn first(vars: &Vars, stage: Stage) -> Option<Value> {
    let entry = vars.matrix(stage)?.include.first()?;
    Some(Value::new(entry.deploy_env.clone(), Origin::Vars(variable(stage))))
}

/// Where images come from, for the command `promote`.
pub(super) fn source(inputs: &Inputs, sources: &Sources, own: &Values) -> Result<Values, Failure> {
    let name = inputs.source_environment.as_ref().map(|name| input(name, "source-environment"));
    other(sources, own, name)
}

/// Where images go: by default the first environment that `vars` names for the stage.
pub(super) fn destination(
    inputs: &Inputs,
    sources: &Sources,
    own: &Values,
    stage: Stage,
) -> Result<Values, Failure> {
    let name = inputs.dest_environment.as_ref().map(|name| input(name, "dest-environment"));
    other(sources, own, name.or_else(|| first(&sources.vars, stage)))
}

fn other(sources: &Sources, own: &Values, name: Option<Value>) -> Result<Values, Failure> {
    match name {
        Some(name) => Ok(sources.of(&name)?),
        None => Ok(own.clone()),
    }
}

fn input(text: &str, name: &str) -> Value {
    Value::new(text, Origin::Input(name.to_owned()))
}
