//! The gate on Google Cloud and Kubernetes: against a loopback Google that is as strict as the real one,
//! a registry that takes its tokens, and a cluster that does.

mod cache;
mod canary;
mod fork;
mod inputs;
mod later;
mod preflight;
mod renewal;
mod scene;
mod whole;

pub(crate) use scene::{AUTH_FILE, Cloud, GCLOUD, MAKEFILE, SWITCHES};

use serde_json::Value;

use crate::support::gate::Run;

/// What the failure of a step says, as a person reads it.
#[track_caller]
fn failure(run: &Run, step: &str) -> String {
    let steps = run.report["steps"].as_array().unwrap();
    let found = steps.iter().find(|result| result["name"] == step).unwrap();
    message(&found["failure"])
}

/// A failure of the report, as a person reads it.
#[track_caller]
fn message(failure: &Value) -> String {
    let mut text = failure["what"].as_str().unwrap_or_else(|| panic!("no failure: {failure}")).to_owned();
    for cause in failure["causes"].as_array().unwrap() {
        text = format!("{text}\ncaused by: {}", cause.as_str().unwrap());
    }
    if let Some(help) = failure["help"].as_str() {
        text = format!("{text}\nhelp: {}", help.replace('\n', "\n      "));
    }
    text
}
