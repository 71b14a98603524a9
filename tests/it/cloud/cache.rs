//! The build cache, with a docker that notes what it is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::gate::{Gate, MAKEFILE, Run};

/// Images as the Makefiles in use name them; the build shows what it would tell docker.
const BUILD: &str = "\
p2p-build: build-app
%-app: p2p_image=r.example/test/shop
%-app: p2p_image_cache=--cache-from=type=gha
build-app:
\t@echo \"<$(p2p_image_cache)> with <$$BUILDX_BUILDER>\"
";

/// A gate with a docker whose current builder has this driver; `create` is a line of shell.
fn scene(driver: &str, create: &str) -> Gate {
    let gate = Gate::new(&format!("{MAKEFILE}{BUILD}"));
    let directory = gate.home().join("bin");
    fs::create_dir(&directory).unwrap();
    let docker = directory.join("docker");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}/asked'\ncase \"$2\" in\ninspect) echo 'Name: x'; echo 'Driver:        {driver}';;\n\
         create) {create};;\nesac\n",
        gate.home().display()
    );
    fs::write(&docker, script).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    gate.env("PATH", path)
}

fn asked(gate: &Gate) -> Vec<String> {
    let text = fs::read_to_string(gate.home().join("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn built(run: &Run) -> &str {
    run.passed().logs["p2p-build.log"].lines().find(|line| line.contains("> with <")).unwrap()
}

const CREATES: &str = "buildx create --name p2p --driver docker-container --driver-opt default-load=true";

#[test]
fn a_builder_is_made_and_each_image_has_its_cache() {
    for create in ["exit 0", "echo 'ERROR: existing instance for \"p2p\" but no append mode' >&2; exit 1"] {
        let gate = scene("docker", create);
        let run = gate.run(&["fast-feedback"]);
        let line = built(&run);
        assert!(line.contains("--cache-to=type=registry,ref=r.example/test/shop:cache"), "{line}");
        assert!(line.ends_with("> with <p2p>") && !line.contains("gha"), "{line}");
        assert_eq!(asked(&gate), ["buildx inspect", CREATES]);
        let plan = gate.run(&["plan"]);
        assert!(plan.stdout.contains(
            "  cache    in the registry, beside each image (p2p_image_cache), with the builder p2p"
        ));
    }
}

#[test]
fn a_builder_that_somebody_chose_is_used_and_one_that_cannot_be_made_is_warned_of() {
    let gate = scene("docker-container", "exit 1");
    let run = gate.run(&["fast-feedback"]);
    assert!(built(&run).contains("type=registry") && built(&run).ends_with("with <>"));
    assert_eq!(asked(&gate), ["buildx inspect"]);
    let run = scene("docker", "echo 'no space' >&2; exit 1").run(&["fast-feedback"]);
    assert_eq!(built(&run), "<--cache-from=type=gha> with <>", "left alone");
    assert!(run.report["warnings"].to_string().contains("no builder could be made for it: no space"));
}

#[test]
fn a_recipe_that_asks_for_the_cache_that_is_dead_here_is_warned_of() {
    let build = ".PHONY: cached\np2p-build: cached\ncached:\n\techo docker buildx build --cache-to type=gha,mode=max .\n";
    let warned = |gate: Gate| {
        let run = gate.run(&["fast-feedback"]);
        let warnings = run.passed().report["warnings"].to_string();
        warnings.contains("p2p-build asks for a build cache of `type=gha`, which does nothing here")
    };
    let makefile = format!("{MAKEFILE}{build}");
    assert!(warned(Gate::new(&makefile)));
    assert!(!warned(Gate::new(&makefile).env("ACTIONS_RUNTIME_TOKEN", "runtime-token-17")));
    assert!(!warned(Gate::new(&makefile.replace("gha,mode=max", "registry,ref=r.example/cache"))));
}

#[test]
fn off_and_keep_ask_nobody() {
    let gate = scene("docker", "exit 1").input("build-cache", "off");
    assert_eq!(built(&gate.run(&["fast-feedback"])), "<> with <>");
    assert_eq!(asked(&gate), [""; 0]);
    let gate = gate.input("build-cache", "keep");
    let run = gate.run(&["fast-feedback"]);
    assert_eq!(built(&run), "<--cache-from=type=gha> with <>");
    assert!(run.report["warnings"].to_string().contains("`type=gha` does nothing here"));
    let run = gate.env("ACTIONS_RUNTIME_TOKEN", "runtime-token-17").run(&["fast-feedback"]);
    assert!(!run.passed().report["warnings"].to_string().contains("type=gha"));
}

#[test]
fn a_signal_while_docker_makes_the_builder_ends_the_run_at_once() {
    let gate = scene("docker", "exec sleep 9179");
    let mut running = gate.start(&["fast-feedback"]);
    running.until("docker is asked", |_| asked(&gate).len() == 2);
    let since = Instant::now();
    running.signal(Signal::INT);
    let run = running.end();
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    run.ended(130);
    assert_eq!((run.step("version"), run.step("p2p-build")), ("skipped", "skipped"));
    assert_eq!(run.output("result"), "cancelled");
}
