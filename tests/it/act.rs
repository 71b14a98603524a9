//! What the other tests rely on when they run workflows with act.

use serde_json::json;

use crate::support::act::{Act, product};
use crate::support::repository::Repository;

/// A composite action whose "binary" tells what reached it.
const ACTION: &str = r#"
name: p2p
description: A stand-in for the action.
inputs:
  tenant-name: { description: the tenant, default: '' }
  fail: { description: exit code, default: '0' }
outputs:
  version: { description: the version, value: '${{ steps.run.outputs.version }}' }
runs:
  using: composite
  steps:
    - id: run
      shell: bash --noprofile --norc -p -e -o pipefail {0}
      env:
        INPUT_TENANT_NAME: ${{ inputs.tenant-name }}
        INPUT_FAIL: ${{ inputs.fail }}
      run: source "$GITHUB_ACTION_PATH/dist/bootstrap" fast-feedback
"#;

const BINARY: &str = r##"
echo "arguments: $*"
echo "tenant: $INPUT_TENANT_NAME"
echo "event: $GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_SHA $GITHUB_REPOSITORY $GITHUB_API_URL"
echo "leaked: ${TEST_THREADS-}${CARGO_MANIFEST_DIR-}${NEXTEST-}"
echo "to stderr" >&2
echo "::warning file=Makefile,line=3::100%25 sure"
echo "::add-mask::hunter2"
echo "password: hunter2"
printf 'version<<X\n1.2.3\nX\n' >> "$GITHUB_OUTPUT"
echo "# Verdict" >> "$GITHUB_STEP_SUMMARY"
exit "$INPUT_FAIL"
"##;

const WORKFLOW: &str = r#"
on:
  push:
  pull_request:
  workflow_dispatch: { inputs: { ref: { description: what, type: string } } }
permissions: {}
jobs:
  gate:
    runs-on: ubuntu-24.04
    outputs:
      version: ${{ steps.p2p.outputs.version }}
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with:
          ref: ${{ inputs.ref }}
      - id: git
        run: |
          echo "branch: $(git branch --show-current)"
          echo "head: $(git rev-parse HEAD)"
          echo "commits: $(git rev-list --count HEAD)"
          echo "origin: $(git remote get-url origin)"
          echo "header: $(git config http.https://github.com/.extraheader | cut -c1-20)"
          ls
      - id: p2p
        uses: coreeng/p2p-action@v1
        with:
          tenant-name: ${{ vars.TENANT_NAME }}
          fail: ${{ vars.FAIL || '0' }}
  after:
    needs: gate
    runs-on: ubuntu-24.04
    steps:
      - id: say
        run: echo "gate gave ${{ needs.gate.outputs.version }}"
"#;

/// A repository with two commits and an untracked file, and a stand-in for the action.
fn scene() -> (Repository, Repository, String) {
    let (repository, action) = (Repository::new(), Repository::new());
    repository.commit("first");
    repository.file("Makefile", "all:\n");
    let head = repository.commit("second");
    repository.file("untracked", "");
    action.file("action.yml", ACTION);
    action.file("dist/bootstrap", BINARY);
    (repository, action, head)
}

#[test]
fn a_push_runs_the_action_as_users_write_it() {
    let (repository, action, head) = scene();
    let run = Act::new(repository.path())
        .action(action.path())
        .env("GITHUB_API_URL", "http://127.0.0.1:1")
        .var("TENANT_NAME", "acme")
        .secret("GITHUB_TOKEN", "a-token")
        .workflow(WORKFLOW)
        .event("push", json!({"ref": "refs/heads/main"}))
        .run();
    run.passed();
    assert_eq!(
        run.printed("gate", "git"),
        format!(
            "branch: main\nhead: {head}\ncommits: 1\norigin: https://github.com/acme/shop\n\
             header: AUTHORIZATION: basic\nMakefile\n"
        )
    );
    assert_eq!(
        run.printed("gate", "p2p"),
        format!(
            "arguments: fast-feedback\ntenant: acme\nevent: push refs/heads/main {head} acme/shop http://127.0.0.1:1\n\
             leaked: \nto stderr\npassword: ***\n"
        )
    );
    let warnings = run.commands("warning");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].arg, "100% sure");
    assert_eq!(warnings[0].properties, json!({"file": "Makefile", "line": "3"}));
    assert_eq!(run.output("gate", "p2p", "version"), Some("1.2.3"));
    assert_eq!(run.output("gate", "p2p", "other"), None);
    assert_eq!(run.summary("gate", "p2p"), "# Verdict\n");
    assert_eq!(run.printed("after", "say"), "gate gave 1.2.3\n");
    assert_eq!((run.job("gate"), run.job("after")), (Some("success"), Some("success")));
}

#[test]
fn a_failing_action_fails_the_job_and_skips_what_needs_it() {
    let (repository, action, _) = scene();
    let run = Act::new(repository.path()).action(action.path()).var("FAIL", "3").workflow(WORKFLOW).run();
    run.failed();
    assert_eq!((run.job("gate"), run.job("after")), (Some("failure"), None));
    assert!(
        run.lines.iter().any(|line| line.level == "error" && line.text.contains("exit status 3")),
        "{}",
        run.log()
    );
    assert_eq!(run.output("gate", "p2p", "version"), Some("1.2.3"), "outputs of a failed step count");
}

/// act closes the terminal of a step that failed: see `support/act/bash`.
#[test]
fn a_failing_step_loses_none_of_its_lines() {
    let (repository, ..) = scene();
    let run = Act::new(repository.path())
        .workflow(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - id: print\n        \
             run: seq 5000; echo ::error::it failed; printf 'no end'; PATH=/other:$PATH; bash -c 'exit 3'\n",
        )
        .run();
    run.failed();
    let printed = run.printed("a", "print");
    let lines: Vec<_> = printed.lines().collect();
    let numbers = (1..=5000).map(|number: u32| number.to_string());
    assert_eq!(lines, numbers.chain(["no end".to_owned()]).collect::<Vec<_>>());
    assert_eq!(run.commands("error")[0].arg, "it failed");
}

#[test]
fn events_decide_what_the_steps_see() {
    let (repository, action, head) = scene();
    let base = repository.git(&["rev-parse", "HEAD~1"]);
    let seen = |event: &str, payload: serde_json::Value| {
        let run =
            Act::new(repository.path()).action(action.path()).workflow(WORKFLOW).event(event, payload).run();
        let printed = run.passed().printed("gate", "p2p");
        let line = printed.lines().find_map(|line| line.strip_prefix("event: ")).unwrap().to_owned();
        (line, run.printed("gate", "git"))
    };
    let (tag, checkout) = seen("push", json!({"ref": "refs/tags/v9.0.0"}));
    assert_eq!(tag, format!("push refs/tags/v9.0.0 {head} acme/shop https://api.github.com"));
    assert!(checkout.starts_with("branch: \n"), "detached: {checkout}");
    let (pull, _) = seen(
        "pull_request",
        json!({"number": 7, "pull_request": {"head": {"sha": base, "ref": "feature"}, "base": {"ref": "main"}}}),
    );
    assert_eq!(pull, format!("pull_request refs/pull/7/merge {head} acme/shop https://api.github.com"));
    let (_, checkout) = seen("workflow_dispatch", json!({"ref": "refs/heads/main", "inputs": {"ref": base}}));
    assert!(checkout.contains(&format!("head: {base}\ncommits: 1\n")), "{checkout}");
}

#[test]
fn the_process_environment_does_not_leak_into_steps_unless_given() {
    let (repository, action, _) = scene();
    let run = Act::new(repository.path())
        .action(action.path())
        .process_env("NEXTEST", "given")
        .workflow(WORKFLOW)
        .run();
    assert!(run.passed().printed("gate", "p2p").contains("leaked: given\n"), "{}", run.raw);
}

#[test]
fn the_product_is_copied_without_sources() {
    let root = Repository::new();
    for file in
        ["action.yml", "dist/bootstrap", ".github/workflows/x.yaml", "src/main.rs", "target/debug/p2p"]
    {
        root.file(file, file);
    }
    let checkout = product(root.path());
    let mut files: Vec<_> = walkdir::WalkDir::new(checkout.path())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(checkout.path()).unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [".github/workflows/x.yaml", "action.yml", "dist/bootstrap"].map(std::path::PathBuf::from)
    );
}
