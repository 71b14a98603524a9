//! Promotion by the team's own target, and images that are not what was tested.

use super::{Job, MAKEFILE, Scene, settings};

/// The team promotes by itself, with skopeo.
const OWN: &str = r#"
.PHONY: p2p-promote-to-extended-test
p2p-promote-to-extended-test:
	@echo "the team promotes"
	skopeo copy --quiet --all --src-tls-verify=false --dest-tls-verify=false \
	  "docker://$(SOURCE_REGISTRY)/test/web:$(VERSION)" "docker://$(REGISTRY)/extended-test/web:$(VERSION)"
"#;

/// The team's target builds again instead of copying.
const WRONG: &str = r#"
.PHONY: p2p-promote-to-extended-test
p2p-promote-to-extended-test:
	echo another > build/root/another
	"$$P2P_BIN" image push build/root "$(REGISTRY)/extended-test/web:$(VERSION)"
"#;

/// The integration tests push another image under the tag that is being tested.
const MOVED: &str = r#"
p2p-integration: push-again
.PHONY: push-again
push-again:
	echo another > build/root/another
	"$$P2P_BIN" image push build/root "$(image)"
"#;

#[test]
fn nothing_but_what_was_tested_is_promoted() {
    let file = |more: &str| format!("{MAKEFILE}{more}");
    let scene = Scene::new(&[
        ("own/Makefile", &file("include promote.mk\n")),
        ("own/promote.mk", OWN),
        ("wrong/Makefile", &file(WRONG)),
        ("moved/Makefile", &file(MOVED)),
    ]);
    let ended = scene.push(&["own", "wrong", "moved"].map(|name| Job::new(name).apart()));
    ended.run.failed();
    assert_eq!(["own", "wrong", "moved"].map(|job| ended.exit_code(job)), [0, 1, 1]);
    let digest = |image: &str| scene.registry.digest(image);
    let recorded = |job| ended.json(job, "images")[0]["digest"].as_str().unwrap().to_owned();

    assert_eq!(
        ended.file("own", "logs/p2p-promote-to-extended-test.log").lines().next(),
        Some("the team promotes")
    );
    let tested = digest("shop/own/test/web:0.0.1");
    assert_eq!(
        (recorded("own"), digest("shop/own/extended-test/web:0.0.1")),
        (tested.clone(), tested.clone())
    );
    assert_eq!(ended.json("own", "promoted")[0]["digest"], tested.as_str());

    for job in ["wrong", "moved"] {
        let steps = ended.steps(job);
        assert_eq!(steps.last().unwrap(), "p2p-promote-to-extended-test failed");
        assert_eq!(steps.iter().filter(|step| !step.ends_with(" passed")).count(), 1, "{steps:?}");
        assert_eq!(
            (ended.output(job, "result").as_str(), ended.output(job, "promoted").as_str()),
            ("failure", "[]")
        );
    }
    let (wrong, there) = (recorded("wrong"), digest("shop/wrong/extended-test/web:0.0.1"));
    assert_eq!(wrong, digest("shop/wrong/test/web:0.0.1"));
    assert_ne!(wrong, there);
    let error = error(&ended, "wrong");
    assert!(error.contains(&wrong) && error.contains(&there), "{error}");

    let (moved, now) = (recorded("moved"), digest("shop/moved/test/web:0.0.1"));
    assert_ne!(moved, now);
    let error = self::error(&ended, "moved");
    assert!(error.contains(&moved) && error.contains(&now), "{error}");
    assert_eq!(scene.registry.tags("shop/moved/extended-test/web"), [""; 0]);
    settings().bind(|| {
        insta::assert_snapshot!("wrong", ended.log("wrong"));
        insta::assert_snapshot!("moved", ended.log("moved"));
    });
}

/// The one error annotation of a job.
fn error(ended: &super::Ended, job: &str) -> String {
    let errors = ended.annotations(job, "error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_owned()
}
