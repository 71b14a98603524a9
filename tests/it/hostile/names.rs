//! Names, messages and answers of others that we print ourselves.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::{TOKEN, tells_nothing};
use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Fault;
use crate::support::runner_reader;

/// Acts in both forms, wherever it is printed.
const EVIL: &str = "x\n::set-output name=version::HOSTILE\r##[set-env name=A]HOSTILE\r\n::group::HOSTILE";

/// The same without line ends, for what cannot have them.
const FLAT: &str = "::set-output name=x::HOSTILE##[set-env name=A]HOSTILE";

/// Asserts that only our own errors and warnings took effect, and that they are as many.
#[track_caller]
fn acts_only(run: &Run, annotations: &[&str]) {
    let mut names = Vec::new();
    for text in [&run.stdout, &run.stderr] {
        let reading = runner_reader::read(text.as_bytes());
        assert!(!reading.stopped);
        names.extend(reading.effects.into_iter().map(|effect| effect.name));
    }
    names.retain(|name| {
        !["add-mask", "group", "endgroup", "stop-commands", "resume"].contains(&name.as_str())
    });
    assert_eq!(names, annotations, "{}", run.stdout);
    let groups = run.reading().effects.into_iter().filter(|effect| effect.name == "group");
    for group in groups {
        assert_ne!(group.message, "HOSTILE", "{}", run.stdout);
    }
}

#[test]
fn a_ref_and_an_event_are_only_text() {
    let gate = Gate::new(MAKEFILE).git_ref(&format!("refs/heads/{EVIL}"));
    let run = gate.run(&["fast-feedback"]);
    acts_only(run.passed(), &[]);
    assert!(run.stdout.contains("refs/heads/x\n: :set-output"), "{}", run.stdout);
    let gate = gate.event(EVIL, json!({"pull_request": {"title": EVIL, "head": {"ref": EVIL, "sha": EVIL}}}));
    // The build of the same commit pushes the same image again.
    acts_only(gate.run(&["fast-feedback"]).passed(), &["warning"]);
}

#[test]
fn names_of_images_are_only_text() {
    let gate = Gate::new(MAKEFILE);
    for name in [FLAT, "##[group]HOSTILE", "::group::HOSTILE"] {
        let run = Gate::new(MAKEFILE).input("image-names", name).run(&["fast-feedback"]);
        assert_ne!(run.code, 0);
        acts_only(&run, &["error"]);
    }
    let gate = gate
        .file("Makefile", &format!("{MAKEFILE}\np2p-images: ; @echo '##[group]HOSTILE'\n"))
        .commit("images");
    let run = gate.run(&["fast-feedback"]);
    assert_ne!(run.code, 0);
    acts_only(&run, &["error"]);
}

#[test]
fn names_of_targets_are_only_text() {
    let gate = Gate::new(MAKEFILE);
    for name in ["::group::HOSTILE", "##[group]HOSTILE"] {
        let run = gate.run(&["run", name]);
        acts_only(run.ended(64), &["error"]);
        acts_only(gate.run(&["plan", name]).ended(64), &["error"]);
        acts_only(gate.run(&["promote", name]).ended(64), &["error"]);
    }
    // make allows such a name.
    let gate = gate.file("Makefile", "\\#\\#[group]HOSTILE: ; @false\n").commit("odd");
    let run = gate.run(&["run", "##[group]HOSTILE"]);
    assert_ne!(run.code, 0);
    acts_only(&run, &["error"]);
}

#[test]
fn words_of_the_command_line_are_only_text() {
    let gate = Gate::new(MAKEFILE);
    for arguments in
        [&["##[group]HOSTILE"][..], &["--x\n::group::HOSTILE"], &["image", "digest", "##[group]HOSTILE"]]
    {
        let run = gate.run(arguments);
        assert_ne!(run.code, 0);
        let reading = runner_reader::read(run.stderr.as_bytes());
        assert_eq!(reading.names(), Vec::<&str>::new(), "{}", run.stderr);
        let reading = run.reading();
        assert!(reading.names().iter().all(|name| *name == "error"), "{}", run.stdout);
    }
}

#[test]
fn texts_of_inputs_are_only_text() {
    for name in [
        "command",
        "dry-run",
        "integration",
        "timeout",
        "cache-limit",
        "working-directory",
        "version-prefix",
        "fast-feedback-path",
        "checkout-version",
        "environments",
        "vars",
        "images",
        "registry",
        "version",
    ] {
        let run = Gate::new(MAKEFILE).input(name, EVIL).run(if name == "command" {
            &[]
        } else {
            &["fast-feedback"]
        });
        assert_ne!(run.code, 0, "{name}\n{}", run.stdout);
        acts_only(&run, &["error"]);
    }
}

#[test]
fn values_in_a_plan_are_only_text() {
    let gate = Gate::new(MAKEFILE).input("base-domain", "##[group]HOSTILE").input("environment", FLAT);
    for arguments in [&["plan"][..], &["plan", "--output", "json"]] {
        let run = gate.run(arguments);
        acts_only(run.passed(), &[]);
        assert!(run.stdout.contains("HOSTILE"));
    }
}

#[test]
fn a_directory_s_name_is_only_text() {
    for name in ["::group::HOSTILE", "##[group]HOSTILE"] {
        let gate = Gate::new(MAKEFILE).file(&format!("{name}/Makefile"), "p2p-nft: ; @pwd; false\n");
        let run = gate.input("working-directory", name).run(&["run", "p2p-nft"]);
        acts_only(run.ended(2), &["error"]);
        assert!(run.stdout.contains("--working-directory"), "{}", run.stdout);
    }
}

#[test]
fn names_of_files_are_only_text() {
    let recipe = "p2p-functional p2p-nft: ; @touch 'out/a\n::group::HOSTILE' 'out/##[group]HOSTILE'; echo $@ > 'out/##[group]both'\n";
    let recipe = recipe.replace('\n', "\\n").replacen(": ; @touch", ":\n\t@touch", 1);
    let recipe = recipe.replace("'out/a\\n::group::HOSTILE'", "\"$$(printf 'out/a\\n::group::HOSTILE')\"");
    let makefile = format!(
        "{}{}",
        MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:"),
        recipe.trim_end_matches("\\n").to_owned() + "\n"
    );
    let gate = Gate::new(&makefile).file("out/keep", "").commit("out").input("artifacts", "out");
    let run = gate.run(&["fast-feedback"]);
    // Both targets wrote one file, and another has a name that is no artifact.
    acts_only(run.passed(), &["warning", "warning"]);
    assert!(run.stdout.contains("both functional and nft wrote"), "{}", run.stdout);
    assert!(!run.output("artifacts").contains("::group::HOSTILE"), "{}", run.output("artifacts"));
    assert!(run.output("artifacts").contains("out/##[[]group]HOSTILE"), "{}", run.output("artifacts"));
    assert_eq!(run.output("result"), "success");
}

#[test]
fn messages_of_make_are_only_text() {
    for broken in [
        format!("$(error {FLAT})").replace('#', "$(H)"),
        "$(error ::group::HOSTILE)".to_owned(),
        "$(info ::group::HOSTILE)\n$(warning $(H)$(H)[group]HOSTILE)\n$(error no)".to_owned(),
        "include ::group::HOSTILE".to_owned(),
        "include $(H)$(H)[group]HOSTILE".to_owned(),
    ] {
        let gate = Gate::new(&format!("H := \\#\n{broken}\n{MAKEFILE}"));
        let run = gate.run(&["fast-feedback"]);
        acts_only(run.ended(64), &["error"]);
    }
}

#[test]
fn settings_of_the_repository_are_only_text() {
    for settings in
        ["'::group::HOSTILE': 1\n", "environments: {a: {'##[group]HOSTILE': x}}\n", "##[group]: [HOSTILE\n"]
    {
        let run = Gate::new(MAKEFILE).file(".p2p.yaml", settings).run(&["fast-feedback"]);
        if run.code != 0 {
            acts_only(run.ended(64), &["error"]);
        }
    }
}

#[test]
fn processes_left_behind_are_only_text() {
    let makefile = "p2p-nft: ; @cp \"$$(command -v sleep)\" 'sleep ##[group]HOSTILE'; './sleep ##[group]HOSTILE' 600 &\n"
        .replace('#', "\\#");
    let gate = Gate::new(&makefile.replace("\\#", "$(H)").replacen("p2p-nft", "H := \\#\np2p-nft", 1));
    let run = gate.run(&["run", "p2p-nft"]);
    acts_only(run.passed(), &[]);
    assert!(run.stdout.contains("left processes running"), "{}", run.stdout);
}

#[test]
fn answers_of_github_are_only_text_and_tell_no_secret() {
    let gate = Gate::new(MAKEFILE);
    let message = format!("{EVIL} {TOKEN}");
    gate.github.fault(move |seen| seen.creates_ref().then(|| Fault::error(422, &message)));
    let run = gate.run(&["fast-feedback"]);
    assert_ne!(run.code, 0);
    acts_only(&run, &["error"]);
    tells_nothing(&run);
}

#[test]
fn what_git_says_is_only_text_and_tells_no_secret() {
    let gate = Gate::new(MAKEFILE);
    let message = format!("::group::HOSTILE\n##[group]HOSTILE {TOKEN}\n");
    gate.github.fault(move |seen| {
        let refused = Fault::answer(403, &message).header("content-type", "text/plain");
        seen.path.ends_with("/info/refs").then_some(refused)
    });
    let run = gate.run(&["fast-feedback"]);
    acts_only(run.ended(69), &["error"]);
    tells_nothing(&run);
}

#[test]
fn a_workspace_s_name_is_only_text() {
    let gate = Gate::new("p2p-nft: ; @false\n");
    let link = gate.home().join("##[group]HOSTILE");
    symlink(gate.workspace(), &link).unwrap();
    let gate = gate.env("GITHUB_WORKSPACE", &link);
    acts_only(gate.run(&["run", "p2p-nft"]).ended(2), &["error"]);
}
