//! Gates that end before anything is built.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use super::{Job, MAKEFILE, Scene, settings};
use crate::support::github::Seen;

/// Two of the mandatory targets are missing, and one name is not quite right.
const MISSING: &str = "
P2P_APP_NAME ?= web
.PHONY: p2p-build p2p-function
p2p-build p2p-function:
	touch built
";

const NO_INTEGRATION: &str = "
P2P_APP_NAME ?= web
.PHONY: p2p-build p2p-functional p2p-nft
p2p-build p2p-functional p2p-nft:
	touch built
";

#[test]
fn what_is_missing_is_said_before_anything_is_built() {
    let scene = Scene::new(&[
        ("missing/Makefile", MISSING),
        ("required/Makefile", NO_INTEGRATION),
        ("dry/Makefile", MAKEFILE),
    ]);
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    registry.set_nonblocking(true).unwrap();
    let jobs = [
        Job::new("missing").apart(),
        Job::new("required").apart().with("integration", "required"),
        Job::new("dry").apart().with("dry-run", "TRUE"),
    ]
    .map(|job| job.with("registry", &format!("{}/shop", registry.local_addr().unwrap())));
    let ended = scene.push(&jobs);
    ended.run.failed();

    let results = ["missing", "required", "dry"].map(|job| ended.run.job(job));
    assert_eq!(results, [Some("failure"), Some("failure"), Some("success")]);
    assert_eq!((ended.exit_code("missing"), ended.exit_code("required")), (64, 64));
    for job in ["missing", "required"] {
        assert_eq!(ended.output(job, "result"), "failure");
        assert!(!ended.path(job, &format!("workspace/{job}/built")).exists(), "{job} built");
    }
    settings().bind(|| {
        insta::assert_snapshot!("missing", ended.log("missing"));
        insta::assert_snapshot!("required", ended.log("required"));
        insta::assert_snapshot!("missing_summary", ended.run.summary("missing", "p2p"));
    });

    let log = ended.log("dry");
    for line in [
        "plan: fast-feedback",
        "  version  0.0.1 (the first version)",
        "  tag      dry-v0.0.1, to be created",
        "  3. p2p-build                     make p2p-build, at most 60 min",
    ] {
        assert!(log.lines().any(|found| found == line), "no line {line:?}:\n{log}");
    }
    for (output, value) in [
        ("version", "0.0.1"),
        ("previous-version", "0.0.0"),
        ("tag-created", "false"),
        ("images", "[]"),
        ("steps", "[]"),
    ] {
        assert_eq!(ended.output("dry", output), value, "{output}");
    }
    let report: Value = serde_json::from_str(&ended.file("dry", "report.json")).unwrap();
    assert_eq!(report["plan"]["version"]["create"], true);
    assert!(!ended.path("dry", "workspace/dry/build").exists());

    assert_eq!(registry.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the registry was asked");
    assert_eq!(scene.bare.tags().keys().collect::<Vec<_>>(), ["v1.2.3"]);
    assert!(!scene.github.requests().iter().any(Seen::creates_ref));
}
