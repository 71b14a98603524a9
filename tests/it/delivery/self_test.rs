//! The self-test workflow does on this machine what it does on GitHub's: real action, real binary.

use serde_json::json;

use super::copy_of;
use crate::support::act::Act;
use crate::support::git::Bare;
use crate::support::github::Github;

const CALLER: &str = "
on: push
jobs:
  self-test:
    uses: ./.github/workflows/self-test.yaml
    with: { version: 1.2.3 }
";

#[test]
fn a_candidate_starts_cold_and_warm_from_a_mirror_on_disk() {
    let repository = copy_of(&["action.yml", "dist", "scripts/release", ".github/workflows"]);
    // The one job that runs without Docker, on the one runner that we are.
    let workflow = repository.path().join(".github/workflows/self-test.yaml");
    let text = std::fs::read_to_string(&workflow).unwrap();
    let (whole, _) = text.split_once("\n  container:\n").unwrap();
    let other = |line: &&str| line.contains("- { platform: ") && !line.contains("linux-x64");
    let jobs: Vec<&str> = whole.lines().filter(|line| !other(line)).collect();
    assert_eq!(jobs.len() + 3, whole.lines().count());
    std::fs::write(&workflow, jobs.join("\n")).unwrap();
    repository.commit("without a container");

    let artifacts = tempfile::tempdir().unwrap();
    std::fs::create_dir(artifacts.path().join("p2p-linux-x64")).unwrap();
    let binary = artifacts.path().join("p2p-linux-x64/p2p-linux-x64");
    std::fs::copy(env!("CARGO_BIN_EXE_p2p"), binary).unwrap();
    let stand_in = tempfile::tempdir().unwrap();
    std::fs::write(
        stand_in.path().join("action.yml"),
        r#"
name: Download stand-in
description: Copies from TEST_ARTIFACTS.
inputs: { name: { description: artifact }, path: { description: where to } }
runs:
  using: composite
  steps:
    - shell: bash
      env: { NAME: "${{ inputs.name }}", TO: "${{ inputs.path }}" }
      run: cp -R "$TEST_ARTIFACTS/$NAME" "$TO"
"#,
    )
    .unwrap();

    let bare = Bare::new();
    bare.tag("v0.4.1", &bare.commit("first"));
    let github = Github::start(bare.path());
    let version = |action: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("uses: {action}@")));
        format!("{action}@{}", line.unwrap().split(' ').next().unwrap())
    };
    let run = Act::new(repository.path())
        .local_repository(&version("actions/download-artifact"), stand_in.path())
        .local_repository(&version("actions/upload-artifact"), stand_in.path()) // skipped, but wanted
        .env("TEST_ARTIFACTS", artifacts.path().to_str().unwrap())
        .env("GITHUB_SERVER_URL", &github.server_url)
        .env("GITHUB_API_URL", &github.api_url)
        .secret("GITHUB_TOKEN", github.token)
        .workflow(CALLER)
        .event("push", json!({"ref": "refs/heads/main"}))
        .run();
    run.passed();
    let log = run.log();
    let found: Vec<_> =
        run.commands("set-output").into_iter().filter(|line| line.name == "version").collect();
    assert!(found.len() >= 2 && found.iter().all(|line| line.arg == "0.4.2"), "{found:?}\n{log}");
    assert!(log.contains("/p2p/1.2.3/x64/p2p\n"), "the workflow's own look at the tool cache\n{log}");
    assert_eq!(bare.tags().len(), 1, "a self-test creates nothing");
}
