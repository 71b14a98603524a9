//! A Makefile of the shape that most teams have: an include that is downloaded while the Makefile
//! is read declares every target, and the team adds what its targets depend on.

use super::{Job, Scene, settings};
use crate::support::release::{Answer, Server};

/// The include: every target is declared, settings differ by the ending of a target's name, and
/// it brings recipes for promotion and for the names of images.
const INCLUDE: &str = r#"
MAKEFLAGS += --warn-undefined-variables
SHELL := /bin/bash

P2P_TENANT_NAME ?= nobody
P2P_APP_NAME ?= nothing
P2P_VERSION ?= 0.0.0-$(shell git rev-parse --short HEAD)
P2P_REGISTRY ?= localhost/local
P2P_REGISTRY_FAST_FEEDBACK ?= $(P2P_REGISTRY)/test
P2P_NAMESPACE_FUNCTIONAL ?= $(P2P_TENANT_NAME)-functional
P2P_NAMESPACE_NFT ?= $(P2P_TENANT_NAME)-nft
P2P_IMAGE_NAMES ?= $(P2P_APP_NAME)

%: p2p_version = $(P2P_VERSION)

.PHONY: p2p-images
p2p-images:
	@echo $(P2P_IMAGE_NAMES)

.PHONY: p2p-build ## Build the app
%-app: p2p_image_tag=$(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)

.PHONY: p2p-functional ## Run functional tests
%-functional: p2p_namespace=$(P2P_NAMESPACE_FUNCTIONAL)

.PHONY: p2p-nft ## Run NFT tests
%-nft: p2p_namespace=$(P2P_NAMESPACE_NFT)

.PHONY: p2p-integration ## Run integration tests
.PHONY: p2p-extended-test ## Run extended tests
.PHONY: p2p-prod ## Deploy to prod

.PHONY: p2p-promote-to-extended-test ## Promote to extended test
p2p-promote-to-extended-test:
	@echo "the include promotes"; exit 1
"#;

const MAKEFILE: &str = r#"
P2P_TENANT_NAME ?= acme
P2P_APP_NAME ?= web

$(shell curl --fail --silent --show-error --output .p2p.mk URL/p2p.mk)
include .p2p.mk

p2p-build: build-app push-app
p2p-functional: deploy-functional run-functional
p2p-nft: deploy-nft run-nft

build-%:
	mkdir -p out/$*
	diff <(echo $(p2p_version)) <(echo "$$VERSION")
	echo "$* $(p2p_version)" > out/$*/what

push-%:
	"$$P2P_BIN" image push out/$* "$(p2p_image_tag)"

deploy-%:
	@[[ -f out/app/what ]] && echo "deploying $(p2p_version) to $(p2p_namespace)"

run-%:
	@grep -q web <(echo "$(P2P_APP_NAME)") && echo "$* tests in $(p2p_namespace) passed"
"#;

#[test]
fn a_makefile_of_the_usual_shape_passes_the_gate() {
    let server = Server::start([Answer::Body(INCLUDE.as_bytes().to_vec())]);
    let makefile = MAKEFILE.replace("URL", &server.url());
    let scene = Scene::new(&[("Makefile", &makefile), (".gitignore", ".p2p.mk\nout/\n")]);
    let ended = scene.push(&[Job::new("gate")]);
    ended.run.passed();
    assert_eq!(
        ended.steps("gate"),
        [
            "preflight passed",
            "version passed",
            "p2p-build passed",
            "images passed",
            "p2p-functional passed",
            "p2p-nft passed",
            "p2p-integration nothing",
            "p2p-promote-to-extended-test passed",
        ]
    );
    assert_eq!(ended.annotations("gate", "warning"), [""; 0]);
    assert_eq!(
        ended.file("gate", "logs/p2p-functional.log"),
        "deploying 1.2.4 to acme-web-functional\nfunctional tests in acme-web-functional passed\n"
    );
    assert_eq!(
        ended.file("gate", "logs/p2p-nft.log"),
        "deploying 1.2.4 to acme-web-nft\nnft tests in acme-web-nft passed\n"
    );
    // The include's recipe stands in no file that git tracks: the image is copied natively.
    assert_eq!(
        scene.registry.digest("shop/extended-test/web:1.2.4"),
        scene.registry.digest("shop/test/web:1.2.4")
    );
    assert_eq!(ended.json("gate", "promoted").as_array().unwrap().len(), 1);
    assert!(!ended.log("gate").contains("the include promotes"));
    settings().bind(|| insta::assert_snapshot!("log", ended.log("gate")));
}
