//! `p2p diagnose`: finds what is wrong in a namespace, as a gate does after a target failed.

use clap::{ArgMatches, Command};

use super::access::{inputs, text_or_json};
use super::{required, text};
use crate::edges::kube::{Api, Kubeconfig};
use crate::inputs::OutputFormat;
use crate::report::Console;
use sys::error::{Exit, Failure};
use sys::retry::{Policy, Retrying};
use sys::world::World;

pub(super) const NAME: &str = "diagnose";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 3] = ["kubeconfig", "kube-context", "output"];

/// The longest name of a namespace (a label according to RFC 1123).
const LONGEST: usize = 63;

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about(
            "Say what is wrong in a namespace: pods, their logs, workloads, volumes, helm releases, warnings",
        )
        .arg(required("namespace", "NAMESPACE", "The namespace"))
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let namespace = text(matches, "namespace");
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if namespace.is_empty() || namespace.len() > LONGEST || !namespace.chars().all(is_label) {
        return Err(Failure::usage(
            format!("{namespace:?} is not the name of a namespace"),
            "expected lower-case letters, digits and `-`, at most 63",
        ));
    }
    let format = text_or_json(&inputs)?;
    let input = inputs.kubeconfig.as_ref().map(|input| &input.0);
    let kubeconfig = Kubeconfig::find(input, &world.env, &world.directory)?;
    console.masker().add(&kubeconfig.secrets());
    let kubeconfig = kubeconfig.for_target(inputs.kube_context.as_deref(), None)?;
    let retrying = Retrying { policy: Policy { attempts: 2, ..Policy::default() }, ..Retrying::default() };
    let lines = Api::new(&kubeconfig, &world.env, retrying)?.diagnostics(namespace, None).await;
    if format == OutputFormat::Json {
        let answer = serde_json::json!({"namespace": namespace, "problems": lines});
        console.say(&format!("{answer:#}"));
    } else if lines.is_empty() {
        console.say(&format!("no problem is known in the namespace {namespace}"));
    } else {
        for line in &lines {
            console.say(line);
        }
    }
    Ok(Exit::Passed)
}
