//! Makefiles as teams have them: without names, without images, with versions of their own, with builds that
//! push nothing.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run, digest_in};

/// The simplest tenant: it reads `REGISTRY` and `VERSION`, and promotes by itself.
const SIMPLEST: &str = "\
.PHONY: p2p-build p2p-functional p2p-nft p2p-promote-to-extended-test p2p-extended-test p2p-promote-to-prod
p2p-build:
\t@mkdir -p .rootfs && echo '$(VERSION)' > .rootfs/version
\t@'$(P2P_BIN)' image push .rootfs '$(REGISTRY)/test/anything:$(VERSION)'
p2p-functional p2p-nft p2p-extended-test: ; @echo '$@ of $(VERSION)'
p2p-promote-to-extended-test:
\t@'$(P2P_BIN)' copy '$(SOURCE_REGISTRY)/test/anything:$(VERSION)' '$(REGISTRY)/extended-test/anything:$(VERSION)'
p2p-promote-to-prod:
\t@'$(P2P_BIN)' copy '$(SOURCE_REGISTRY)/extended-test/anything:$(VERSION)' '$(REGISTRY)/prod/anything:$(VERSION)'
";

/// An infrastructure module: nothing is built.
const MODULE: &str = "\
P2P_APP_NAME ?= network
.PHONY: p2p-build p2p-functional p2p-nft p2p-extended-test
p2p-build p2p-functional p2p-nft p2p-extended-test: ; @echo '$@ of $(P2P_VERSION)'
";

/// A Makefile with an include that it downloads while it is read: there, and not tracked.
fn downloads(makefile: &str) -> String {
    let text = ".PHONY: p2p-images\\np2p-images: ; @echo $$(P2P_APP_NAME)\\n";
    format!("$(shell printf '{text}' > .p2p.mk)\ninclude .p2p.mk\n{makefile}")
}

fn with_defaults(makefile: &str) -> Gate {
    Gate::new(&downloads(makefile)).file(".gitignore", ".p2p.mk\n.rootfs\n").commit("ignore")
}

#[track_caller]
fn said_once(run: &Run, text: &str) {
    assert_eq!(run.stdout.matches(text).count(), 1, "{text}: {}", run.stdout);
}

#[test]
fn a_team_s_own_promotion_needs_no_name() {
    let gate = Gate::new(SIMPLEST).input("version", "1.2.3");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    said_once(&run, "the app's name is not known");
    assert!(!run.stdout.contains("no image is known by its digest"), "{}", run.stdout);
    assert_eq!(run.step("p2p-promote-to-extended-test"), "passed");
    let tested = gate.registry.digest("test/anything", "1.2.3");
    assert!(tested.is_some());
    assert_eq!(gate.registry.digest("extended-test/anything", "1.2.3"), tested);
    let gate = gate.tag("v1.2.3");
    let run = gate.run(&["extended-test"]);
    run.passed();
    said_once(&run, "the app's name is not known");
    assert_eq!(gate.registry.digest("prod/anything", "1.2.3"), tested);
    let run = gate.run(&["promote", "prod"]);
    run.passed();
    said_once(&run, "the app's name is not known");
    let without = SIMPLEST.replace("p2p-promote-to-extended-test", "other");
    let run = Gate::new(&without).input("version", "1.2.3").run(&["fast-feedback"]);
    assert!(run.ended(64).stdout.contains("so there is no image to promote"), "{}", run.stdout);
}

#[test]
fn a_module_without_an_image_passes_all_gates() {
    for gate in [
        Gate::new(&format!("{MODULE}p2p-images: ; @:\n")),
        Gate::new(&format!("{MODULE}.PHONY: p2p-images\n")),
        with_defaults(MODULE),
    ] {
        let run = gate.run(&["fast-feedback"]);
        run.passed();
        assert_eq!(run.step("p2p-promote-to-extended-test"), "passed");
        assert!(!run.stdout.contains("is not in the registry"), "{}", run.stdout);
        said_once(&run, "images passed in");
        assert!(run.stdout.contains("0 images recorded: "), "{}", run.stdout);
        assert_eq!(run.json("images"), json!([]));
        assert_eq!(gate.registry.digest("test/network", "0.0.1"), None);
        let gate = gate.event("schedule", json!({}));
        let run = gate.run(&["extended-test"]);
        assert_eq!(run.passed().step("p2p-extended-test"), "skipped", "nothing awaits it: {}", run.stdout);
        let run = gate.run(&["extended-test", "--version", "0.0.1"]);
        assert_eq!(run.passed().step("p2p-extended-test"), "passed", "{}", run.stdout);
        // As a job of its own, with what the job that built handed over.
        let run = gate.input("images", "{}").run(&["promote", "extended-test", "--version", "0.0.1"]);
        assert!(run.passed().stdout.contains("there is none to promote"), "{}", run.stdout);
    }
}

#[test]
fn an_image_that_a_team_lists_or_has_had_must_be_there() {
    let gate = Gate::new(&format!("{MODULE}p2p-images: ; @echo network\n"));
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(1).stdout.contains("acme/test/network:0.0.1 is not in the registry"), "{}", run.stdout);
    let run = with_defaults(MODULE).input("image-names", "network").run(&["fast-feedback"]);
    run.ended(1);
    // The default list of an app that has had versions is one of images.
    let gate = with_defaults(MAKEFILE);
    gate.run(&["fast-feedback"]).passed();
    let forgets =
        MAKEFILE.replace("image push", "image digest").replace("\t@'$(P2P_BIN)' image digest", "\t@: ");
    let gate = gate.file("Makefile", &downloads(&forgets)).commit("forgets to push");
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(1).stdout.contains("acme/test/shop:0.0.2 is not in the registry"), "{}", run.stdout);
}

#[test]
fn a_version_of_the_makefile_s_own_gives_way_and_is_told() {
    let own = "VERSION := $(shell echo 9.9.9)\n-include .env\n";
    let makefile =
        MAKEFILE.replace("P2P_REGISTRY_FAST_FEEDBACK)", "REGISTRY)/test").replace("P2P_VERSION", "VERSION");
    let gate =
        Gate::new(&format!("{own}{makefile}")).file(".env", "REGISTRY=r.example/elsewhere\n").commit("env");
    let run = gate.run(&["plan"]);
    assert!(run.passed().stdout.contains("Makefile:1 sets `VERSION`"), "{}", run.stdout);
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    said_once(&run, "Makefile:1 sets `VERSION`, which p2p sets as well: targets get the value of p2p");
    said_once(&run, ".env:1 sets `REGISTRY`");
    assert_eq!(run.logs["p2p-functional.log"], "p2p-functional of 0.0.1\n");
    assert!(gate.registry.digest("extended-test/shop", "0.0.1").is_some());
    let gate = Gate::new(&format!("VERSION ?= 9\n{makefile}"));
    let run = gate.run(&["fast-feedback"]);
    assert!(!run.passed().stdout.contains("sets `VERSION`"), "{}", run.stdout);
}

#[test]
fn a_version_that_cannot_give_way_is_told_before_the_build() {
    let makefile = MAKEFILE.replace("P2P_VERSION", "VERSION");
    for (own, why) in [
        ("override VERSION := 9.9.9\n", "because it says `override`"),
        ("VERSION := v$(VERSION)\n", "because it makes it of the value of p2p"),
        ("p2p-build: VERSION := 9.9.9\n", "because it is for single targets"),
        ("VERSION := 9.9.9\np2p-build: VERSION := 9.9.8\n", "because it is for single targets"),
    ] {
        let run = Gate::new(&format!("{own}{makefile}")).run(&["fast-feedback"]);
        assert!(run.ended(1).stdout.contains(why), "{own}: {}", run.stdout);
        assert!(run.stdout.contains("shop:0.0.1 is not in the registry"), "{own}: {}", run.stdout);
        let (message, built) = (run.stdout.find(why), run.stdout.find("p2p-build"));
        assert!(message.is_some(), "{message:?} {built:?}");
    }
}

/// The build pushes only in the first run.
fn pushes_once() -> String {
    MAKEFILE
        .replace("\t@'$(P2P_BIN)' image push", "\t@test -e \"$$HOME/pushed\" || '$(P2P_BIN)' image push")
        .replace(
            "p2p-functional p2p-nft p2p-integration:",
            "\t@touch \"$$HOME/pushed\"\np2p-functional p2p-nft p2p-integration:",
        )
}

#[test]
fn a_laptop_tests_no_image_that_its_build_did_not_push() {
    let gate = Gate::local(&pushes_once());
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(1).stdout.contains("p2p-build did not push 127.0.0.1:"), "{}", run.stdout);
    assert_eq!((run.step("images"), run.step("p2p-functional")), ("failed", "skipped"));
    // The same bytes again are a build's own.
    let gate = Gate::local(MAKEFILE);
    for _ in 0..2 {
        gate.run(&["fast-feedback"]).passed();
    }
}

#[test]
fn a_changed_tree_has_a_version_of_its_own_on_a_laptop() {
    let gate = Gate::local(MAKEFILE);
    gate.run(&["fast-feedback"]).passed();
    let version = format!("0.0.0-{}", &gate.head()[..12]);
    let root = gate.home().join(".cache/p2p/registry");
    let of = |version: &str| digest_in(&root, "local/extended-test/shop", version);
    let clean = of(&version);
    assert!(clean.is_some());
    let gate = gate.file("Makefile", &format!("{MAKEFILE}# changed\n"));
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains(&format!("{version}-dirty")), "{}", run.stdout);
    assert!(of(&format!("{version}-dirty")).is_some_and(|digest| Some(digest) != clean));
    assert_eq!(of(&version), clean);
}

#[test]
fn on_github_an_image_that_was_there_before_is_told() {
    let gate = Gate::new(&pushes_once()).input("version", "1.2.3");
    let run = gate.run(&["fast-feedback"]);
    assert!(!run.passed().stdout.contains("before the build"), "{}", run.stdout);
    let run = gate.run(&["fast-feedback"]);
    said_once(&run, "acme/test/shop:1.2.3 had the digest sha256:");
    run.passed();
    // The same version for another commit, and nothing is pushed.
    let gate = gate.file("other", "x").commit("another");
    let run = gate.run(&["fast-feedback", "--on-existing", "overwrite"]);
    assert!(run.ended(1).stdout.contains("the image there is that of another commit"), "{}", run.stdout);
    assert_eq!(run.step("p2p-functional"), "skipped");
}

#[test]
fn names_that_a_target_prints_are_asked_for_before_the_build_too() {
    let gate = Gate::new(&format!("{}p2p-images: ; @echo shop\n", pushes_once())).input("version", "1.2.3");
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["fast-feedback"]);
    said_once(&run, "acme/test/shop:1.2.3 had the digest sha256:");
    // One that needs the build says nothing before it.
    let late = "p2p-images: ; @cat .rootfs/names\n";
    let makefile =
        MAKEFILE.replace("mkdir -p .rootfs &&", "mkdir -p .rootfs && echo shop > .rootfs/names &&");
    Gate::new(&format!("{makefile}{late}")).run(&["fast-feedback"]).passed();
}
