//! Tokens that end while targets run: what carries them is renewed in place.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{AUTH_FILE, Cloud, MAKEFILE};

/// Asks the cluster and the registry again and again for eight seconds. Each time the files must do.
const ASKS: &str = r#"	@[ $@ = p2p-functional ] || exit 0; for i in $$(seq 16); do \
	  kubectl get configmaps -o name > /dev/null || exit 3; \
	  skopeo inspect --tls-verify=false --format ok docker://$(image) > /dev/null || exit 4; \
	  skopeo inspect --authfile "$$DOCKER_CONFIG/config.json" --tls-verify=false --format ok docker://$(image) || exit 5; \
	  sleep 0.5; done
"#;

#[test]
fn targets_and_promotions_outlive_the_tokens_that_they_began_with() {
    for own in ["", AUTH_FILE] {
        let cloud = Cloud::new();
        cloud.google.life(Duration::from_secs(4));
        let makefile = MAKEFILE.replace("p2p-integration:\n", &format!("p2p-integration:\n{ASKS}"));
        let run = cloud.gate(&format!("{makefile}{own}")).run(&["fast-feedback"]);
        run.passed();
        assert_eq!(run.logs["p2p-functional.log"].matches("ok\n").count(), 16);
        assert_eq!(run.step("p2p-promote-to-extended-test"), "passed");
        let minted = cloud.google.count("POST /v1/projects/-/serviceAccounts/p2p-shop@acme-dev.");
        assert!(minted > 4, "{minted} tokens of the own account");
    }
}

#[test]
fn a_signal_while_a_target_waits_for_its_token_ends_the_run_at_once() {
    let cloud = Cloud::new();
    cloud.google.life(Duration::from_secs(4));
    // The first outlives the token; for the second no new one comes.
    let gate = cloud.gate(
        "P2P_APP_NAME := basket\n.PHONY: a b\na: ; @touch started; sleep 5; touch ended\nb: ; @touch ran\n",
    );
    let (_release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let started = gate.workspace().join("started");
    cloud.google.server().fault(move |seen| {
        if seen.path == "/v1/token" && started.exists() {
            let _ = held.lock().unwrap().recv();
        }
        None
    });
    let mut running = gate.start(&["run", "a", "b"]);
    running.until("the first has ended", |running| running.stdout().contains("✓ a passed"));
    let since = Instant::now();
    running.signal(Signal::TERM);
    let run = running.end();
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    run.ended(143);
    assert_eq!((run.step("a"), run.step("b")), ("passed", "skipped"));
    assert!(run.report["half_deployed"].is_null(), "it never began: {}", run.report);
    assert!(!gate.has("ran"));
}
