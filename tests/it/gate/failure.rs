//! A gate that fails: what still runs, what does not, and what the reader is told.

use super::{Job, Scene, settings};

/// nft fails while functional is under way; both print what is secret.
const MAKEFILE: &str = r#"
P2P_APP_NAME ?= web
.PHONY: p2p-build p2p-functional p2p-nft p2p-integration
p2p-build:
	mkdir -p root && "$$P2P_BIN" image push root "$(P2P_REGISTRY_FAST_FEEDBACK)/web:$(P2P_VERSION)"
p2p-functional:
	@until [ -e "$$KEPT/failed" ]; do sleep 0.02; done; sleep 0.2
	@echo "deployed with $$API_TOKEN"
	@echo "200 requests, 200 answers"
p2p-nft:
	@echo "::error file=load.js,line=7::p99 is 812 ms"
	@echo "warming up with $$API_TOKEN"
	@echo "$$CERTIFICATE"
	@printf '%s' "$$API_TOKEN" | base64
	@echo '## Load' >> "$$GITHUB_STEP_SUMMARY"; echo "with $$API_TOKEN" >> "$$GITHUB_STEP_SUMMARY"
	@echo "p99 is 812 ms, the limit is 500 ms"
	@touch "$$KEPT/failed"
	@exit 3
p2p-integration:
	@touch "$$KEPT/integration"
"#;

const ENV_VARS: &str =
    "API_TOKEN=tok=en \\with spaces\nCERTIFICATE<<END\nline one of it\nline two of it\nEND\n";
const SECRETS: [&str; 4] =
    ["tok=en \\with spaces", "line one of it", "line two of it", "dG9rPWVuIFx3aXRoIHNwYWNlcw=="];

#[test]
fn a_failing_nft_lets_functional_finish_and_stops_the_rest() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let ended = scene.push(&[Job::new("gate").with("env-vars", ENV_VARS).with("timeout", "1m")]);
    ended.run.failed();

    assert_eq!(ended.exit_code("gate"), 2, "make's own");
    assert_eq!(ended.output("gate", "result"), "failure");
    assert_eq!(
        ended.steps("gate"),
        [
            "preflight passed",
            "version passed",
            "p2p-build passed",
            "images passed",
            "p2p-functional passed",
            "p2p-nft failed",
            "p2p-integration skipped",
            "p2p-promote-to-extended-test skipped",
        ]
    );
    assert!(!ended.path("", "integration").exists());
    assert_eq!(scene.registry.tags("shop/extended-test/web"), [""; 0]);
    assert_eq!(ended.output("gate", "promoted"), "[]");
    // The tag stays: a run on the same commit takes it again.
    assert_eq!(ended.output("gate", "version-tag"), "v1.2.4");
    assert_eq!(scene.bare.tags()["v1.2.4"], scene.head);
    assert_eq!(
        ended.file("gate", "logs/p2p-functional.log"),
        "deployed with ***\n200 requests, 200 answers\n"
    );

    let (log, summary) = (ended.log("gate"), ended.run.summary("gate", "p2p"));
    settings().bind(|| {
        insta::assert_snapshot!("log", log);
        insta::assert_snapshot!("summary", summary);
    });

    let mut places: Vec<_> = ended.outputs("gate").into_iter().collect();
    places.push(("log".to_owned(), log));
    places.push(("summary".to_owned(), summary));
    for file in ended.files("gate", "logs") {
        places.push((file.clone(), ended.file("gate", &format!("logs/{file}"))));
    }
    for (place, text) in places {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{place} holds {secret:?}:\n{text}");
        }
    }
}
