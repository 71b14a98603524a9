//! Whole gates: workflows that say `uses: coreeng/p2p-action@v1`, run by act against a real
//! registry and a loopback GitHub over a real bare repository.

mod apps;
mod cloud;
mod early;
mod events;
mod failure;
mod later;
mod main_branch;
mod promotion;
mod scene;
mod shape;

use scene::{Ended, Job, Scene, settings};

/// A tenant's Makefile: the build pushes a small image, the tests leave their results.
const MAKEFILE: &str = r#"
P2P_APP_NAME ?= web
image = $(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)

.PHONY: p2p-build p2p-functional p2p-nft p2p-integration
p2p-build:
	mkdir -p build/root
	echo "$(P2P_VERSION)" > build/root/version
	"$$P2P_BIN" image push build/root "$(image)"
p2p-functional:
	@echo "web $(P2P_VERSION) answers in $(P2P_NAMESPACE_FUNCTIONAL)"
	mkdir -p results && echo fine > results/functional.txt
p2p-nft:
	@echo "p99 is 12 ms in $(P2P_NAMESPACE_NFT)"
	mkdir -p results && echo "$$PWD" > results/nft.txt
p2p-integration:
	@echo "the neighbours answer"
"#;
