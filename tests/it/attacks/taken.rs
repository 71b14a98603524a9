//! A version that was promoted stays what it is.

use super::{makefile, push};
use crate::support::gate::Gate;

/// Each build gives another image, and says that it ran.
fn changing() -> String {
    makefile().replace("echo '$(P2P_VERSION)' >", "touch '$(HOME)/built' && date +%s%N >")
}

fn built(gate: &Gate) -> bool {
    let file = gate.home().join("built");
    let built = file.exists();
    let _ = std::fs::remove_file(file);
    built
}

#[test]
fn the_gate_again_on_a_promoted_commit_keeps_what_was_promoted() {
    for own in [
        "",
        "p2p-promote-to-extended-test: ; @touch '$(HOME)/promoted' && '$(P2P_BIN)' copy --on-existing \
                     overwrite '$(SOURCE_REGISTRY)/test/shop:$(VERSION)' '$(REGISTRY)/extended-test/shop:$(VERSION)'\n",
    ] {
        let gate = Gate::new(&format!("{}{own}", changing()));
        gate.run(&["fast-feedback"]).passed();
        let first = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
        let _ = std::fs::remove_file(gate.home().join("promoted"));
        let run = gate.run(&["fast-feedback"]);
        run.passed();
        let second = gate.registry.digest("test/shop", "0.0.1").unwrap();
        assert_ne!(first, second);
        assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1").as_ref(), Some(&first));
        assert!(!gate.home().join("promoted").exists(), "the recipe would push another image");
        assert!(run.stdout.contains(&format!("stays {first}; this run tested {second}")), "{}", run.stdout);
        // Said before the build, too.
        let (early, build) = (run.stdout.find("stays sha256"), run.stdout.find("p2p-build passed"));
        assert!(early.unwrap() < build.unwrap(), "{}", run.stdout);
        assert_eq!((run.output("promoted"), run.step("p2p-promote-to-extended-test")), ("[]", "passed"));
        assert_eq!(run.json("images")[0]["digest"], second.as_str());
        gate.run(&["extended-test"]).passed();
        assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), Some(first));
    }
}

#[test]
fn a_version_of_another_commit_is_refused_before_the_build() {
    let gate = Gate::new(&changing());
    gate.run(&["fast-feedback"]).passed();
    let first = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    let gate = gate.commit("second").input("version", "0.0.1");
    for (on_existing, message) in [("", "is of the commit"), ("keep", "is of the commit")] {
        let gate = &gate;
        assert!(built(gate) || on_existing == "keep");
        let run = gate.run(&[
            "fast-feedback",
            "--on-existing",
            if on_existing.is_empty() { "keep" } else { on_existing },
        ]);
        assert!(run.ended(1).stdout.contains(message), "{}", run.stdout);
        assert!(
            run.stdout.contains(&format!("extended-test/shop:0.0.1 already is {first}")),
            "{}",
            run.stdout
        );
        assert!(run.stdout.contains("skopeo delete --tls-verify=false docker://"), "{}", run.stdout);
        assert!(!built(gate), "nothing was run");
    }
    gate.run(&["fast-feedback", "--on-existing", "overwrite"]).passed();
    assert_ne!(gate.registry.digest("extended-test/shop", "0.0.1"), Some(first));
}

#[test]
fn an_image_without_a_record_is_no_re_run_s() {
    let gate = Gate::new(&changing());
    push(&gate, "extended-test/shop", "0.0.1", "planted");
    let planted = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    for on_existing in ["keep", "fail"] {
        let run = gate.run(&["fast-feedback", "--on-existing", on_existing]);
        assert!(run.ended(1).stdout.contains(&format!("0.0.1 already is {planted}")), "{}", run.stdout);
        assert!(!built(&gate), "nothing was run");
    }
    gate.run(&["fast-feedback", "--on-existing", "overwrite"]).passed();
    let run = gate.run(&["fast-feedback", "--on-existing", "fail"]);
    assert!(run.ended(1).stdout.contains("`on-existing` is `fail`"), "{}", run.stdout);
}

#[test]
fn of_several_images_the_promoted_one_stays_and_the_other_follows() {
    let two = changing().replace(
        "'$(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)'\n",
        "'$(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)'\n\
         \t@'$(P2P_BIN)' image push .rootfs '$(P2P_REGISTRY_FAST_FEEDBACK)/db:$(P2P_VERSION)'\n",
    );
    let gate = Gate::new(&two).input("image-names", "shop");
    gate.run(&["fast-feedback"]).passed();
    let first = gate.registry.digest("extended-test/shop", "0.0.1");
    let gate = gate.input("image-names", "shop db");
    let run = gate.run(&["fast-feedback"]);
    let promoted = run.passed().json("promoted");
    assert_eq!((promoted.as_array().unwrap().len(), &promoted[0]["name"]), (1, &"db".into()));
    assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1"), first);
    assert_eq!(gate.registry.digest("extended-test/db", "0.0.1"), gate.registry.digest("test/db", "0.0.1"));
    gate.run(&["extended-test"]).passed();
}
