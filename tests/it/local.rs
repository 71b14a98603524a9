//! Outside GitHub Actions: the same gate on a laptop, with everything remote substituted, and the
//! commands that work on images.

use std::fs;
use std::path::Path;

use serde_json::json;
use walkdir::WalkDir;

use crate::support::gate::{Gate, MAKEFILE, Run, digest_in};

const FIND: &str = "'$(P2P_BIN)' image digest '$(P2P_REGISTRY_FAST_FEEDBACK)/shop:$(P2P_VERSION)'";

/// A laptop on which functional, nft and integration look the image up. Its checkout has a remote.
fn scene() -> Gate {
    let makefile = MAKEFILE.replace("@echo '$@ of $(P2P_VERSION)'", &format!("@{FIND}"));
    let gate = Gate::local(&makefile);
    gate.git(&["remote", "add", "origin", &gate.github.git_url()]);
    gate
}

fn version(gate: &Gate) -> String {
    format!("0.0.0-{}", gate.git(&["rev-parse", "--short=12", "HEAD"]))
}

/// The digest of `<name>:<tag>` in the registry of the laptop.
fn kept(gate: &Gate, name: &str, tag: &str) -> Option<String> {
    digest_in(&gate.home().join(".cache/p2p/registry"), &format!("local/{name}"), tag)
}

/// Asserts that nobody was asked anything.
#[track_caller]
fn touched_nothing(gate: &Gate) {
    assert!(gate.github.requests().is_empty(), "{:?}", gate.github.requests());
    assert_eq!(gate.registry.requests(), []);
}

#[test]
fn the_gate_needs_nothing_remote() {
    let gate = scene();
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let version = version(&gate);
    let tested = kept(&gate, "test/shop", &version);
    assert!(tested.is_some());
    assert_eq!(kept(&gate, "extended-test/shop", &version), tested, "promoted into its own registry");
    for target in ["p2p-functional", "p2p-nft", "p2p-integration"] {
        assert_eq!(run.logs[&format!("{target}.log")].trim(), tested.as_deref().unwrap());
    }
    assert_eq!(run.report["plan"]["version"]["version"], version.as_str());
    assert_eq!(run.report["result"], "success");
    touched_nothing(&gate);
    assert_eq!(gate.git(&["tag"]), "");
    assert_eq!(fs::read_dir(gate.temporary()).unwrap().count(), 0, "private files are gone");
}

#[test]
fn it_says_at_the_top_what_it_substitutes() {
    let gate = scene();
    let run = gate.run(&["fast-feedback"]);
    let top: Vec<_> = run.passed().stdout.lines().take(5).collect();
    let address = run.report["plan"]["environment"]["values"]["registry"]["value"].as_str().unwrap();
    let top = top.join("\n").replace(address, "(registry)").replace(&gate.head(), "(commit)");
    insta::assert_snapshot!(top.replace(&version(&gate), "(version)"), @r"
    p2p fast-feedback (local): version (version) of commit (commit)
    This is a local run; nothing remote is touched unless a flag names it. It uses:
      the registry   one of our own at (registry); `p2p registry` serves it after the run
      the version    0.0.0 with the local commit; no tag is read or created
      the cluster    none: an empty kubeconfig (--kube-context names a context of yours)
    ");
    assert_eq!(run.stdout.matches("::").count(), 0, "no workflow commands");
}

#[test]
fn targets_can_be_run_alone_and_find_the_images_of_before() {
    let gate = scene();
    gate.run(&["fast-feedback"]).passed();
    let digest = kept(&gate, "test/shop", &version(&gate)).unwrap();
    let run = gate.run(&["run", "p2p-nft"]);
    assert_eq!(run.passed().logs["p2p-nft.log"].trim(), digest);
    let run = gate.run(&["run", "p2p-build", "p2p-nft"]);
    assert_eq!(run.passed().logs["p2p-nft.log"].trim(), digest, "the same bytes each time");
    assert_eq!(
        (run.step("p2p-build"), run.step("images"), run.step("p2p-nft")),
        ("passed", "passed", "passed")
    );
    touched_nothing(&gate);
}

#[test]
fn a_failure_shows_the_command_that_repeats_it() {
    let makefile = MAKEFILE.replace("@echo '$@ of $(P2P_VERSION)'", "@[ $@ != p2p-nft ]");
    let gate = Gate::local(&makefile);
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    assert!(run.stdout.contains("repeat it:  p2p run p2p-build p2p-nft"), "{}", run.stdout);
    let again = gate.run(&["run", "p2p-build", "p2p-nft"]);
    again.ended(2);
    assert_eq!((again.step("p2p-build"), again.step("p2p-nft")), ("passed", "failed"));
}

#[test]
fn a_remote_registry_is_used_only_when_named_and_never_promoted_to() {
    const SKIPPED: &str = "a local run promotes into its own registry only";
    let gate = scene();
    let remote = gate.registry.path();
    let skipped = |run: &Run| {
        assert_eq!(run.passed().step("p2p-promote-to-extended-test"), "skipped");
        assert!(run.stdout.contains(SKIPPED), "{}", run.stdout);
        assert_eq!(gate.registry.digest("extended-test/shop", &version(&gate)), None);
    };
    skipped(&gate.run(&["fast-feedback", "--registry", &remote]));
    assert!(gate.registry.digest("test/shop", &version(&gate)).is_some());
    assert_eq!(kept(&gate, "test/shop", &version(&gate)), None);
    skipped(&gate.run(&["promote", "extended-test", "--registry", &remote]));
    let before = gate.registry.writes().len();
    let elsewhere = json!({"next": {"registry": remote}}).to_string();
    skipped(&gate.run(&["fast-feedback", "--dest-environment", "next", "--environments", &elsewhere]));
    assert_eq!(gate.registry.writes().len(), before);
    assert!(gate.github.requests().is_empty());
}

#[test]
fn a_promotion_by_itself_takes_what_the_registry_holds() {
    let gate = scene();
    gate.run(&["run", "p2p-build"]).passed();
    // Nobody has said that it passed anything.
    let run = gate.run(&["promote", "extended-test"]);
    assert!(run.ended(1).stdout.contains("it has no record of any gate"), "{}", run.stdout);
    let run = gate.run(&["promote", "extended-test", "--promotion-record", "expected"]);
    assert!(run.passed().stdout.contains("warning: no digests were recorded in this run"), "{}", run.stdout);
    let digest = kept(&gate, "test/shop", &version(&gate));
    assert_eq!(kept(&gate, "extended-test/shop", &version(&gate)), digest);
    let missing = gate.run(&["promote", "prod", "--version", "9.9.9"]);
    assert_eq!(missing.code, 1, "{}", missing.stdout);
    assert!(missing.stdout.contains("extended-test/shop:9.9.9 is not in the registry"), "{}", missing.stdout);
}

#[test]
fn the_cluster_is_nobody_s_unless_a_context_is_named() {
    let makefile = "p2p-functional: ; @kubectl config view -o 'jsonpath={.contexts[*].name}|{..namespace}'\n";
    let gate = Gate::local(&format!("P2P_TENANT_NAME = acme\n{makefile}"));
    let file = gate.home().join(".kube/config");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let context = "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts: [{name: prod, context: {cluster: c, user: u}}, \
                   {name: dev, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://x'}}]\n\
                   users: [{name: u, user: {token: t}}]\n";
    fs::write(&file, context).unwrap();
    let printed = |arguments: &[&str]| {
        gate.run(&[&["run", "p2p-functional"], arguments].concat()).passed().logs["p2p-functional.log"]
            .clone()
    };
    assert_eq!(printed(&[]).trim(), "|");
    assert_eq!(printed(&["--kube-context", "dev"]).trim(), "dev|acme-functional");
    let unknown = gate.run(&["run", "p2p-functional", "--kube-context", "other"]);
    unknown.ended(64);
    assert!(unknown.stderr.contains("the kubeconfig has no context \"other\""), "{}", unknown.stderr);
}

#[test]
fn without_a_git_repository_it_works_all_the_same() {
    let gate = scene();
    fs::remove_dir_all(gate.workspace().join(".git")).unwrap();
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("this is not a git repository with a commit"), "{}", run.stdout);
    assert!(kept(&gate, "extended-test/shop", "0.0.0-local").is_some());
}

#[test]
fn it_works_from_a_subdirectory_and_on_one() {
    let gate = scene();
    let makefile = fs::read_to_string(gate.workspace().join("Makefile")).unwrap();
    let gate = gate.file("apps/shop/Makefile", &makefile).commit("a monorepo");
    let run = gate.run(&["fast-feedback", "--working-directory", "apps/shop"]);
    run.passed();
    assert!(gate.has("apps/shop/.rootfs") && !gate.has(".rootfs"));
}

#[test]
fn what_is_wrong_goes_to_standard_error() {
    let gate = Gate::local("p2p-build: ; @echo\n");
    let run = gate.run(&["fast-feedback"]);
    run.ended(64);
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(run.stderr.trim_end(), @r"
    error: the Makefile does not define `p2p-functional`, `p2p-nft`
    help: add what is missing; it defines `p2p-build`. Nothing was run
    ");
}

#[test]
fn help_and_version_say_and_do_nothing() {
    let gate = scene();
    let help = gate.run(&["--help"]);
    assert!(help.passed().stdout.contains("Usage: p2p"), "{}", help.stdout);
    assert!(!help.stdout.contains("--github-token"), "secrets are no flags");
    let version = gate.run(&["--version"]);
    assert_eq!(version.passed().stdout.trim(), format!("p2p {}", env!("CARGO_PKG_VERSION")));
    assert!(!gate.home().join(".cache").exists());
}

/// Every file and link below a directory with what it holds.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = WalkDir::new(directory).min_depth(1).sort_by_file_name().into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.path().strip_prefix(directory).unwrap().display().to_string();
            let link = || fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes();
            let content = match entry.file_type() {
                kind if kind.is_file() => fs::read(entry.path()).unwrap(),
                kind if kind.is_symlink() => link(),
                _ => Vec::new(),
            };
            (name, content)
        })
        .collect()
}

#[test]
fn images_are_pushed_pulled_and_looked_up() {
    let gate = scene().file("site/index.html", "<h1>").file("site/a/b", "deep");
    std::os::unix::fs::symlink("a/b", gate.workspace().join("site/link")).unwrap();
    let reference = format!("{}/site:1", gate.registry.path());
    let push = gate.run(&["image", "push", "site", &reference, "--label", "team=acme"]);
    let digest = push.passed().stdout.trim().to_owned();
    assert_eq!(gate.registry.digest("site", "1"), Some(digest.clone()));
    assert_eq!(
        gate.run(&["image", "push", "site", &reference, "--label", "team=acme"]).stdout.trim(),
        digest
    );
    assert_eq!(gate.run(&["image", "digest", &reference]).passed().stdout.trim(), digest);
    let by_digest = format!("{}/site@{digest}", gate.registry.path());
    gate.run(&["image", "pull", &by_digest, "pulled/deep"]).passed();
    assert_eq!(tree(&gate.workspace().join("pulled/deep")), tree(&gate.workspace().join("site")));
}

#[test]
fn image_commands_log_in_as_docker_does_and_say_what_is_wrong() {
    let gate = Gate::local(MAKEFILE).registry_login("robot", "pass word").file("site/index.html", "<h1>");
    let reference = format!("{}/site:1", gate.registry.path());
    let refused = gate.run(&["image", "push", "site", &reference]);
    refused.ended(69);
    assert!(refused.stderr.contains(&gate.registry.address()), "{}", refused.stderr);
    let config = gate.home().join("docker");
    fs::create_dir(&config).unwrap();
    let auths = serde_json::json!({"auths": {gate.registry.address(): {"auth": "cm9ib3Q6cGFzcyB3b3Jk"}}});
    fs::write(config.join("config.json"), auths.to_string()).unwrap();
    let gate = gate.env("DOCKER_CONFIG", config);
    gate.run(&["image", "push", "site", &reference]).passed();
    let missing = gate.run(&["image", "digest", &reference.replace(":1", ":2")]);
    missing.ended(1);
    assert!(missing.stderr.contains(":2 is not in the registry"), "{}", missing.stderr);
    for arguments in
        [&["image", "digest", "no reference"][..], &["image", "push", "absent", &reference], &["image"]]
    {
        assert_ne!(gate.run(arguments).code, 0, "{arguments:?}");
    }
}

#[test]
fn the_example_passes_the_gate() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-service");
    let mut gate = Gate::local("");
    for entry in WalkDir::new(&example)
        .into_iter()
        .filter_entry(|entry| !["target", "build"].iter().any(|name| entry.file_name() == *name))
    {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&example).unwrap();
        if entry.file_type().is_file() {
            gate = gate.file(path.to_str().unwrap(), &fs::read_to_string(entry.path()).unwrap());
            let mode = entry.metadata().unwrap().permissions();
            fs::set_permissions(gate.workspace().join(path), mode).unwrap();
        }
    }
    // cargo's own home is no part of the laptop's.
    let home = std::env::var("HOME").unwrap();
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let path = std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"));
        gate = gate.env(name, path);
    }
    // A machine that runs other tests at the same time is no place to measure latency.
    let gate = gate.env("LOAD_SECONDS", "1").env("LOAD_P99_MS", "5000").commit("the example");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    for target in
        ["p2p-build", "p2p-functional", "p2p-nft", "p2p-integration", "p2p-promote-to-extended-test"]
    {
        assert_eq!(run.step(target), "passed");
    }
    let version = version(&gate);
    let digest = kept(&gate, "test/hello-service", &version);
    assert!(digest.is_some());
    assert_eq!(kept(&gate, "extended-test/hello-service", &version), digest);
    touched_nothing(&gate);
}

#[test]
fn the_version_of_a_changed_tree_is_not_the_commit_s() {
    let gate = Gate::local(MAKEFILE).file("Makefile", &format!("{MAKEFILE}# changed\n"));
    let short = &gate.head()[..12];
    let run = gate.run(&["run", "p2p-build"]);
    assert!(
        run.passed().stdout.contains(&format!("version 0.0.0-{short}-dirty of commit")),
        "{}",
        run.stdout
    );
    let named = gate.registry.path();
    let run = gate.run(&["run", "p2p-build", "--registry", &named]);
    assert!(
        run.passed().stdout.contains(&format!("version 0.0.0-{short}-dirty of commit")),
        "{}",
        run.stdout
    );
    assert!(gate.registry.digest("test/shop", &format!("0.0.0-{short}-dirty")).is_some());
}
