//! What a run tells besides its log: masks, outputs, the summary, records of what it knows.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::github::{Fault, Seen};

#[test]
fn secrets_are_masked_before_anything_is_said() {
    let gate = Gate::new(MAKEFILE).input("env-vars", "PASSWORD=correct horse\n");
    let run = gate.input("registry-logins", "r.example me battery-staple").run(&["fast-feedback"]);
    let lines: Vec<_> = run.passed().stdout.lines().collect();
    let message = lines.iter().position(|line| !line.starts_with("::add-mask::")).unwrap();
    let masked = lines[..message].concat();
    for secret in [gate_token(&run.stdout), "correct horse", "battery-staple"] {
        assert!(masked.contains(&format!("::add-mask::{secret}")), "{secret}: {masked}");
        assert_eq!(run.stdout.matches(&format!("::add-mask::{secret}\n")).count(), 1, "{secret}");
    }
}

/// The token that the job was given: the first mask.
fn gate_token(stdout: &str) -> &str {
    stdout.lines().next().unwrap().strip_prefix("::add-mask::").unwrap()
}

#[test]
fn a_tag_that_was_not_created_is_no_output() {
    let gate = Gate::new(MAKEFILE).tag("v1.2.3").commit("second");
    gate.github.fault(|seen: &Seen| {
        seen.creates_ref().then(|| Fault::error(403, "Resource not accessible by integration"))
    });
    let run = gate.run(&["fast-feedback"]);
    run.ended(69);
    assert_eq!(run.step("version"), "failed");
    assert_eq!((run.output("version-tag"), run.output("tag-created")), ("", "false"));
    assert!(run.summary().contains("tag `v1.2.4` (not created)"), "{}", run.summary());

    gate.github.fault(|_| None);
    let run = gate.run(&["fast-feedback"]);
    assert_eq!((run.passed().output("version-tag"), run.output("tag-created")), ("v1.2.4", "true"));
}

#[test]
fn digests_are_enough_for_a_later_job() {
    let gate = Gate::new(MAKEFILE);
    let version = gate.run(&["version"]).passed().output("version").to_owned();
    let gate = gate.input("version", &version);
    let build = gate.run(&["run", "p2p-build"]);
    let digest = build.passed().json("images")[0]["digest"].clone();
    assert_eq!(build.json("digests"), json!({"shop": digest}));
    let given = gate.input("images", build.output("digests"));
    let run = given.run(&["promote", "extended-test"]);
    assert_eq!(run.passed().json("promoted")[0]["digest"], digest);

    let other = given.input("images", &json!({"shop": format!("sha256:{}", "0".repeat(64))}).to_string());
    let run = other.run(&["promote", "extended-test"]);
    assert!(run.ended(1).stdout.contains("is not the image that was tested"), "{}", run.stdout);
}

#[test]
fn an_output_that_the_runner_drops_is_warned_of() {
    let gate = Gate::new(MAKEFILE).input("env-vars", "PROJECT=acme\n");
    let run = gate.run(&["fast-feedback"]);
    for (name, dropped) in [("images", true), ("promoted", true), ("digests", false), ("version", false)] {
        let warning = format!("GitHub drops the output `{name}`, because it holds a masked value");
        assert_eq!(run.passed().stdout.contains(&warning), dropped, "{name}\n{}", run.stdout);
    }
}

#[test]
fn a_summary_never_grows_past_what_the_runner_takes() {
    let long = |target: &str| {
        format!("{target}:\n\t@yes 'a line of a report' | head -c 700000 >> \"$$GITHUB_STEP_SUMMARY\"\n")
    };
    let makefile = format!("P2P_APP_NAME := shop\n{}{}", long("p2p-one"), long("p2p-other"));
    let run = Gate::new(&makefile).run(&["run", "p2p-one", "p2p-other"]);
    let summary = run.passed().summary();
    assert!(summary.starts_with("## ✅ run passed") && summary.len() <= 1 << 20, "{} bytes", summary.len());
    assert!(summary.contains("| p2p-other | ✅ passed |"));
    assert!(summary.ends_with("*1 more left out: a summary holds at most 1 MiB.*\n"));
}

#[test]
fn a_test_of_other_bytes_does_not_begin() {
    let moves = "p2p-functional:\n\t@mkdir .x && echo moved > .x/file && '$(P2P_BIN)' image push .x \
                 '$(P2P_REGISTRY_FAST_FEEDBACK)/shop:$(P2P_VERSION)'\n";
    let makefile =
        MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:\n", "p2p-nft p2p-integration:\n");
    let run = Gate::new(&format!("{makefile}{moves}")).run(&["fast-feedback"]);
    run.ended(1);
    assert_eq!((run.step("p2p-functional"), run.step("p2p-nft")), ("passed", "passed"));
    assert_eq!(run.step("p2p-integration"), "failed");
    assert!(run.stdout.contains("is no longer the image that was recorded"), "{}", run.stdout);
    assert!(!run.logs.contains_key("p2p-integration.log"));
}

#[test]
fn a_test_that_is_only_declared_is_warned_of() {
    let makefile =
        MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:\n", "p2p-functional p2p-integration:\n");
    let run = Gate::new(&makefile).run(&["fast-feedback"]);
    assert_eq!(run.passed().step("p2p-nft"), "nothing");
    let warning = "p2p-nft tests nothing: the Makefile declares it";
    assert!(run.stdout.contains(&format!("::warning title=p2p::{warning}")), "{}", run.stdout);
    assert!(
        run.summary().contains("| p2p-nft | ➖ does nothing |")
            && run.summary().contains("p2p-nft tests nothing")
    );
}
