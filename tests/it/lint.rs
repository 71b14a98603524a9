//! What is not Rust is linted too: shell scripts, workflows, actions. Each linter must also find
//! a fault that is put before it, so that none passes by looking at nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::repository::Repository;
use crate::support::tools::tool;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that are, or are about to be, in the repository.
fn files() -> Vec<PathBuf> {
    let output = Command::new(tool("git"))
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.split_terminator('\0').map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

/// Runs a linter; its findings are the error.
fn lint(
    program: &str,
    directory: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<(), String> {
    let mut command = Command::new(tool(program));
    command.args(arguments.into_iter().map(|argument| argument.as_ref().as_os_str().to_owned()));
    let output = command
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env_remove("GH_TOKEN")
        .env_remove("GITHUB_TOKEN")
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

/// Whoever pastes from two documents gets one version of it.
#[test]
fn the_documents_check_out_with_one_version() {
    let documents = files().into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "md"));
    let mut versions = std::collections::BTreeSet::new();
    for document in documents {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let uses = text.lines().filter_map(|line| line.split_once("actions/checkout@"));
        versions.extend(uses.map(|(_, version)| version.trim().to_owned()));
    }
    assert_eq!(Vec::from_iter(versions), ["v5"]);
}

fn shellcheck(directory: &Path, scripts: &[PathBuf]) -> Result<(), String> {
    lint(
        "shellcheck",
        directory,
        [Path::new("--external-sources"), "--severity=style".as_ref()]
            .into_iter()
            .chain(scripts.iter().map(PathBuf::as_path)),
    )
}

fn zizmor(directory: &Path) -> Result<(), String> {
    lint(
        "zizmor",
        directory,
        ["--offline", "--no-progress", "--persona=pedantic", "--strict-collection", "."],
    )
}

fn actionlint(directory: &Path, workflows: &[PathBuf]) -> Result<(), String> {
    lint("actionlint", directory, workflows)
}

/// Lints an action the way actionlint can: through a workflow that uses it with these inputs.
fn actionlint_action(action: &Path, with: &str) -> Result<(), String> {
    let user = Repository::new();
    user.file("an-action/action.yml", std::fs::read(action).unwrap());
    let workflow = user.file(
        ".github/workflows/use.yaml",
        format!("on: push\njobs:\n  use:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: ./an-action\n{with}"),
    );
    actionlint(user.path(), &[workflow])
}

#[test]
fn shell_scripts() {
    let is_shell = |path: &PathBuf| {
        let content = std::fs::read(root().join(path)).unwrap();
        let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        first.starts_with("#!") && first.split(['/', ' ']).any(|word| word == "bash" || word == "sh")
    };
    let scripts: Vec<_> = files().into_iter().filter(is_shell).collect();
    for known in ["dist/bootstrap", "scripts/test", "scripts/tools", ".ci/run"] {
        assert!(scripts.contains(&PathBuf::from(known)), "{known} is not among {scripts:?}");
    }
    shellcheck(root(), &scripts).unwrap_or_else(|findings| panic!("{findings}"));
}

#[test]
fn bootstrap_is_short() {
    let lines = std::fs::read_to_string(root().join("dist/bootstrap")).unwrap().lines().count();
    assert!(lines < 80, "dist/bootstrap has {lines} lines: what decides belongs into the binary");
}

#[test]
fn workflows_and_actions_are_safe() {
    zizmor(root()).unwrap_or_else(|findings| panic!("{findings}"));
}

#[test]
fn workflows_are_right() {
    let is_workflow = |path: &PathBuf| path.starts_with(".github/workflows");
    let workflows: Vec<_> = files().into_iter().filter(is_workflow).collect();
    assert!(workflows.contains(&PathBuf::from(".github/workflows/ci.yaml")));
    actionlint(root(), &workflows).unwrap_or_else(|findings| panic!("{findings}"));
}

#[test]
fn actions_are_right() {
    let is_action = |path: &PathBuf| path.file_name().is_some_and(|name| name == "action.yml");
    let actions: Vec<_> = files().into_iter().filter(is_action).collect();
    assert!(!actions.is_empty());
    for action in actions {
        actionlint_action(&root().join(&action), "")
            .unwrap_or_else(|findings| panic!("{}: {findings}", action.display()));
    }
}

#[test]
fn the_linters_find_faults() {
    let bad = Repository::new();
    let script = bad.file("script", "#!/bin/bash\necho $1\n");
    assert!(shellcheck(bad.path(), &[script]).unwrap_err().contains("SC2086"));

    let workflow = bad.file(
        ".github/workflows/bad.yaml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ github.event.head_commit.message }} ${{ nonsense }}\n",
    );
    let found = actionlint(bad.path(), &[workflow]).unwrap_err();
    assert!(found.contains("nonsense"), "{found}");
    let found = zizmor(bad.path()).unwrap_err();
    assert!(found.contains("template-injection"), "{found}");

    let action = root().join("tests/it/support/checkout/action.yml");
    let found = actionlint_action(&action, "        with: { no-such-input: x }\n").unwrap_err();
    assert!(found.contains("no-such-input"), "{found}");
    let broken = bad
        .file("broken.yml", "name: x\ndescription: y\nruns: { using: composite, steps: [{ run: echo }] }\n");
    let found = actionlint_action(&broken, "").unwrap_err();
    assert!(found.contains("shell"), "{found}");
}
