//! From fast feedback to production, and gates that are spread over jobs.

use serde_json::json;

use super::{Job, MAKEFILE, Scene};

const LATER: &str = "
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod:
	@echo \"$@ of $(P2P_VERSION) at $$(git rev-parse HEAD)\"
";

#[test]
fn one_digest_goes_from_fast_feedback_through_extended_test_to_production() {
    let scene = Scene::new(&[("Makefile", &format!("{MAKEFILE}{LATER}"))]);
    let job =
        |command: &str| Job::new("gate").with("command", command).with("fast-feedback-path", "fast-feedback");
    scene.push(&[job("fast-feedback")]).run.passed();
    let digest = scene.registry.digest("shop/fast-feedback/web:1.2.4");
    assert_eq!(scene.registry.digest("shop/extended-test/web:1.2.4"), digest);

    // Others go on in between; the gates are about what awaits them.
    scene.repository.file("later", "of the next version");
    scene.repository.commit("later");
    let scheduled = json!({"schedule": "0 3 * * *", "ref": "refs/heads/main"});
    let ended = scene.event("schedule", scheduled.clone(), &[job("prod")]);
    ended.run.passed();
    assert_eq!(
        (ended.output("gate", "version"), ended.output("gate", "result")),
        (String::new(), "success".to_owned())
    );

    for (command, path) in [("extended-test", "extended-test"), ("prod", "prod")] {
        let ended = scene.event("schedule", scheduled.clone(), &[job(command)]);
        ended.run.passed();
        assert_eq!(ended.output("gate", "version"), "1.2.4");
        assert_eq!(ended.json("gate", "images")[0]["digest"], digest.as_str());
        assert_eq!(ended.json("gate", "images")[0]["reference"], scene.at(&format!("shop/{path}/web:1.2.4")));
        let log = ended.file("gate", &format!("logs/p2p-{command}.log"));
        assert!(log.contains(&format!("p2p-{command} of 1.2.4 at {}", scene.head)), "{log}");
        assert!(!ended.path("gate", "workspace/.git/worktrees").exists());
        assert_eq!(ended.annotations("gate", "warning"), Vec::<&str>::new());
    }
    assert_eq!(scene.registry.digest("shop/prod/web:1.2.4"), digest);
    assert_eq!(scene.registry.versions("shop/prod/web"), ["1.2.4"]);
}

#[test]
fn build_and_tests_and_promotion_can_be_jobs_of_their_own() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let vars = json!({
        "FAST_FEEDBACK": {"include": [{"deploy_env": "gcp-dev"}, {"deploy_env": "gcp-dev2"}]},
        "REGION": "europe-west2", "PROJECT_ID": "acme-dev",
    });
    let version = "${{ needs.version.outputs.version }}";
    let jobs = [
        Job::new("version").with("command", "version"),
        Job::new("matrix")
            .needs("version")
            .with("command", "plan")
            .with("output", "matrix")
            .with("vars", &vars.to_string()),
        Job::new("build")
            .needs("[version, matrix]")
            .with("command", "run")
            .with("target", "p2p-build")
            .with("version", version)
            .with("federation", "off")
            .with("vars", &vars.to_string())
            .with("environment", "${{ fromJSON(needs.matrix.outputs.matrix).include[0].deploy_env }}"),
        Job::new("promote")
            .needs("[version, build]")
            .with("command", "promote")
            .with("target", "extended-test")
            .with("version", version)
            .with("federation", "off")
            .with("images", "${{ needs.build.outputs.images }}")
            .with("environment", "gcp-test")
            .with("source-environment", "${{ needs.build.outputs.environment }}")
            .with("environments", "${{ needs.build.outputs.environments }}")
            .with("dest-environment", "gcp-test"),
    ];
    let ended = scene.push(&jobs);
    ended.run.passed();
    let include = json!({"include": [{"deploy_env": "gcp-dev"}, {"deploy_env": "gcp-dev2"}]});
    assert_eq!(ended.json("matrix", "matrix"), include);
    assert_eq!(ended.output("build", "environment"), "gcp-dev");
    let known = ended.json("build", "environments");
    assert_eq!(known["gcp-dev"]["region"], "europe-west2");
    assert_eq!(known["gcp-dev"]["registry"], scene.at("shop"));
    let digest = scene.registry.digest("shop/test/web:1.2.4");
    assert_eq!(scene.registry.digest("shop/extended-test/web:1.2.4"), digest);
    assert_eq!(ended.json("promote", "promoted")[0]["digest"], digest.as_str());
    let report: serde_json::Value = serde_json::from_str(&ended.file("promote", "report.json")).unwrap();
    let source = &report["plan"]["environment"];
    assert_eq!(source["environment"]["value"], "gcp-dev");
    assert_eq!(source["values"]["project-id"]["value"], "acme-dev");
    assert_eq!(report["warnings"], json!([]), "its digests were recorded");
}
