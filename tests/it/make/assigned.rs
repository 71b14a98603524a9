//! Makefiles that set what targets are given.

use p2p::edges::make::Hold;

use super::Corpus;

/// What is said of a Makefile, as `NAME place value hold`.
async fn message(corpus: Corpus) -> Vec<String> {
    let corpus = corpus
        .env("VERSION", "0.0.0-unsettled")
        .env("P2P_VERSION", "0.0.0-unsettled")
        .env("REGISTRY", "r.example/tenant/shop");
    let makefile = corpus.ask(&[], &[]).await.unwrap();
    let message = makefile.assignments().iter();
    message.map(|it| format!("{} {} {:?} {:?}", it.name, it.place, it.value, it.hold)).collect()
}

#[tokio::test]
async fn plain_assignments_give_way_to_make_s_command_line() {
    for (makefile, expected) in [
        ("VERSION := $(shell echo 9)\n", "VERSION Makefile:1 \"9\" None"),
        ("\nexport VERSION = 9\n", "VERSION Makefile:2 \"9\" None"),
        ("VERSION != echo 9\n", "VERSION Makefile:1 \"9\" None"),
        ("-include .env\n", "REGISTRY .env:2 \"r.example/other\" None"),
        ("define REGISTRY\nghcr.io/acme\nendef\n", "REGISTRY Makefile:1 \"ghcr.io/acme\" None"),
        ("R = ghcr.io\nREGISTRY = $(R)/$(X)acme\n", "REGISTRY Makefile:2 \"ghcr.io/acme\" None"),
        ("ifdef VERSION\nVERSION := 9\nendif\n", "VERSION Makefile:2 \"9\" None"),
        ("$(eval VERSION := 9)\n", "VERSION Makefile:1 \"9\" None"),
        ("KUBECONFIG := k\n", "KUBECONFIG Makefile:1 \"k\" None"),
    ] {
        let corpus = Corpus::new(makefile).file(".env", "A=1\nREGISTRY=r.example/other\n");
        assert_eq!(message(corpus).await, [expected], "{makefile}");
    }
}

#[tokio::test]
async fn what_a_makefile_makes_of_the_value_is_its_own() {
    for (makefile, hold) in [
        ("override VERSION := 9\n", Hold::Override),
        ("VERSION := v$(VERSION)\n", Hold::Derived),
        ("VERSION := v${P2P_VERSION}\n", Hold::Derived),
        ("VERSION := $(firstword $(subst -, ,$(VERSION)))\n", Hold::Derived),
        ("OURS := $(REGISTRY)\nREGISTRY := $(OURS)/team\n", Hold::Derived),
        ("REGISTRY += /team\n", Hold::Derived),
        ("REGISTRY = $(subst /tenant,,\\\n  $(P2P_REGISTRY)$(REGISTRY))\n", Hold::Derived),
        ("p2p-build: VERSION := 9\n", Hold::Single),
        ("p2p-build: export REGISTRY = ghcr.io\n", Hold::Single),
        ("p2p-%: VERSION = 9\n", Hold::Single),
    ] {
        let corpus = Corpus::new(format!("{makefile}p2p-build: ; @echo\n"));
        let message = message(corpus).await;
        assert!(message.len() == 1 && message[0].ends_with(&format!(" {hold:?}")), "{makefile}: {message:?}");
    }
}

#[tokio::test]
async fn what_leaves_the_value_as_it_is_given_is_not_told() {
    for makefile in [
        "VERSION ?= 9\n",
        "export REGISTRY ?= ghcr.io\n",
        "ifndef VERSION\nVERSION := 9\nendif\n",
        "VERSION := $(VERSION)\n",
        "P2P_VERSION := $(VERSION)\n",
        "REGISTRY := $(strip $(REGISTRY))\n",
        "VERSION = $(P2P_VERSION)\nP2P_VERSION ?= 9\n",
        "KUBECONFIG ?= k\n",
        "ifndef KUBECONFIG\nKUBECONFIG := k\nendif\n",
        "p2p-build: VERSION = $(P2P_VERSION)\np2p-build: ; @echo\n",
        "OTHER := 9\n",
    ] {
        assert_eq!(message(Corpus::new(makefile)).await, [""; 0], "{makefile}");
    }
}
