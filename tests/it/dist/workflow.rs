//! The same through real workflow runs: the action's own `action.yml`, under the name users give it.

use std::path::Path;
use std::sync::{Arc, Barrier};

use serde_json::json;
use tempfile::TempDir;

use super::scene::{BINARY, body, hash, platform};
use crate::support::act::{Act, Run, product};
use crate::support::release::{Answer, Server};
use crate::support::repository::Repository;

/// The action as a release has it, whose manifest names [`BINARY`].
fn action() -> TempDir {
    let action = product(Path::new(env!("CARGO_MANIFEST_DIR")));
    let manifest = format!("version 1.2.3\n{} p2p-file {} {}\n", platform(), BINARY.len(), hash(BINARY));
    std::fs::write(action.path().join("dist/manifest"), manifest).unwrap();
    action
}

/// Runs jobs that use it. `MIRROR` is the server, `CACHE` a directory with a space in its name.
fn run(server: &Server, jobs: &str) -> Run {
    let (action, repository, machine) = (action(), Repository::new(), tempfile::tempdir().unwrap());
    repository.commit("first");
    Act::new(repository.path())
        .action(action.path())
        .var("MIRROR", &server.url())
        .env("RUNNER_TOOL_CACHE", machine.path().join("tool cache").to_str().unwrap())
        .workflow(&format!("on: push\nenv: {{ BASH_ENV: /nowhere/evil.sh }}\njobs:\n{jobs}"))
        .event("push", json!({"ref": "refs/heads/main"}))
        .jobs_at_once(2)
        .run()
}

/// A step that downloads from a folder of the server; `more` is what else stands in it.
fn step(id: &str, more: &str) -> String {
    format!(
        "      - id: {id}
        uses: coreeng/p2p-action@v1
        continue-on-error: true
        with: {{ command: version, download-base-url: '${{{{ vars.MIRROR }}}}/{id}' }}
{more}"
    )
}

#[test]
fn every_way_that_a_start_goes() {
    let wrong = || Answer::Body(b"#!/bin/sh\necho evil\n".into());
    let server = Server::of_folders([
        ("cold", vec![body()]),
        ("damaged", vec![body()]),
        ("wrong", vec![wrong()]),
        ("truncated", vec![Answer::Truncated(BINARY.to_vec()), body()]),
        ("missing", vec![Answer::Status(404)]),
        ("overloaded", vec![Answer::Status(503), body()]),
        ("readonly", vec![body()]),
        ("wget", vec![Answer::Status(503), body()]),
    ]);
    let run_step = |text: &str| format!("      - run: {text}\n");
    let cached = "\"$RUNNER_TOOL_CACHE\"/p2p/1.2.3/*/p2p";
    let steps = [
        step("cold", ""),
        step("warm", ""),
        run_step(&format!("echo damage >> {cached}")),
        step("damaged", ""),
        run_step(&format!("rm {cached}")),
        step("wrong", ""),
        step("missing", ""),
        step("truncated", ""),
        run_step(&format!("rm {cached}")),
        step("overloaded", ""),
        step("readonly", "        env: { RUNNER_TOOL_CACHE: /dev/null/cache }\n"),
        run_step(&format!("rm {cached}")),
        // Everything that the machine has but curl.
        run_step(
            "mkdir without && for program in bash chmod env grep mkdir mktemp mv openssl rm sh sleep wc wget; do ln -s \"$(command -v $program)\" without; done",
        ),
        step("wget", "        env: { PATH: '${{ github.workspace }}/without' }\n"),
    ];
    let run = run(&server, &format!("  gate:\n    runs-on: ubuntu-24.04\n    steps:\n{}", steps.concat()));
    run.passed();
    for id in ["cold", "warm", "damaged", "truncated", "overloaded", "readonly", "wget"] {
        let printed = run.printed("gate", id);
        assert!(printed.contains("p2p runs as "), "{id}: {printed}\n{}", run.log());
        assert!(printed.contains("INPUT_COMMAND=version\n"), "{id}: {printed}");
        assert_eq!(printed.contains("is damaged"), id == "damaged", "{id}: {printed}");
    }
    for (id, message) in [("wrong", "is not what was released"), ("missing", "404")] {
        let printed = run.printed("gate", id);
        assert!(printed.contains(message) && !printed.contains("p2p runs"), "{id}: {printed}");
        assert!(!printed.contains("evil\n"), "{id}: {printed}");
        let annotated =
            |line: &&crate::support::act::Line| line.is_of("gate", id) && line.arg.contains(message);
        assert!(run.commands("error").iter().any(annotated), "{id}: {}", run.log());
    }
    let mut asked: Vec<String> = server.requests().iter().map(|head| folder(head)).collect();
    asked.dedup();
    let folders = ["cold", "damaged", "wrong", "missing", "truncated", "overloaded", "readonly", "wget"];
    assert_eq!(asked, folders, "a warm start downloads nothing");
    assert_eq!(server.requests().len(), folders.len() + 3, "three were asked again");
    assert!(!server.requests().concat().to_lowercase().contains("authorization"), "no token leaves");
}

fn folder(head: &str) -> String {
    head.split('/').nth(1).unwrap().to_owned()
}

#[test]
fn two_jobs_start_at_once() {
    let together = Answer::Together(Arc::new(Barrier::new(2)), BINARY.to_vec());
    let server = Server::of_folders([("p2p", vec![together])]);
    let job = |name: &str| format!("  {name}:\n    runs-on: ubuntu-24.04\n    steps:\n{}", step("p2p", ""));
    let run = run(&server, &(job("one") + &job("two")));
    run.passed();
    for job in ["one", "two"] {
        let printed = run.printed(job, "p2p");
        assert!(printed.contains("p2p runs as "), "{printed}");
    }
    assert_eq!(server.requests().len(), 2);
}
