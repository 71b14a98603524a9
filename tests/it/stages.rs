//! The later gates with real git repositories and a real registry behind the binary.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};

/// The targets of the later gates tell where they run, and leave a file.
const LATER: &str = "\
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod:
\t@echo \"$@ of $(P2P_VERSION) in $(KIND) at $$(git rev-parse HEAD) by $$(git describe --tags --exact-match)\"
\t@echo \"images of $(P2P_REGISTRY_EXTENDED_TEST) and $(P2P_REGISTRY_PROD)\"
\t@mkdir -p results && echo '$(P2P_VERSION)' > results/$@.txt
KIND = first
";

/// A version on the main branch that passed fast feedback as 0.0.1, and a commit after it.
fn scene() -> Gate {
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}"));
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(gate.remote.tags().keys().collect::<Vec<_>>(), ["v0.0.1"]);
    gate.file("Makefile", &format!("{MAKEFILE}{LATER}").replace("KIND = first", "KIND = second"))
        .commit("second")
        .event("schedule", json!({}))
}

/// Everything of the checkout that a run must not change.
fn state(gate: &Gate) -> Vec<String> {
    let files = walkdir::WalkDir::new(gate.workspace()).sort_by_file_name();
    let mut state = vec![gate.git(&["status", "--porcelain=v2", "--branch", "--ignored"])];
    for entry in files {
        let entry = entry.unwrap();
        let held =
            if entry.file_type().is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
        state.push(format!("{} {:x}", entry.path().display(), p2p_hash(&held)));
    }
    state
}

fn p2p_hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn steps(run: &Run) -> Vec<String> {
    let steps = run.report["steps"].as_array().unwrap().iter();
    steps
        .map(|step| format!("{} {}", step["name"].as_str().unwrap(), step["status"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_version_goes_from_gate_to_gate_as_it_was_tagged_and_the_checkout_stays() {
    let gate = scene();
    let tagged = gate.remote.tags()["v0.0.1"].clone();
    assert_ne!(tagged, gate.head());
    let digest = gate.registry.digest("test/shop", "0.0.1");
    for (command, next) in [("extended-test", Some("prod")), ("prod", None)] {
        let before = state(&gate);
        let run = gate.run(&[command]);
        run.passed();
        assert_eq!(state(&gate), before);
        let mut expected =
            vec!["version passed".to_owned(), "images passed".to_owned(), format!("p2p-{command} passed")];
        expected.extend(next.map(|next| format!("p2p-promote-to-{next} passed")));
        let mut done = steps(&run);
        done.retain(|step| step != "preflight passed");
        assert_eq!(done, expected);
        let log = &run.logs[&format!("p2p-{command}.log")];
        assert!(log.contains(&format!("p2p-{command} of 0.0.1 in first at {tagged} by v0.0.1\n")), "{log}");
        assert_eq!((run.output("version"), run.output("version-tag")), ("0.0.1", "v0.0.1"));
        assert_eq!(run.json("images")[0]["digest"].as_str(), digest.as_deref());
        assert_eq!(run.report["warnings"], json!([]), "the records of the gates before are there");
        let leftovers: Vec<_> = std::fs::read_dir(gate.temporary())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(leftovers.iter().all(|name| name.starts_with("p2p-logs-")), "{leftovers:?}");
    }
    assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1"), digest);
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), digest);
}

#[test]
fn nothing_awaits_an_empty_path() {
    let gate = scene();
    let run = gate.run(&["prod"]);
    run.passed();
    assert_eq!((run.output("version"), run.output("result")), ("", "success"));
    assert_eq!(steps(&run), ["p2p-prod skipped"]);
    insta::assert_snapshot!(run.stdout.replace(&gate.registry.address(), "(registry)"));
    insta::assert_snapshot!(run.summary().replace(&gate.registry.address(), "(registry)"));
    let _: Value = run.report;
}
