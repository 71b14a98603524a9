//! Functional and nft at the same time: nft in a copy of the workspace, and when they are not.

use std::fs;

use crate::support::gate::{Gate, MAKEFILE};

/// Downloads its include while it is read, as slowly and as carelessly as Makefiles in the wild do:
/// two makes that do so in one directory break each other. Tells where it did.
const DOWNLOADS: &str = r#"
$(shell rm -f .p2p.mk; echo '$(MAKECMDGOALS) $(CURDIR)' >> "$$MARKS/downloads"; sleep 0.1; \
  echo 'downloaded := for $(MAKECMDGOALS)' > .p2p.mk)
include .p2p.mk
"#;

/// Functional and nft run `recipe`; `$(wait)` waits until the other one is under way as well.
fn scene(head: &str, recipe: &str) -> Gate {
    let build = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:");
    let makefile = format!(
        "{head}{build}.PHONY: p2p-functional p2p-nft\np2p-functional: other = p2p-nft\np2p-nft: other = p2p-functional\n\
         wait = echo on > \"$$MARKS/$@.on\"; i=0; until [ -e \"$$MARKS/$(other).on\" ]; do \
         i=$$((i + 1)); [ $$i -lt 500 ] || exit 9; sleep 0.02; done\n\
         p2p-functional p2p-nft:\n\t@{recipe}\n"
    );
    let gate = Gate::new(&makefile);
    let marks = gate.home().to_owned();
    gate.env("MARKS", marks)
}

/// The lines of a file that targets wrote to `$MARKS`.
fn mark(gate: &Gate, name: &str) -> Vec<String> {
    let text = fs::read_to_string(gate.home().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn makefiles_that_download_an_include_do_not_trip_over_each_other() {
    let gate = scene(DOWNLOADS, "$(wait); echo '$(downloaded)'; cat .p2p.mk");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let workspace = gate.workspace().display().to_string();
    let downloads = mark(&gate, "downloads");
    let of = |goal: &str| -> Vec<&str> {
        downloads.iter().filter_map(|line| line.strip_prefix(goal)?.strip_prefix(' ')).collect()
    };
    assert_eq!(of("p2p-functional"), [workspace.as_str()]);
    let [copy] = of("p2p-nft")[..] else { panic!("{downloads:?}") };
    assert_ne!(copy, workspace);
    assert!(copy.starts_with(&gate.temporary().canonicalize().unwrap().display().to_string()), "{copy}");
    for target in ["p2p-functional", "p2p-nft"] {
        let log = &run.logs[&format!("{target}.log")];
        assert_eq!(log, &format!("for {target}\ndownloaded := for {target}\n"));
    }
    let last = fs::read_to_string(gate.workspace().join(".p2p.mk")).unwrap();
    assert_eq!(last, "downloaded := for p2p-integration\n", "nothing of nft's came back");
}

#[test]
fn the_place_of_nft_is_the_copy() {
    let recipe = "$(wait); echo \"$$PWD|$$GITHUB_WORKSPACE|$$(pwd)|$(CURDIR)\"; cat ../../note; \
                  echo $@ >> ../../note; touch made-by-$@";
    let gate = scene("", recipe);
    let makefile = fs::read_to_string(gate.workspace().join("Makefile")).unwrap();
    let gate = gate
        .file("apps/shop/Makefile", &makefile)
        .file("note", "of the commit\n")
        .commit("a monorepo")
        .input("working-directory", "apps/shop");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let places = |target: &str| -> Vec<String> {
        let log = &run.logs[&format!("{target}.log")];
        assert!(log.ends_with("of the commit\n"), "each sees the workspace as the build left it: {log}");
        log.lines().next().unwrap().split('|').map(str::to_owned).collect()
    };
    let root = gate.workspace().display().to_string();
    let directory = format!("{root}/apps/shop");
    assert_eq!(places("p2p-functional"), [&directory, &root, &directory, &directory].map(String::clone));
    let nft = places("p2p-nft");
    let root = nft[1].clone();
    let directory = format!("{root}/apps/shop");
    assert_eq!(nft, [&directory, &root, &directory, &directory].map(String::clone));
    assert!(!root.starts_with(&gate.workspace().display().to_string()));
    assert!(gate.has("apps/shop/made-by-p2p-functional") && !gate.has("apps/shop/made-by-p2p-nft"));
    assert_eq!(fs::read_to_string(gate.workspace().join("note")).unwrap(), "of the commit\np2p-functional\n");
}

#[test]
fn what_the_build_left_untracked_is_in_the_copy_and_artifacts_come_back() {
    let recipe = "$(wait); test -x built/tool; readlink built/link; mkdir -p reports; echo $@ > reports/$@.xml; \
                  echo $@ > reports/both.xml";
    let gate = scene("", recipe)
        .file(".gitignore", "built\nreports\n.rootfs\n")
        .commit("ignore")
        .input("artifacts", "reports/*.xml\nabsent/**");
    let makefile = fs::read_to_string(gate.workspace().join("Makefile")).unwrap();
    let makefile = makefile.replacen(
        "p2p-build:\n",
        "p2p-build:\n\t@mkdir -p built && echo > built/tool && chmod +x built/tool && ln -s tool built/link\n",
        1,
    );
    let gate = gate.file("Makefile", &makefile).commit("build");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let report = |name: &str| fs::read_to_string(gate.workspace().join("reports").join(name)).unwrap();
    assert_eq!(report("p2p-nft.xml"), "p2p-nft\n");
    assert_eq!(report("both.xml"), "p2p-functional\n");
    assert!(run.stdout.contains("both functional and nft wrote reports/both.xml"), "{}", run.stdout);
    let names = ["both.xml", "p2p-functional.xml", "p2p-nft.xml"];
    let expected: Vec<_> =
        names.map(|name| gate.workspace().join("reports").join(name).display().to_string()).into();
    assert_eq!(run.output("artifacts").lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_failure_of_one_does_not_stop_the_other() {
    for failing in ["p2p-functional", "p2p-nft"] {
        let recipe = format!("$(wait); [ $@ != {failing} ] || exit 3; sleep 0.3; echo finished");
        let run = scene("", &recipe).run(&["fast-feedback"]);
        run.ended(2);
        let other = if failing == "p2p-nft" { "p2p-functional" } else { "p2p-nft" };
        assert_eq!((run.step(failing), run.step(other)), ("failed", "passed"));
        assert_eq!(run.logs[&format!("{other}.log")], "finished\n");
        for later in ["p2p-integration", "p2p-promote-to-extended-test"] {
            assert_eq!(run.step(later), "skipped");
        }
    }
}

/// The sibling of a target that ended waits until the test has seen the result.
#[test]
fn the_result_of_a_target_is_reported_while_its_sibling_runs() {
    for on_github in [true, false] {
        for (first, last) in [("p2p-functional", "p2p-nft"), ("p2p-nft", "p2p-functional")] {
            let recipe = format!(
                "$(wait); [ $@ = {first} ] && exit 3; echo begins; until [ -e \"$$MARKS/go\" ]; do sleep 0.02; done; \
                 echo ends"
            );
            let scene = scene("", &recipe);
            let gate = if on_github { scene } else { scene.env("GITHUB_ACTIONS", "") };
            let mut running = gate.start(&["fast-feedback"]);
            let failed = format!("✗ {first} failed after");
            running.until("the first result is there", |run| run.stdout().contains(&failed));
            fs::write(gate.home().join("go"), "").unwrap();
            let run = running.end();
            run.ended(2);
            assert_eq!((run.step(first), run.step(last)), ("failed", "passed"));
            let at = |text: &str| run.stdout.find(text).unwrap_or_else(|| panic!("{text}: {}", run.stdout));
            let prefix = last.strip_prefix("p2p-").unwrap();
            let group = if on_github { format!("::group::{last}\n") } else { format!("\n== {last}\n") };
            assert!(
                at(&failed) < at(&group) && at(&group) < at(&format!("{prefix} | ends")),
                "{}",
                run.stdout
            );
            if on_github {
                let between = &run.stdout[..at(&failed)];
                let (opened, closed) =
                    (between.matches("::group::").count(), between.matches("::endgroup::").count());
                assert_eq!(opened, closed, "no group hides it: {}", run.stdout);
            }
            let names =
                run.report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap());
            let names: Vec<_> = names.filter(|name| [first, last].contains(name)).collect();
            assert_eq!(names, ["p2p-functional", "p2p-nft"], "the report keeps the order of the plan");
        }
    }
}

/// They run in place, functional first, and the log says why.
#[track_caller]
fn in_sequence(gate: &Gate, why: &str) {
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let message = format!("p2p-functional and p2p-nft run one after the other in place: {why}");
    assert!(run.stdout.contains(&message), "{}", run.stdout);
    let workspace = gate.workspace().display().to_string();
    let expected = ["p2p-functional begins", "p2p-functional ends", "p2p-nft begins", "p2p-nft ends"];
    assert_eq!(mark(gate, "order"), expected.map(|line| format!("{line} in {workspace}")));
    assert!(!run.stdout.contains("functional | "), "alone, there is no need for a prefix");
}

const TELLS: &str = "echo \"$@ begins in $$PWD\" >> \"$$MARKS/order\"; sleep 0.1; \
                     echo \"$@ ends in $$GITHUB_WORKSPACE\" >> \"$$MARKS/order\"";

#[test]
fn parallel_false_runs_them_in_sequence() {
    in_sequence(&scene("", TELLS).input("parallel", "false"), "`parallel` is false");
}

#[test]
fn a_workspace_over_the_limit_runs_them_in_sequence() {
    let gate = scene("", TELLS).file("large", &"x".repeat(100_000)).commit("large");
    in_sequence(&gate.input("environments", "{'': {copy-limit: 64KiB}}"), "the workspace holds ");
    let run = scene("", TELLS).input("environments", "{'': {copy-limit: 0}}").run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("over the `copy-limit` of 0 B"), "{}", run.stdout);
}

#[test]
fn a_sequence_goes_on_after_functional_failed() {
    let run = scene("", "[ $@ != p2p-functional ]").input("parallel", "false").run(&["fast-feedback"]);
    run.ended(2);
    assert_eq!((run.step("p2p-functional"), run.step("p2p-nft")), ("failed", "passed"));
    assert_eq!(run.step("p2p-integration"), "skipped");
}

#[test]
fn what_one_target_does_to_gcloud_s_credentials_the_other_does_not_undo() {
    let file = "\"$$HOME/.config/gcloud/application_default_credentials.json\"";
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:")
        + &format!(
            "p2p-functional:\n\t@mkdir -p \"$$(dirname {file})\" && echo mine > {file}; touch \"$$HOME/wrote\"\n\
             \t@until [ -e \"$$HOME/nft\" ]; do sleep 0.05; done; cat {file}\n\
             p2p-nft:\n\t@until [ -e \"$$HOME/wrote\" ]; do sleep 0.05; done; touch \"$$HOME/nft\"; cat {file}\n\
             p2p-integration: finds\nfinds: ; @! cat {file}\n"
        );
    let gate = Gate::new(&makefile).input("parallel", "true");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert_eq!(
        (run.logs["p2p-functional.log"].as_str(), run.logs["p2p-nft.log"].as_str()),
        ("mine\n", "mine\n")
    );
    assert!(!gate.home().join(".config/gcloud/application_default_credentials.json").exists());
}

/// Lines of recipes that are read and never run.
fn never(line: &str) -> String {
    format!("{TELLS}; : || {line}")
}

#[test]
fn targets_whose_recipes_name_containers_run_in_sequence() {
    let why = "recipes of both name containers (Makefile:";
    in_sequence(&scene("", &never("docker run -d --name app image")), why);
    // The same recipe runs for both, so what it names is theirs whatever it is called.
    in_sequence(&scene("start = podman run --name=$(1)\n", &never("$(call start,app-$@) image")), why);
    let behind = "p2p-functional: up\np2p-nft: check\n.PHONY: up check\n\
                  up: ; @: docker-compose up\ncheck: ; @: docker exec app true\n";
    in_sequence(&scene(behind, TELLS), why);
}

#[test]
fn targets_that_write_for_gcloud_run_in_sequence_and_find_what_the_job_had() {
    let file = "\"$$HOME/.config/gcloud/application_default_credentials.json\"";
    let append = format!("mkdir -p \"$$(dirname {file})\"; echo {{}} >> {file}; cat {file}");
    let gate = scene("", &append);
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("recipes of both write `~/.config/gcloud`"), "{}", run.stdout);
    for target in ["p2p-functional", "p2p-nft"] {
        assert_eq!(run.logs[&format!("{target}.log")], "{}\n", "{target} finds nothing of the other's");
    }
    assert!(!gate.home().join(".config/gcloud/application_default_credentials.json").exists());
}

#[test]
fn targets_run_at_once_where_only_one_names_a_container_or_parallel_is_true() {
    let one = "p2p-functional: up\n.PHONY: up\nup: ; @: docker run --name app image\n";
    scene(one, "$(wait)").run(&["fast-feedback"]).passed();
    scene("", "$(wait); : docker run --rm image").run(&["fast-feedback"]).passed();
    let gate = scene("", "$(wait); : docker run --name app image");
    gate.input("parallel", "true").run(&["fast-feedback"]).passed();
}

#[test]
fn the_plan_says_why_they_run_in_sequence() {
    let run = scene("", &never("docker compose up")).run(&["plan"]);
    assert!(
        run.passed().stdout.contains(", after its neighbour: recipes of both name containers"),
        "{}",
        run.stdout
    );
    let run = scene("", TELLS).run(&["plan", "--parallel", "perhaps"]);
    assert!(run.ended(64).stdout.contains("expected one of `auto`, `true`, `false`"), "{}", run.stdout);
}

#[test]
fn each_target_has_a_log_of_its_own() {
    let makefile = ".PHONY: a/b a_b a\na/b a_b a: ; @echo $@\n";
    let run = Gate::new(makefile).run(&["run", "a/b", "a_b", "a", "a"]);
    run.passed();
    let names: Vec<_> = run.logs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let expected = [("a-2.log", "a\n"), ("a.log", "a\n"), ("a_b-2.log", "a_b\n"), ("a_b.log", "a/b\n")];
    assert_eq!(names, expected);
    let logs: Vec<_> =
        run.report["steps"].as_array().unwrap().iter().map(|step| step["log"].clone()).collect();
    assert!(logs.iter().enumerate().all(|(at, log)| !logs[..at].contains(log)), "{logs:?}");
}
