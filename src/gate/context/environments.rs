//! The environments that a gate runs in: one, or several in sequence.

use super::{Request, later, promotion};
use crate::domain::environment::{Matrix, Origin, Stage, Value, Vars};
use crate::gate::plan::stage;
use crate::inputs::Command;
use sys::error::Failure;

/// The gate whose environments a command is about.
fn gate(request: &Request) -> Option<Stage> {
    match request.command {
        Command::FastFeedback | Command::Plan => Some(Stage::FastFeedback),
        command => later::of(command, &request.targets),
    }
}

/// The first environment of the gate that `request` belongs to. It is the job's own if no input names one. A target
/// belongs to its gate, a promotion to the gate that it completes, and every other command to fast feedback.
///
/// # Errors
/// If targets belong to gates whose first environments differ.
pub(super) fn first_of(request: &Request, vars: &Vars) -> Result<Option<Value>, Failure> {
    let targets = &request.targets;
    let stages: Vec<Stage> = match request.command {
        Command::Run => targets.iter().filter_map(|target| Stage::of_target(target)).collect(),
        Command::Promote => {
            let to = stage(targets).ok().and_then(|stage| stage.earlier().last());
            to.into_iter().copied().collect()
        }
        command => later::of(command, targets).into_iter().collect(),
    };
    let mut firsts = stages.iter().map(|stage| (*stage, promotion::first(vars, *stage)));
    let Some((stage, first)) = firsts.next() else { return Ok(promotion::first(vars, Stage::FastFeedback)) };
    let text = |name: &Option<Value>| name.as_ref().map(|name| name.text.clone());
    let Some((other_stage, other)) = firsts.find(|(_, other)| text(other) != text(&first)) else {
        return Ok(first);
    };
    let message = |stage: Stage, name: &Option<Value>| {
        format!("{} names {}", stage.variable(), text(name).as_deref().unwrap_or("none"))
    };
    Err(Failure::usage(
        format!(
            "the targets `{}` belong to gates in different environments: {}, {}",
            targets.join(" "),
            message(stage, &first),
            message(other_stage, &other)
        ),
        "run them in a job for each environment, or say by `environment` which one is meant; nothing was run",
    ))
}

/// The environments of the gate that `request` belongs to, with all keys of their entries.
///
/// # Errors
/// If the matrix is invalid, names no environment, or is missing.
pub(crate) fn matrix(request: &Request) -> Result<Matrix, Failure> {
    let inputs = &request.inputs;
    let Some(stage) = gate(request) else {
        return Err(Failure::usage(
            format!("`{}` runs in one environment and has no matrix", request.command),
            "plan one of `fast-feedback`, `extended-test`, `prod`, or print another way; nothing was run",
        ));
    };
    if let Some(text) = &inputs.matrix {
        return Ok(Matrix::parse(text)?);
    }
    if let Some(name) = &inputs.environment {
        return Ok(Matrix::of([name.as_str()]));
    }
    let variable = stage.variable();
    match request.vars.matrix(stage) {
        Some(matrix) => Ok(matrix.clone().named(&format!("vars.{variable}"))?),
        None => Err(Failure::usage(
            format!("no environment of the gate is known: `vars` has no {variable}"),
            format!(
                "set the variable {variable} to {{\"include\": [{{\"deploy_env\": \"gcp-dev\"}}]}} and give the input \
                 `vars: ${{{{ toJSON(vars) }}}}`, or give the input `matrix`; nothing was run"
            ),
        )),
    }
}

/// Splits a request into one for each environment of the gate, or returns it alone if nothing names an environment.
/// The first environment is the job's own, unless the input `environment` names another.
///
/// # Errors
/// If the matrix is invalid or names no environment, or if the command does not support several.
pub(crate) fn split(request: Request) -> Result<Vec<Request>, Failure> {
    let inputs = &request.inputs;
    let gate = gate(&request);
    let known = inputs.matrix.is_some()
        || match gate {
            Some(stage) => inputs.environment.is_none() && request.vars.matrix(stage).is_some(),
            None => false,
        };
    if !known {
        return Ok(vec![request]);
    }
    let origin = match (&inputs.matrix, gate) {
        (None, Some(stage)) => Origin::Vars(stage.variable()),
        _ => Origin::Input("matrix".to_owned()),
    };
    let entries = matrix(&request)?.include;
    let names = entries.into_iter().map(|entry| Value::new(entry.deploy_env, origin.clone()));
    // Later environments use the image of the first one.
    let most = if request.command == Command::Latest { 1 } else { usize::MAX };
    let names: Vec<_> = names.take(most).collect();
    let own = names.first().cloned();
    let one = |(position, name): (usize, Value)| Request {
        own: own.clone(),
        target_environment: Some(name),
        // Only the image of the first environment is promoted.
        promotes: position == 0,
        ..request.clone()
    };
    Ok(names.into_iter().enumerate().map(one).collect())
}

/// The promotions to the other environments of the next gate, besides the one that `gate` plans. Each is a request
/// of its own for the images that `gate` recorded in the environment `source`.
pub(crate) fn other_promotions(gate: &Request, source: Option<&str>, version: &str) -> Vec<Request> {
    let inputs = &gate.inputs;
    let next = match gate.command {
        Command::FastFeedback => Stage::ExtendedTest,
        Command::ExtendedTest => Stage::Prod,
        _ => return Vec::new(),
    };
    if inputs.dest_environment.is_some() {
        return Vec::new();
    }
    let entries = gate.vars.matrix(next).map(|matrix| matrix.include.as_slice()).unwrap_or_default();
    let promotion = |name: &str| {
        let mut request = Request {
            command: Command::Promote,
            targets: vec![next.word().to_owned()],
            target_environment: None,
            ..gate.clone()
        };
        request.inputs.source_environment = source.map(str::to_owned);
        request.inputs.dest_environment = Some(name.to_owned());
        request.inputs.version = Some(version.to_owned());
        request
    };
    entries.iter().skip(1).map(|entry| promotion(&entry.deploy_env)).collect()
}
