//! The later gates with real git repositories and a real registry behind the binary.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::server::{Reply, Seen, Server};

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
        state.push(format!("{} {:x}", entry.path().display(), hash(&held)));
    }
    state
}

fn hash(bytes: &[u8]) -> u64 {
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
}

/// The latest version in a stage's path, as the gate itself settles it.
fn latest(gate: &Gate, stage: &str) -> String {
    gate.run(&["latest", stage]).passed().output("version").to_owned()
}

/// Puts a small image at these tags below a path of the gate's registry.
fn image(gate: &Gate, path: &str, tags: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), path).unwrap();
    for tag in tags {
        let image = format!("{}/{path}:{tag}", gate.registry.path());
        let run = gate.run(&["image", "push", directory.path().to_str().unwrap(), &image]);
        run.passed();
    }
}

#[test]
fn the_latest_is_the_highest_semantic_version_that_all_images_have() {
    let gate = scene();
    image(&gate, "extended-test/shop", &["1.9.0", "v1.10.0", "1.10.0-rc.1", "latest", "zzz", "1.2"]);
    assert_eq!(latest(&gate, "extended-test"), "v1.10.0");
    assert_eq!(latest(&gate, "prod"), "");
    image(&gate, "extended-test/shop-db", &["1.9.0", "2.0.0"]);
    let gate = gate.input("image-names", "shop shop-db");
    assert_eq!(latest(&gate, "extended-test"), "1.9.0");
    let makefile = format!("{MAKEFILE}{LATER}p2p-images: ; @echo shop-db\n");
    let gate = gate.file("Makefile", &makefile).commit("third").input("image-names", "");
    assert_eq!(latest(&gate, "extended-test"), "2.0.0");
    let empty = gate.input("image-names", "").file("Makefile", "x:\n").commit("fourth").input("registry", "");
    let run = empty.run(&["prod"]);
    run.ended(64);
    assert!(run.stdout.contains("the registry is not known"), "{}", run.stdout);
}

#[test]
fn a_new_image_keeps_the_others_waiting_for_nothing() {
    let gate = scene().input("image-names", "shop shop-new");
    let run = gate.run(&["latest", "extended-test"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    let warnings = run.report["warnings"].to_string();
    assert!(warnings.contains("extended-test/shop-new, which is left out"), "{warnings}");
    image(&gate, "extended-test/shop-new", &["5.0.0"]);
    let run = gate.run(&["extended-test"]);
    assert_eq!((run.passed().output("version"), run.step("p2p-extended-test")), ("", "skipped"));
    let warnings = run.report["warnings"].to_string();
    assert!(warnings.contains("nothing is tested, although versions await this gate"), "{warnings}");
}

#[test]
fn there_need_be_no_makefile_to_find_a_version() {
    let gate = Gate::new("$(error nobody reads this)\n");
    image(&gate, "prod/web", &["0.3.0"]);
    let gate = gate.input("image-names", "web").event("workflow_dispatch", json!({}));
    assert_eq!(latest(&gate, "prod"), "0.3.0");
}

#[test]
fn a_version_that_is_given_is_taken_and_its_tag_must_exist() {
    let gate = scene();
    let run = gate.run(&["extended-test", "--version", "0.0.1"]);
    assert!(run.passed().stdout.contains("0.0.1 (given by the input `version`)"), "{}", run.stdout);
    let run = gate.run(&["extended-test", "--version", "0.0.2"]);
    run.ended(64);
    let url = gate.github.git_url();
    assert!(
        run.stdout
            .contains(&format!("the version 0.0.2 has no tag v0.0.2 in {}", url.trim_end_matches(".git"))),
        "{}",
        run.stdout
    );
    // The tag is there and the image is not.
    let gate = gate.tag("v0.0.3");
    let run = gate.run(&["prod", "--version", "0.0.3"]);
    run.ended(1);
    assert!(run.stdout.contains("prod/shop:0.0.3 is not in the registry"), "{}", run.stdout);
    assert!(run.stdout.contains("`extended-test` must have promoted this version first"), "{}", run.stdout);
    assert_eq!(run.step("p2p-prod"), "skipped");
}

#[test]
fn a_shallow_checkout_gets_the_tag_s_files_and_stays_as_it_is() {
    let gate = scene().file("big", "of a later commit").commit("third").shallow();
    assert_eq!(gate.git(&["rev-list", "--count", "HEAD"]), "1");
    let before = state(&gate);
    let tagged = gate.remote.tags()["v0.0.1"].clone();
    let run = gate.run(&["extended-test"]);
    run.passed();
    assert_eq!(state(&gate), before);
    let log = &run.logs["p2p-extended-test.log"];
    assert!(log.contains(&format!("in first at {tagged} by v0.0.1")), "{log}");
}

#[test]
fn an_annotated_tag_and_a_monorepo_s_prefix_lead_to_their_commit() {
    let gate = Gate::new("x:\n")
        .input("promotion-record", "off")
        .file("apps/api/Makefile", &format!("{MAKEFILE}{LATER}"))
        .commit("app");
    let tagged = gate.head();
    gate.remote.annotate("team/api-v1.2.3", &tagged);
    gate.remote.annotate("team/api-v1.2.30", &tagged);
    let gate = gate
        .input("working-directory", "apps/api")
        .input("version-prefix", "team/api-v")
        .input("artifacts", "p2p-prod: [results/*]\np2p-build: nothing")
        .commit("after");
    image(&gate, "prod/shop", &["1.2.3"]);
    let run = gate.run(&["prod"]);
    run.passed();
    assert_eq!(run.output("version-tag"), "team/api-v1.2.3");
    assert!(run.logs["p2p-prod.log"].contains(&tagged));
    // The checkout of the tag is gone; what was wanted of it is not.
    let kept = run.output("artifacts");
    assert!(kept.ends_with("/artifacts/results/p2p-prod.txt"), "{kept}");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "1.2.3\n");
    assert!(!gate.has("apps/api/results"));
}

#[test]
fn submodules_and_a_directory_that_the_tag_lacks_are_noted() {
    let gate = scene()
        .file(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n")
        .commit("third")
        .tag("v0.0.5")
        .input("promotion-record", "off");
    image(&gate, "prod/shop", &["0.0.5"]);
    let run = gate.run(&["prod"]);
    assert!(run.passed().stdout.contains("the tag v0.0.5 has submodules, which are not checked out"));
    let gate = gate.file("apps/web/Makefile", "x:\n").commit("fourth").input("working-directory", "apps/web");
    let run = gate.run(&["prod", "--version", "0.0.5"]);
    run.ended(64);
    assert!(run.stdout.contains("the tag v0.0.5 has no directory apps/web"), "{}", run.stdout);
}

#[test]
fn a_missing_record_is_a_warning_where_it_is_expected_and_another_digest_is_an_error() {
    let gate = scene().tag("v0.0.7").input("promotion-record", "expected");
    image(&gate, "prod/shop", &["0.0.7"]);
    let run = gate.run(&["prod"]);
    run.passed();
    let warnings = run.report["warnings"].to_string();
    for gate in ["fast-feedback", "extended-test"] {
        assert!(
            warnings.contains(&format!("prod/shop:0.0.7 passed {gate}: it has no record of any gate")),
            "{warnings}"
        );
    }
    let run = gate.run(&["prod", "--promotion-record", "off"]);
    assert_eq!(run.passed().report["warnings"], json!([]));

    // What an earlier job recorded is what must be there.
    let images = run.output("images").to_owned();
    let gate = gate.input("images", &images);
    gate.run(&["prod"]).passed();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "another").unwrap();
    let image = format!("{}/prod/shop:0.0.7", gate.registry.path());
    gate.run(&["image", "push", directory.path().to_str().unwrap(), &image]).passed();
    let run = gate.run(&["prod"]);
    run.ended(1);
    assert!(run.stdout.contains("is not the image that the input `images` names"), "{}", run.stdout);
    assert_eq!(run.step("p2p-prod"), "skipped");
    // Without records the digests count all the same.
    let run = gate.run(&["prod", "--promotion-record", "off"]);
    run.ended(1);
    assert!(run.stdout.contains("is not the image that the input `images` names"), "{}", run.stdout);
    assert_eq!(run.step("p2p-prod"), "skipped");
}

#[test]
fn of_the_images_that_an_earlier_job_recorded_those_are_promoted_that_are_named() {
    let gate = scene();
    image(&gate, "test/shop-db", &["0.0.1"]);
    let recorded = ["shop", "shop-db"].map(|name| {
        let digest = gate.registry.digest(&format!("test/{name}"), "0.0.1").unwrap();
        json!({"name": name, "reference": format!("{}/test/{name}:0.0.1", gate.registry.path()), "digest": digest})
    });
    let gate = gate.input("version", "0.0.1").input("images", &json!(recorded).to_string());
    let next = json!({"next": {"registry": format!("{}/next", gate.registry.path())}}).to_string();
    let gate =
        gate.input("image-names", "shop-db").input("dest-environment", "next").input("environments", &next);
    let plan = gate.run(&["plan", "promote", "extended-test", "--output", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.passed().stdout).unwrap();
    assert_eq!(plan["images"]["recorded"], json!([recorded[1]]));
    let run = gate.run(&["promote", "extended-test"]);
    let promoted = run.passed().json("promoted");
    assert_eq!((promoted.as_array().unwrap().len(), &promoted[0]["name"]), (1, &json!("shop-db")));
    assert_eq!(gate.registry.digest("next/extended-test/shop", "0.0.1"), None);
    assert!(gate.registry.digest("next/extended-test/shop-db", "0.0.1").is_some());
}

#[test]
fn an_image_that_moves_while_it_is_tested_is_not_promoted() {
    let moves = "p2p-extended-test:\n\t@mkdir .x && echo moved > .x/file && '$(P2P_BIN)' image push .x \
                 '$(P2P_REGISTRY_EXTENDED_TEST)/shop:$(P2P_VERSION)'\n";
    let gate = Gate::new(&format!("{MAKEFILE}{moves}"));
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["extended-test"]);
    run.ended(1);
    assert!(run.stdout.contains("is not the image that was tested"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
}

#[test]
fn the_team_s_own_recipe_promotes_to_production() {
    let own = "p2p-promote-to-prod:\n\t@echo \"from $(SOURCE_REGISTRY)\" && '$(P2P_BIN)' copy \
               '$(SOURCE_REGISTRY)/extended-test/shop:$(VERSION)' '$(P2P_REGISTRY_PROD)/shop:$(VERSION)'\n";
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}{own}"));
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["extended-test"]);
    run.passed();
    assert!(run.logs["p2p-promote-to-prod.log"].contains("from "), "make ran it");
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), gate.registry.digest("test/shop", "0.0.1"));
}

#[test]
fn a_recipe_that_promotes_nothing_is_said() {
    let own = "p2p-promote-to-extended-test: ; @echo done\n";
    let gate = Gate::new(&format!("{MAKEFILE}{own}"));
    let run = gate.run(&["fast-feedback"]);
    run.ended(1);
    let failure = run.report["steps"].as_array().unwrap().last().unwrap()["failure"].to_string();
    assert!(failure.contains("there is no such tag"), "{failure}");
    assert!(
        failure.contains("`p2p-promote-to-extended-test` ended well and pushed nothing there"),
        "{failure}"
    );
}

#[test]
fn events_that_never_promote_do_not_here_either() {
    for (event, git_ref, promoted) in [
        ("pull_request_target", "refs/heads/main", "skipped"),
        ("workflow_run", "refs/heads/main", "skipped"),
        ("workflow_dispatch", "refs/heads/topic", "skipped"),
        ("workflow_dispatch", "refs/heads/main", "passed"),
        ("repository_dispatch", "refs/heads/main", "passed"),
    ] {
        let gate = scene().event(event, json!({})).git_ref(git_ref);
        let run = gate.run(&["extended-test"]);
        run.passed();
        assert_eq!(run.step("p2p-extended-test"), "passed", "{event}");
        assert_eq!(run.step("p2p-promote-to-prod"), promoted, "{event} {git_ref}");
        assert_eq!(gate.registry.digest("prod/shop", "0.0.1").is_some(), promoted == "passed");
    }
}

#[test]
fn a_plan_shows_what_would_be_done_and_changes_nothing() {
    let gate = scene();
    let (before, writes) = (state(&gate), gate.registry.writes().len());
    for arguments in [&["plan", "extended-test"][..], &["extended-test", "--dry-run"]] {
        let run = gate.run(arguments);
        run.passed();
        let text = &run.stdout;
        let registry = gate.registry.address();
        assert!(
            text.contains(&format!("  version  0.0.1 (the latest at {registry}/acme/extended-test/shop)")),
            "{text}"
        );
        assert!(text.contains("  tag      v0.0.1, which exists"), "{text}");
        assert!(text.contains("p2p-extended-test    make p2p-extended-test"), "{text}");
        assert!(text.contains("variables of p2p-extended-test (namespace acme-shop-extended):"), "{text}");
        assert_eq!((run.output("version"), run.output("version-tag")), ("0.0.1", "v0.0.1"));
    }
    assert_eq!(state(&gate), before);
    assert_eq!(gate.registry.writes().len(), writes);
    let run = gate.run(&["plan", "prod"]);
    assert!(run.passed().stdout.contains("  version  none: no version awaits this gate"), "{}", run.stdout);
}

#[test]
fn a_laptop_goes_through_the_gates_with_what_it_has() {
    let gate = Gate::local(&format!("{MAKEFILE}{LATER}"))
        .file("Makefile", &format!("{MAKEFILE}{LATER}").replace("first", "edited"));
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["extended-test"]);
    assert!(run.passed().stdout.contains("in edited at"), "{}", run.stdout);
    assert_eq!(run.step("p2p-promote-to-prod"), "passed");
    let run = gate.run(&["prod"]);
    assert_eq!((run.passed().step("images"), run.step("p2p-prod")), ("passed", "passed"));
    assert!(gate.github.requests().is_empty());
}

#[test]
fn the_latest_of_ten_thousand_tags_is_on_whichever_page() {
    // Sorted as text, as registries do: 1.0.9999 stands on the last page, 1.9.0 before the end.
    let mut tags: Vec<String> = (0..10_000).map(|patch| format!("1.0.{patch}")).collect();
    tags.push("1.10.0".to_owned());
    tags.sort();
    let pages = move |seen: &Seen| {
        let Some(name) = seen.path.strip_prefix("/v2/").and_then(|path| path.strip_suffix("/tags/list"))
        else {
            return Reply::json(404, &json!({}));
        };
        let last = seen.parameter("last").unwrap_or_default();
        let rest: Vec<_> = tags.iter().filter(|tag| **tag > last).collect();
        let page: Vec<_> = rest.iter().take(1000).collect();
        let reply = Reply::json(200, &json!({"name": name, "tags": page}));
        match page.last() {
            Some(end) if rest.len() > page.len() => {
                reply.header("link", &format!("</v2/{name}/tags/list?n=1000&last={end}>; rel=\"next\""))
            }
            _ => reply,
        }
    };
    let server = Server::start(None, pages);
    let gate = Gate::new("x:\n")
        .input("image-names", "shop")
        .input("registry", &format!("{}/acme", server.address))
        .event("schedule", json!({}));
    assert_eq!(latest(&gate, "prod"), "1.10.0");
    let lists = server.requests().iter().filter(|seen| seen.path == "/v2/acme/prod/shop/tags/list").count();
    assert_eq!(lists, 11);
}

#[test]
fn a_target_that_failed_says_how_to_repeat_its_gate() {
    let gate = Gate::new(&format!("{MAKEFILE}p2p-extended-test: ; @false\n"));
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["extended-test"]);
    run.ended(2);
    assert!(run.stdout.contains("repeat it:  p2p extended-test\n"), "{}", run.stdout);
    assert_eq!(run.step("p2p-promote-to-prod"), "skipped");
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing_behind() {
    let makefile = format!("{MAKEFILE}p2p-prod:\n\t@touch $(HOME)/begun && exec sleep 60\n");
    let gate = Gate::new(&makefile);
    gate.run(&["fast-feedback"]).passed();
    image(&gate, "prod/shop", &["0.0.1"]);
    let gate = gate.input("promotion-record", "off");
    let before = state(&gate);
    let mut running = gate.start(&["prod"]);
    running.until("p2p-prod runs", |_| gate.home().join("begun").exists());
    running.signal(rustix::process::Signal::INT);
    let run = running.end();
    run.ended(130);
    assert_eq!(run.output("result"), "cancelled");
    assert_eq!(state(&gate), before);
    for entry in std::fs::read_dir(gate.temporary()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("p2p-logs-"), "{name}");
    }
}

/// The tag may name something else by now.
#[test]
fn what_an_earlier_job_handed_over_is_all_there_is() {
    let gate = Gate::new(MAKEFILE);
    gate.run(&["run", "p2p-build", "--version", "1.2.3"]).passed();
    let gate = gate.input("images", "[]");
    let run = gate.run(&["promote", "extended-test", "--version", "1.2.3"]);
    assert!(run.ended(1).stdout.contains("there is no image to promote"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("extended-test/shop", "1.2.3"), None);
}

#[test]
fn a_laptop_has_no_released_versions() {
    let run = Gate::local(MAKEFILE).run(&["latest", "prod"]);
    assert!(run.ended(64).stderr.contains("there are no released versions in a local run"), "{}", run.stderr);
}

#[test]
fn an_image_without_its_records_does_not_go_on() {
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}")).input("promotion-record", "off");
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.input("promotion-record", "");
    for command in [&["extended-test"][..], &["promote", "prod"]] {
        let run = gate.run(command);
        run.ended(1);
        let message = "extended-test/shop:0.0.1 passed fast-feedback";
        assert!(run.stdout.contains("no record says that "), "{}", run.stdout);
        assert!(run.stdout.contains(message), "{}", run.stdout);
        assert!(run.stdout.contains("fast-feedback: it has no record of any gate"), "{}", run.stdout);
        assert!(!run.logs.contains_key("p2p-extended-test.log"), "{:?}", run.logs.keys());
        assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
    }

    // The next version has them.
    let gate = gate.commit("second").input("version", "");
    gate.run(&["fast-feedback"]).passed();
    let run = gate.run(&["extended-test"]);
    assert_eq!(run.passed().report["warnings"], serde_json::json!([]));
    gate.run(&["prod"]).passed();
}
