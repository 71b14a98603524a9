//! What a newcomer meets on a laptop: the commands of the README, what scripts read, and what is said where
//! something is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use p2p::cli::{Invocation, parse};

use crate::support::gate::{Gate, MAKEFILE};

/// The blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let parts: Vec<_> = text.split("```").collect();
    let fenced = parts.into_iter().skip(1).step_by(2);
    fenced.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned())).collect()
}

/// `MAKEFILE` without names.
fn nameless() -> String {
    MAKEFILE.replace("P2P_TENANT_NAME ?= acme\nP2P_APP_NAME ?= shop\n", "")
}

#[test]
fn the_makefile_of_the_readme_passes_the_plan_of_a_laptop() {
    let [makefile] = blocks("make").try_into().unwrap();
    let run = Gate::local(&makefile).run(&["plan", "fast-feedback"]);
    assert!(run.passed().stdout.contains("  images   basket\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("warning"), "{}", run.stdout);
}

#[test]
fn the_commands_of_the_readme_are_commands() {
    let text = blocks("sh").join("\n").replace("cargo run --release -- ", "p2p ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("p2p "));
    let mut seen = 0;
    for line in lines {
        let words: Vec<_> = line.split('#').next().unwrap().split_whitespace().map(Into::into).collect();
        assert!(!matches!(parse(&words, false), Invocation::Text(_, false)), "{line}");
        seen += 1;
    }
    assert!(seen > 8, "{text}");
}

#[test]
fn an_app_without_a_name_is_told_before_anything_runs() {
    let gate = Gate::local(&nameless());
    let run = gate.run(&["fast-feedback"]);
    run.ended(64);
    insta::assert_snapshot!(run.stderr.trim_end(), @r"
    error: the app's name is not known, so there is no image to promote
    help: give `--app-name`, or set `P2P_APP_NAME ?= …` in the Makefile; images of other names: `--image-names`, or a target `p2p-images` that prints them
    ");
    // A build may need no name, so it runs.
    let gate = Gate::local(&nameless().replace("'$(P2P_BIN)' image push", "false"));
    let run = gate.run(&["run", "p2p-build"]);
    run.ended(2);
    let warning = run.stdout.lines().find(|line| line.starts_with("warning: ")).unwrap_or_default();
    insta::assert_snapshot!(warning, @"warning: the app's name is not known, so `P2P_APP_NAME` is not set and no image is recorded or checked: give `--app-name`, or set `P2P_APP_NAME ?= …` in the Makefile; images of other names: `--image-names`, or a target `p2p-images` that prints them");
    assert!(run.stdout.find(warning) < run.stdout.find("== p2p-build"), "{}", run.stdout);
}

/// In the action nobody has put it on the search path; what is there already is not shadowed.
#[test]
fn targets_find_p2p_and_whatever_is_called_like_it() {
    let makefile = ".PHONY: p2p-build\np2p-build: ; @p2p --version\n";
    let version = |gate: &Gate| {
        let run = gate.run(&["run", "p2p-build", "--image-names", "shop"]);
        run.logs["p2p-build.log"].trim().to_owned()
    };
    let gate = Gate::local(makefile);
    assert_eq!(version(&gate), format!("p2p {}", env!("CARGO_PKG_VERSION")));
    let own = gate.home().join("bin/p2p");
    fs::create_dir(own.parent().unwrap()).unwrap();
    fs::write(&own, "#!/bin/sh\necho another\n").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", own.parent().unwrap().display(), std::env::var("PATH").unwrap());
    assert_eq!(version(&gate.env("PATH", path)), "another");
}

#[test]
fn what_has_to_run_first_is_named() {
    let gate = Gate::local(&format!("{MAKEFILE}p2p-extended-test p2p-prod: ; @echo\n"));
    for (command, wanted) in [
        (&["extended-test"][..], "run `p2p fast-feedback` first"),
        (&["prod"], "run `p2p extended-test` first"),
        (&["promote", "prod"], "run `p2p fast-feedback` first"),
        (&["promote", "extended-test"], "`p2p-build` must push it under just this name"),
    ] {
        let run = gate.run(command);
        assert!(run.ended(1).stdout.contains(wanted), "{command:?}: {}", run.stdout);
    }
    let run = Gate::new(MAKEFILE).run(&["promote", "prod", "--version", "1.2.3"]);
    let wanted = "`fast-feedback` must have promoted this version first";
    assert!(run.ended(1).stdout.contains(wanted), "{}", run.stdout);
}

#[test]
fn scripts_read_versions_and_nothing_else() {
    let gate = Gate::local(MAKEFILE).file("site/index.html", "<h1>");
    let run = gate.run(&["version"]);
    let version = format!("0.0.0-{}\n", gate.git(&["rev-parse", "--short=12", "HEAD"]));
    assert_eq!(run.passed().stdout, version);
    insta::assert_snapshot!(run.stderr.trim_end(), @r"
    This is a local run; nothing remote is touched unless a flag names it. It uses:
      the version    0.0.0 with the local commit; no tag is read or created
    ");

    let registry = gate.registry.path();
    let latest = ["latest", "extended-test", "--registry", &registry, "--image-names", "basket"];
    let run = gate.run(&latest);
    assert_eq!(run.passed().stdout, "", "nothing awaits the gate");
    assert!(run.stderr.contains("no version awaits this gate"), "{}", run.stderr);
    for version in ["1.2.3", "1.10.0"] {
        let reference = format!("{registry}/extended-test/basket:{version}");
        gate.run(&["image", "push", "site", &reference]).passed();
    }
    let run = gate.run(&latest);
    assert_eq!(run.passed().stdout, "1.10.0\n");
    assert!(run.stderr.starts_with("This is a local run"), "{}", run.stderr);

    // On GitHub it is a log like any other.
    let run = Gate::new(MAKEFILE).run(&["version"]);
    assert!(run.passed().stdout.contains("✓ version passed"), "{}", run.stdout);
}

#[test]
fn only_plans_are_printed_as_json() {
    let gate = Gate::local(MAKEFILE);
    for command in ["version", "fast-feedback"] {
        let run = gate.run(&[command, "--output", "json"]);
        run.ended(64);
        assert!(
            run.stderr.contains(&format!("help: it is for `p2p plan {command} --output json`")),
            "{}",
            run.stderr
        );
    }
    gate.run(&["version", "--output", "json", "--dry-run"]).passed();
}

/// What a target sees of the inputs, it sees again.
#[test]
fn the_command_that_repeats_a_target_keeps_what_it_depends_on() {
    let makefile = ".PHONY: p2p-build p2p-nft\np2p-build: ; @echo $(P2P_REGISTRY_FAST_FEEDBACK) $(P2P_NAMESPACE_NFT) \
                    $(P2P_VERSION) $(PLATFORM_ENVIRONMENT) $(BASE_DOMAIN) && false\n";
    let gate = Gate::local(makefile);
    let registry = gate.registry.path();
    let given = [
        "run",
        "p2p-build",
        "--registry",
        &registry,
        "--environment",
        "dev",
        "--image-names",
        "a b",
        "--version",
        "1.0.0",
        "--environments",
        r#"{"dev":{"namespace-nft":"nft"}}"#,
        "--fast-feedback-path",
        "ff",
        "--base-domain",
        "dev.acme.io",
    ];
    let run = gate.run(&given);
    run.ended(2);
    let repeat = run.stdout.lines().find_map(|line| line.trim().strip_prefix("repeat it:  p2p ")).unwrap();
    insta::assert_snapshot!(repeat.replace(&registry, "(registry)"), @r#"run p2p-build --environment dev --version 1.0.0 --image-names a,b --fast-feedback-path ff --registry (registry) --base-domain dev.acme.io --environments '{"dev":{"namespace-nft":"nft"}}'"#);
    let words: Vec<_> = repeat.split(' ').map(|word| word.trim_matches('\'')).collect();
    assert_eq!(gate.run(&words).logs["p2p-build.log"], run.logs["p2p-build.log"]);
    assert!(run.logs["p2p-build.log"].contains(&format!("{registry}/ff nft 1.0.0 dev dev.acme.io")));

    // The registry of a job is none of a laptop's.
    let run = Gate::new(makefile).run(&["run", "p2p-build", "--environment", "dev"]);
    assert!(
        run.ended(2).stdout.contains("repeat it:  p2p run p2p-build --environment dev\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn the_top_says_what_is_used() {
    let gate = Gate::local(MAKEFILE);
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: dev\ncontexts: [{name: dev, context: {cluster: c, user: u}}]\n\
                      clusters: [{name: c, cluster: {server: 'https://x'}}]\nusers: [{name: u, user: {token: t}}]\n";
    fs::create_dir(gate.home().join(".kube")).unwrap();
    fs::write(gate.home().join(".kube/config"), kubeconfig).unwrap();
    fs::remove_dir_all(gate.workspace().join(".git")).unwrap();
    let run = gate.run(&["run", "p2p-build", "--kube-context", "dev", "--registry", &gate.registry.path()]);
    let top: Vec<_> = run.passed().stdout.lines().take(6).collect();
    insta::assert_snapshot!(top.join("\n").replace(&gate.registry.path(), "(registry)"), @r"
    p2p run (local): version 0.0.0-local
    This is a local run; nothing remote is touched unless a flag names it. It uses:
      the registry   (registry), as you named it
      the version    0.0.0 with the local commit; no tag is read or created
      the cluster    the context dev of your kubeconfig
      the commit     none: this is not a git repository with a commit
    ");
    let plan = gate.run(&["plan"]);
    assert!(plan.passed().stdout.contains("  commit   none\n"), "{}", plan.stdout);
}
