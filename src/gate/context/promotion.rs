//! The source and the destination environment of a promotion.
//!
//! The default is the job's own environment. A named environment never gets values of the job's own (contract §4).

use super::Request;
use crate::domain::environment::{Origin, Sources, Stage, Value, Values, Vars};
use crate::gate::plan::stage;
use crate::inputs::Command;
use sys::error::Failure;

/// The first environment in the matrix of a stage.
pub(super) fn first(vars: &Vars, stage: Stage) -> Option<Value> {
    let entry = vars.matrix(stage)?.include.first()?;
    Some(Value::new(entry.deploy_env.clone(), Origin::Vars(stage.variable())))
}

/// The values of the environment that the run works in (for `promote`, the source), and of the destination. By
/// default the destination is the first environment that `vars` names for the stage.
pub(super) fn sides(
    request: &Request,
    sources: &Sources,
    own: &Values,
) -> Result<(Values, Result<Values, Failure>), Failure> {
    let inputs = &request.inputs;
    let named = |input: &str, name: &Option<String>| {
        name.as_ref().map(|name| Value::new(name, Origin::Input(input.to_owned())))
    };
    let values = |name: Option<Value>| match name {
        Some(name) => Ok(sources.of(&name)?),
        None => Ok(own.clone()),
    };
    let next = match request.command {
        Command::ExtendedTest => Stage::Prod,
        Command::Promote => stage(&request.targets).unwrap_or(Stage::ExtendedTest),
        _ => Stage::ExtendedTest,
    };
    let destination = named("dest-environment", &inputs.dest_environment);
    let destination = values(destination.or_else(|| first(&sources.vars, next)));
    let source = match request.command {
        Command::Promote => values(named("source-environment", &inputs.source_environment))?,
        _ => sources.target_values(request)?,
    };
    Ok((source, destination))
}
