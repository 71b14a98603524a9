//! The release workflow: the commands of its last job, against a loopback GitHub.

use std::path::Path;
use std::process::Command;

use super::{PLATFORMS, binaries, copy, printed, root, script};
use crate::support::gate::Gate;
use crate::support::git::git;
use crate::support::release::{Answer, Server};
use crate::support::tools::tool;

const PARTS: [&str; 7] =
    ["action.yml", "dist", "scripts/release", ".github/workflows", "crates", "Cargo.toml", "Cargo.lock"];

const EXAMPLE: &str = "jobs:\n  gate:\n    steps:\n      - uses: coreeng/p2p-action@v1\n";

fn workflow() -> String {
    std::fs::read_to_string(root().join(".github/workflows/release.yaml")).unwrap()
}

/// The inputs of the workflow's last step, as it stands there, but for those that are expressions.
fn inputs() -> Vec<(String, String)> {
    let text = workflow();
    let (_, step) = text.split_once("      - name: Release\n").unwrap();
    assert!(step.contains("run: out/p2p-linux-x64 release\n"), "{step}");
    let mut inputs: Vec<(String, String)> = Vec::new();
    for line in step.lines().map(str::trim) {
        match line.strip_prefix("INPUT_").and_then(|line| line.split_once(": ")) {
            Some((name, value)) => {
                inputs
                    .push((name.to_lowercase().replace('_', "-"), value.trim_start_matches('|').to_owned()));
            }
            None if line.starts_with('#') => break,
            None => {
                if let Some((_, value)) = inputs.last_mut() {
                    *value += line;
                    value.push('\n');
                }
            }
        }
    }
    inputs.retain(|(_, value)| !value.contains("${{"));
    inputs
}

/// This repository, released as v1.2.3, at a commit on top of it.
fn repository() -> Gate {
    let gate = Gate::new("p2p-build:\n").tag("v1.2.3");
    copy(&PARTS, &gate.workspace());
    // What cargo wants to see of a crate.
    let gate = gate
        .file("src/main.rs", "")
        .file("src/lib.rs", "")
        .file("tests/it/main.rs", "")
        .file(".gitignore", "out\n")
        .file("examples/app/.github/workflows/gate.yaml", EXAMPLE)
        .commit("sources");
    inputs().into_iter().fold(gate, |gate, (name, value)| gate.input(&name, &value))
}

#[test]
fn what_is_released_is_what_bootstrap_starts() {
    let gate = repository().input("version", "1.2.4");
    binaries(&gate.workspace());
    printed(&gate.workspace(), "prepare", &["1.2.4", "out"]);
    let run = gate.run(&["release"]);
    run.passed();

    let tags = gate.remote.tags();
    assert_eq!((&tags["v1"], &tags["v1.2"]), (&tags["v1.2.4"], &tags["v1.2.4"]), "the floating tags moved");
    assert_eq!(gate.remote.git(&["rev-parse", "v1.2.4^"]), gate.head());
    let changed = gate.remote.git(&["diff", "--name-only", "v1.2.4^", "v1.2.4"]);
    let changed: Vec<&str> = changed.lines().collect();
    assert!(changed.contains(&"dist/manifest"), "{changed:?}");
    assert!(changed.contains(&"examples/app/.github/workflows/gate.yaml"), "{changed:?}");
    assert!(changed.contains(&".github/workflows/self-test.yaml"), "{changed:?}");
    assert!(
        changed.iter().all(|path| !path.starts_with("src") && !path.starts_with("scripts")),
        "{changed:?}"
    );

    // A user's checkout of the floating tag.
    let user = tempfile::tempdir().unwrap();
    let url = format!("file://{}", gate.remote.path().display());
    git(user.path(), &["clone", "--quiet", "--depth=1", "--branch=v1", &url, "the action"]);
    let example = user.path().join("the action/examples/app/.github/workflows/gate.yaml");
    assert_eq!(std::fs::read_to_string(example).unwrap(), EXAMPLE.replace("@v1", "@v1.2.4"));

    let releases = gate.github.releases();
    let release = releases.iter().find(|release| release.tag == "v1.2.4").unwrap();
    assert!(!release.draft);
    assert!(release.assets.iter().any(|asset| asset.name == "p2p.cdx.json"));
    for (system, machine, platform) in [
        ("linux-gnu", "x86_64", "linux-x64"),
        ("linux-musl", "aarch64", "linux-arm64"),
        ("darwin23", "x86_64", "macos-x64"),
        ("darwin23", "arm64", "macos-arm64"),
    ] {
        assert!(PLATFORMS.contains(&platform));
        let asset = release.assets.iter().find(|asset| asset.name == format!("p2p-{platform}")).unwrap();
        assert_eq!(asset.content, script(platform).as_bytes());
        let server = Server::start([Answer::Body(asset.content.clone())]);
        let message = started(user.path(), &server, &[("OSTYPE", system), ("HOSTTYPE", machine)]);
        assert_eq!(message, format!("p2p for {platform}: version\n"));
        let path = format!("GET /coreeng/p2p-action/releases/download/v1.2.4/p2p-{platform} ");
        assert!(server.requests()[0].starts_with(&path), "{:?}", server.requests());
    }

    // The workflow again on the same commit.
    gate.git(&["checkout", "--quiet", "--", "."]);
    printed(&gate.workspace(), "prepare", &["1.2.4", "out"]);
    let run = gate.run(&["release"]);
    run.passed();
    assert_eq!((gate.remote.tags(), gate.github.releases().len()), (tags, releases.len()));
}

/// The action's step, in a job of its own machine.
fn started(user: &Path, server: &Server, platform: &[(&str, &str)]) -> String {
    let output = Command::new(tool("bash"))
        .args(["--noprofile", "--norc", "-p", "-e", "-o", "pipefail", "-c"])
        .arg("source \"$GITHUB_ACTION_PATH/dist/bootstrap\"")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GITHUB_ACTION_PATH", user.join("the action"))
        .env("GITHUB_SERVER_URL", server.url())
        .env("RUNNER_TOOL_CACHE", user.join(platform[0].1).join(platform[1].1))
        .env("RUNNER_TEMP", user)
        .env("INPUT_COMMAND", "version")
        .envs(platform.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_build_that_lacks_a_platform_is_not_released() {
    let gate = repository().input("version", "1.2.4");
    binaries(&gate.workspace());
    std::fs::remove_file(gate.workspace().join("out/p2p-macos-arm64")).unwrap();
    let output = super::ran(&gate.workspace(), "prepare", &["1.2.4", "out"]);
    assert!(!output.status.success());
    assert!(!gate.has("dist/manifest"), "half a manifest is worse than none");
    let before = gate.remote.tags();
    assert_ne!(gate.run(&["release"]).code, 0, "without a manifest there is no release");
    assert_eq!(gate.remote.tags(), before);
}

#[test]
fn nothing_is_public_before_all_is_built_and_tested() {
    let text = workflow();
    let places: Vec<usize> = [
        "\npermissions: {}\n",
        "\n  version:\n",
        "\n  build:\n",
        "\n  self-test:\n",
        "\n  publish:\n",
        "scripts/release/prepare",
        "actions/attest-build-provenance@",
        "create-github-app-token@",
        "INPUT_FLOATING_TAGS: major,minor",
        "p2p-linux-x64 release",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("{part} is missing")))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(text.contains("needs: [version, build, self-test]"));
    assert_eq!(text.matches(": write").count(), 4, "who may write what is to be looked at");
}
