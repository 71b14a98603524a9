//! The build cache's assignment, expanded by the real make.

use std::fs;
use std::process::Command;

use p2p::gate::plan::{Buildx, Place, cache};
use p2p::inputs::BuildCache;

use crate::support::gate::Gate;
use crate::support::tools::tool;

/// As the Makefiles in use have it: pattern-specific, with and without `$(call …)`.
const MAKEFILE: &str = "\
name = $(if $(filter-out undefined,$(origin 1)),$(1),shop)
%-app: p2p_image=r.example/test/$(name)
%-app: p2p_image_cache=--cache-from=type=gha,scope=$(name)
%-functional: p2p_image=r.example/test/$(name)-functional
%-functional: p2p_image_cache=--cache-from=type=gha,scope=$(name)-functional
p2p-build: build-app build-functional build-plain
build-app build-functional:
	@printf '%s\\n' $(p2p_image_cache) $(call p2p_image_cache,ui)
build-plain:
	@printf 'plain <%s>\\n' '$(p2p_image_cache)'
";

fn built(asked: Option<BuildCache>) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("Makefile"), MAKEFILE).unwrap();
    let assignment = cache(asked, Place::Github, Buildx::Plain, true).assignment;
    let output = Command::new(tool("make"))
        .args(["--warn-undefined-variables", "p2p-build"].into_iter().chain(assignment))
        .current_dir(directory.path())
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap();
    assert!(
        output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("'p2p_image'"),
        "{output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_image_has_its_own_cache_beside_it() {
    let built = built(None);
    for image in ["shop", "ui", "shop-functional", "ui-functional"] {
        let reference = format!("type=registry,ref=r.example/test/{image}:cache");
        assert!(built.contains(&format!("--cache-from={reference}\n")), "{image}: {built}");
        assert!(built.contains(&format!("--cache-to={reference},mode=max,")), "{image}: {built}");
    }
    assert!(!built.contains("gha"), "{built}");
    assert!(built.ends_with("plain <>\n"), "what has no image asks for no cache: {built}");
}

#[test]
fn off_asks_for_none_and_keep_leaves_the_makefile_s() {
    assert!(!built(Some(BuildCache::Off)).contains("cache"));
    let kept = built(Some(BuildCache::Keep));
    assert!(kept.contains("--cache-from=type=gha,scope=ui-functional\n"), "{kept}");
}

#[test]
fn a_build_without_buildx_is_told_what_its_cache_needs() {
    let makefile = MAKEFILE.replace(
        "\t@printf '%s\\n' $(p2p_image_cache) $(call p2p_image_cache,ui)",
        "\t@echo $(p2p_image_cache)",
    );
    let makefile = format!("p2p-functional p2p-nft: ; @:\n{makefile}");
    let run = Gate::new(&makefile).input("app-name", "shop").run(&["run", "p2p-build"]);
    assert!(run.stdout.contains("asks for a build cache of `type=gha`"), "{}", run.stdout);
    assert!(run.stdout.contains("where the job has docker buildx"), "{}", run.stdout);
    assert!(!run.stdout.contains("give `$(p2p_image_cache)`"), "{}", run.stdout);
}
