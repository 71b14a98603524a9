//! No token or key is left anywhere, however a run ends.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use walkdir::WalkDir;

use super::{Cloud, MAKEFILE, SWITCHES};
use crate::support::gate::{Gate, Run};

/// Prints every secret that the target has.
const SHOWS: &str = r#"	@cat "$$GOOGLE_APPLICATION_CREDENTIALS" "$$REGISTRY_AUTH_FILE" "$$DOCKER_CONFIG/config.json"
	@cat "$$(dirname "$$KUBECONFIG")/token"; env | grep -i token; echo
	@cat "$$GOOGLE_APPLICATION_CREDENTIALS" | tee -a "$$GITHUB_STEP_SUMMARY" >> "$$GITHUB_OUTPUT"
"#;

/// Asserts that no secret that ever went over the wire is in a file or in what the runner shows.
#[track_caller]
fn nothing_is_left(cloud: &Cloud, gate: &Gate, run: &Run) {
    let secrets = cloud.google.secrets();
    assert!(secrets.len() > 6, "two identities had theirs");
    let basic = |secret: &String| STANDARD.encode(format!("oauth2accesstoken:{secret}"));
    let all: Vec<String> = secrets.iter().cloned().chain(secrets.iter().map(basic)).collect();
    let check = |place: &str, text: &str| {
        for secret in &all {
            assert!(!text.contains(secret.as_str()), "{place} holds {secret}");
        }
    };
    for root in [&gate.workspace(), gate.home(), gate.temporary()] {
        for entry in WalkDir::new(root).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let text = std::fs::read(entry.path()).unwrap();
                check(&entry.path().display().to_string(), &String::from_utf8_lossy(&text));
            }
        }
    }
    for (place, text) in run.texts() {
        // The runner takes these lines and shows none of them.
        let shown: Vec<_> = text.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        check(place, &shown.join("\n"));
    }
    let left: Vec<_> =
        std::fs::read_dir(gate.temporary()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let logs = |path: &Path| path.to_string_lossy().starts_with("p2p-logs-");
    assert!(left.iter().all(|name| logs(Path::new(name))), "{left:?}");
}

#[test]
fn after_success_failure_and_cancellation() {
    let shows =
        |recipe: &str| MAKEFILE.replace("p2p-integration:\n", &format!("p2p-integration:\n{SHOWS}{recipe}"));
    let promote = SWITCHES
        .replace("p2p-promote-to-extended-test:\n", &format!("p2p-promote-to-extended-test:\n{SHOWS}"));

    let cloud = Cloud::new();
    let gate = cloud.gate(&format!("{}{promote}", shows("")));
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert!(
        run.logs["p2p-functional.log"].contains("***")
            && run.logs["p2p-promote-to-extended-test.log"].contains("SOURCE_ACCESS_TOKEN=***")
    );
    nothing_is_left(&cloud, &gate, &run);

    let cloud = Cloud::new();
    let gate = cloud.gate(&format!("{}{promote}", shows("\t@false\n")));
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    nothing_is_left(&cloud, &gate, &run);

    let cloud = Cloud::new();
    let gate = cloud.gate(&shows("\t@echo on > \"$$MARKS/$@\"; exec sleep 600\n"));
    let marks = gate.home().to_owned();
    let gate = gate.env("MARKS", &marks);
    let mut running = gate.start(&["fast-feedback"]);
    running.until("both run", |_| marks.join("p2p-functional").exists() && marks.join("p2p-nft").exists());
    running.signal(Signal::TERM);
    let run = running.end();
    run.ended(143);
    nothing_is_left(&cloud, &gate, &run);
}
