//! Which environments a promotion is between.
//!
//! Where none is named, it is the job's own. A named one is never filled from the job's own
//! values (contract §4).

use super::several::variable;
use crate::environment::{Given, Key, Origin, Sources, Stage, Value, Values, Vars};
use crate::error::Failure;
use crate::inputs::Inputs;

/// The first environment of a stage's matrix.
pub(super) fn first(vars: &Vars, stage: Stage) -> Option<Value> {
    let entry = vars.matrix(stage)?.include.first()?;
    Some(Value::new(entry.deploy_env.clone(), Origin::Vars(variable(stage))))
}

/// Where images come from, for the command `promote`.
pub(super) fn source(inputs: &Inputs, sources: &Sources, own: &Values) -> Result<Values, Failure> {
    let name = inputs.source_environment.as_ref().map(|name| input(name, "source-environment"));
    let explicit = [
        (Key::Registry, &inputs.source_registry),
        (Key::ProjectId, &inputs.source_project_id),
        (Key::ProjectNumber, &inputs.source_project_number),
        (Key::Region, &inputs.source_region),
        (Key::ServiceAccount, &inputs.source_service_account),
        (Key::WorkloadIdentityProvider, &inputs.source_workload_identity_provider),
    ];
    other(sources, own, name, &given("source", &explicit))
}

/// Where images go: by default the first environment that `vars` names for the stage.
pub(super) fn destination(
    inputs: &Inputs,
    sources: &Sources,
    own: &Values,
    stage: Stage,
) -> Result<Values, Failure> {
    let name = inputs.dest_environment.as_ref().map(|name| input(name, "dest-environment"));
    let name = name.or_else(|| first(&sources.vars, stage));
    let explicit = [
        (Key::Registry, &inputs.dest_registry),
        (Key::ProjectId, &inputs.dest_project_id),
        (Key::ProjectNumber, &inputs.dest_project_number),
        (Key::Region, &inputs.dest_region),
        (Key::ServiceAccount, &inputs.dest_service_account),
        (Key::WorkloadIdentityProvider, &inputs.dest_workload_identity_provider),
    ];
    other(sources, own, name, &given("dest", &explicit))
}

fn other(sources: &Sources, own: &Values, name: Option<Value>, explicit: &Given) -> Result<Values, Failure> {
    match name {
        Some(name) => Ok(sources.of(&name, explicit)?),
        None if explicit.is_empty() => Ok(own.clone()),
        // One that is described without a name is another one, of which no more is known.
        None => {
            let nameless = Value::new("(described by inputs)", Origin::Default);
            let mut values = sources.of(&nameless, explicit)?;
            values.environment = None;
            Ok(values)
        }
    }
}

fn input(text: &str, name: &str) -> Value {
    Value::new(text, Origin::Input(name.to_owned()))
}

/// The values that inputs of this prefix give.
fn given(prefix: &str, texts: &[(Key, &Option<String>)]) -> Given {
    let value = |(key, text): &(Key, &Option<String>)| {
        Some((*key, input(text.as_ref()?, &format!("{prefix}-{key}"))))
    };
    texts.iter().filter_map(value).collect()
}
