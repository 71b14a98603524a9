//! The variables of a target as the real make sees them.

use std::fs;
use std::process::Command;

use ::sys::world::Env;
use ::workflow_commands::Secret;
use p2p::domain::environment::{EnvVars, Sources, StagePaths, TargetEnvironment, Values, target_variables};

const MAKEFILE: &str = "\
P2P_APP_NAME ?= of-the-makefile
REGION ?= of-the-makefile
p2p-build:
	@echo app=$(P2P_APP_NAME) region=$(REGION) path=$(FAST_FEEDBACK_PATH)
	@printf 'key=%s|input=%s' \"$$KEY\" \"$${INPUT_REGION-none}\"
";

/// What the target prints, started from a process with these variables.
fn printed(values: &Values, env_vars: &EnvVars, process: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("Makefile"), MAKEFILE).unwrap();
    let variables = target_variables(&TargetEnvironment {
        values,
        source: None,
        paths: &StagePaths::default(),
        version: None,
        github_token: None,
        env_vars,
    });
    let mut process: Env = process.iter().copied().collect();
    process.set("PATH", std::env::var_os("PATH").unwrap());
    let output = Command::new("make")
        .arg("p2p-build")
        .current_dir(directory.path())
        .env_clear()
        .envs(variables.over(&process).iter())
        .output()
        .unwrap_or_else(|error| panic!("make is not installed: {error}"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_not_known_leaves_the_makefile_its_own() {
    let unknown = Sources::default().own().unwrap();
    let process = [("P2P_APP_NAME", ""), ("REGION", "")];
    assert_eq!(
        printed(&unknown, &EnvVars::default(), &process),
        "app=of-the-makefile region=of-the-makefile path=test\nkey=|input=none"
    );
}

#[test]
fn what_is_known_wins_and_env_vars_arrive_unchanged() {
    let known = Sources { makefile: Sources::makefile(None, Some("basket")), ..Sources::default() };
    let text = "KEY<<EOF\nline $HOME \\n \"one\"\n  two=2\nEOF\n";
    let env_vars = EnvVars::parse(&Secret::new(text)).unwrap();
    assert_eq!(
        printed(
            &known.own().unwrap(),
            &env_vars,
            &[("P2P_APP_NAME", "of-the-job"), ("REGION", "of-the-job")]
        ),
        "app=basket region=of-the-job path=test\nkey=line $HOME \\n \"one\"\n  two=2|input=none"
    );
}
