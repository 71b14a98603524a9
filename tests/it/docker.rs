//! The README's Makefile as it is, with a real Docker Engine: it builds and pushes, runs what it built, and the
//! gate promotes the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::docker::Docker;
use crate::support::gate::Gate;

/// The README's Makefile.
fn makefile() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    text.split("```make\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// A repository with that Makefile and the scripts that it calls. The tests run the image as a container.
fn scene(docker: &Docker, test: &str) -> Gate {
    docker.base_image("busybox:test");
    let image = "image=\"$P2P_REGISTRY_FAST_FEEDBACK/$P2P_APP_NAME:$P2P_VERSION\"";
    let script = format!("#!/bin/sh\nset -eu\n{image}\n{test}\n");
    let gate = Gate::new(&makefile())
        .registry_login("robot", "pass-word-17")
        .file("Dockerfile", "FROM busybox:test\nCOPY message /message\nCMD [\"/bin/cat\", \"/message\"]\n")
        .file("message", "hello from the image\n")
        .file("bin/helm", "#!/bin/sh\necho \"helm $*\"\n");
    let gate = ["functional", "load", "integration"]
        .into_iter()
        .fold(gate, |gate, name| gate.file(&format!("test/{name}"), &script));
    for name in ["bin/helm", "test/functional", "test/load", "test/integration"] {
        fs::set_permissions(gate.workspace().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", gate.workspace().join("bin").display(), std::env::var("PATH").unwrap());
    let (name, host) = docker.variable();
    gate.commit("with an image").env("PATH", path).env(name, host).env("DOCKER_BUILDKIT", "0")
}

#[test]
fn the_image_that_docker_built_is_tested_as_a_container_and_promoted() {
    let docker = Docker::start();
    let gate = scene(&docker, "docker run --rm --network host \"$image\"");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let version = run.output("version");
    for log in ["p2p-functional.log", "p2p-nft.log", "p2p-integration.log"] {
        assert!(run.logs[log].contains("hello from the image\n"), "{log}: {}", run.logs[log]);
    }
    assert!(run.logs["p2p-functional.log"].contains("helm upgrade --install basket chart"));
    let built = gate.registry.digest("test/basket", version).unwrap();
    assert_eq!(gate.registry.digest("extended-test/basket", version), Some(built.clone()));
    // Docker itself pulls the promoted image and finds the same digest.
    let promoted = format!("{}/extended-test/basket:{version}", gate.registry.path());
    let host = gate.registry.address();
    docker.run(&["login", "--username", "robot", "--password", "pass-word-17", &host]);
    docker.run(&["pull", "--quiet", &promoted]);
    let digests = docker.run(&["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", &promoted]);
    assert!(digests.contains(&built), "{digests}");
}

/// Both containers have one name, so the second would fail beside the first: the gate runs them one after the
/// other and says why.
#[test]
fn two_targets_that_name_one_container_do_not_meet() {
    let docker = Docker::start();
    let gate = scene(&docker, "true");
    let named = "\tdocker run --rm --name app --network host $(image)\n";
    let targets = format!("p2p-functional:\n{named}p2p-nft:\n{named}p2p-integration: ; @echo\n");
    let build = makefile().split("p2p-functional: ##").next().unwrap().to_owned();
    let gate = gate.file("Makefile", &(build + &targets)).commit("name the container");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    for log in ["p2p-functional.log", "p2p-nft.log"] {
        assert!(run.logs[log].contains("hello from the image\n"), "{log}: {}", run.logs[log]);
    }
    assert!(run.stdout.contains("one after the other"), "{}", run.stdout);
}
