//! Several environments: in one job, and as the matrix of many.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Registry, Run};

/// Tells in which environment a target runs, and fails where it is told to.
const ENVIRONMENTS: &str = "\
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod:
\t@echo '$@ of $(P2P_VERSION) in $(PLATFORM_ENVIRONMENT) of $(REGION), $(P2P_REGISTRY)'
p2p-functional p2p-nft p2p-integration: where
where:
\t@echo '$(P2P_VERSION) in $(PLATFORM_ENVIRONMENT) of $(REGION)$(BASE_DOMAIN)'
\t@test '$(PLATFORM_ENVIRONMENT)' != '$(FAILS)'
";

/// A push to main, with these matrices in `vars`; the own environment's values are there as well.
fn scene(matrices: &[(&str, Value)]) -> Gate {
    let mut vars = json!({"BASE_DOMAIN": "dev.acme.io", "REGION": "europe-west2"});
    for (name, matrix) in matrices {
        vars[*name] = json!(matrix.to_string());
    }
    Gate::new(&format!("{MAKEFILE}{ENVIRONMENTS}")).input("vars", &vars.to_string())
}

fn two(one: &str, other: &str) -> Value {
    json!({"include": [{"deploy_env": one, "runs_on": ["big", "arm"]}, {"deploy_env": other}]})
}

fn steps(run: &Run) -> Vec<String> {
    let steps = run.report["steps"].as_array().unwrap().iter();
    let step =
        |step: &Value| format!("{} {}", step["name"].as_str().unwrap(), step["status"].as_str().unwrap());
    steps.map(step).filter(|step| step.starts_with("p2p-")).collect()
}

#[test]
fn two_environments_run_one_after_the_other_with_one_report() {
    let other = Registry::start(None);
    let environments = json!({"gcp-dev2": {"region": "us-east1", "registry": other.path()}});
    let gate = scene(&[("FAST_FEEDBACK", two("gcp-dev", "gcp-dev2"))])
        .input("environments", &environments.to_string());
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert_eq!(gate.remote.tags().len(), 1, "one commit has one version");
    assert_eq!(run.output("version"), "0.0.1");
    assert_eq!(
        steps(&run),
        [
            "p2p-build (gcp-dev) passed",
            "p2p-functional (gcp-dev) passed",
            "p2p-nft (gcp-dev) passed",
            "p2p-integration (gcp-dev) passed",
            "p2p-promote-to-extended-test (gcp-dev) passed",
            "p2p-build (gcp-dev2) passed",
            "p2p-functional (gcp-dev2) passed",
            "p2p-nft (gcp-dev2) passed",
            "p2p-integration (gcp-dev2) passed",
        ]
    );
    let place = run.stdout.find("environment gcp-dev2, 2 of 2:").unwrap();
    let promoted = run.stdout.find("✓ p2p-promote-to-extended-test").unwrap();
    assert!(promoted > place, "what is promoted passed everywhere");
    assert!(run.stdout.contains("0.0.1 in gcp-dev of europe-west2dev.acme.io"), "{}", run.stdout);
    // The plain values are the own environment's, and are not there in the other one.
    assert!(run.stdout.contains("0.0.1 in gcp-dev2 of us-east1\n"), "{}", run.stdout);
    assert!(other.digest("test/shop", "0.0.1").is_some());
    assert_eq!(other.digest("extended-test/shop", "0.0.1"), None, "the first one's image is promoted");
    assert_eq!(
        gate.registry.digest("extended-test/shop", "0.0.1"),
        gate.registry.digest("test/shop", "0.0.1")
    );
    // The record names the targets, not the steps of this run.
    let shown = gate.run(&["verify", &format!("{}/extended-test/shop:0.0.1", gate.registry.path())]);
    assert!(shown.passed().stdout.contains("p2p-nft passed in "), "{}", shown.stdout);
    // What a later job promotes: of the images of one name the first environment's.
    assert_eq!(run.json("images").as_array().unwrap().len(), 1);
    assert_eq!(run.report["images"].as_array().unwrap().len(), 2);
    assert_eq!(run.report["other_plans"][0]["environment"]["environment"]["value"], "gcp-dev2");
    let known = run.json("environments");
    assert_eq!(known["gcp-dev2"], environments["gcp-dev2"]);
    assert_eq!(known["gcp-dev"]["base-domain"], "dev.acme.io");
    assert_eq!(known["gcp-dev"]["registry"], gate.registry.path());
}

#[test]
fn one_that_fails_stops_no_other_and_nothing_is_promoted() {
    let gate = scene(&[("FAST_FEEDBACK", two("gcp-dev", "gcp-dev2"))]);
    let registry = gate.registry.path();
    let gate =
        gate.input("environments", &format!("gcp-dev2: {{registry: {registry}}}")).env("FAILS", "gcp-dev");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    assert_eq!(run.output("result"), "failure");
    let steps_of_first = steps(&run);
    assert!(steps_of_first.contains(&"p2p-functional (gcp-dev) failed".to_owned()), "{steps_of_first:?}");
    assert!(steps_of_first.contains(&"p2p-integration (gcp-dev2) passed".to_owned()), "{steps_of_first:?}");
    assert!(
        steps_of_first.contains(&"p2p-promote-to-extended-test (gcp-dev) skipped".to_owned()),
        "{steps_of_first:?}"
    );
    let gate = gate.env("FAILS", "gcp-dev2");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    assert_eq!(run.step("p2p-integration (gcp-dev)"), "passed");
    assert_eq!(run.step("p2p-promote-to-extended-test (gcp-dev)"), "skipped");
    assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1"), None);
}

#[test]
fn the_image_goes_to_each_environment_of_the_next_gate_and_is_tested_there() {
    let (one, other) = (Registry::start(None), Registry::start(None));
    let environments = json!({
        "gcp-test": {"registry": one.path(), "region": "a"},
        "gcp-test2": {"registry": other.path(), "region": "b"},
    });
    let gate = scene(&[
        ("FAST_FEEDBACK", json!({"include": [{"deploy_env": "gcp-dev"}]})),
        ("EXTENDED_TEST", two("gcp-test", "gcp-test2")),
        ("PROD", json!({"include": [{"deploy_env": "gcp-test2"}]})),
    ])
    .input("environments", &environments.to_string());
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert_eq!(run.step("p2p-promote-to-extended-test (gcp-test)"), "passed");
    assert_eq!(run.step("p2p-promote-to-extended-test (gcp-test2)"), "passed");
    let digest = gate.registry.digest("test/shop", "0.0.1");
    assert!(digest.is_some());
    for registry in [&one, &other] {
        assert_eq!(registry.digest("extended-test/shop", "0.0.1"), digest);
    }
    assert_eq!(run.json("promoted").as_array().unwrap().len(), 2);
    assert_eq!(run.report["warnings"], json!([]));

    // In the later gate the first environment of its own matrix is the job's own.
    let gate = gate.input("registry", "").input(
        "vars",
        &json!({
            "EXTENDED_TEST": two("gcp-test", "gcp-test2"), "PROD": {"include": [{"deploy_env": "gcp-test2"}]},
        })
        .to_string(),
    );
    let run = gate.run(&["extended-test"]);
    run.passed();
    assert_eq!(
        steps(&run),
        [
            "p2p-extended-test (gcp-test) passed",
            "p2p-promote-to-prod (gcp-test2) passed",
            "p2p-extended-test (gcp-test2) passed",
        ]
    );
    assert!(run.stdout.contains("p2p-extended-test of 0.0.1 in gcp-test2 of b"), "{}", run.stdout);
    assert_eq!(other.digest("prod/shop", "0.0.1"), digest);
    assert_eq!(one.digest("prod/shop", "0.0.1"), None);
}

#[test]
fn a_later_gate_is_about_the_same_image_in_each_of_its_environments() {
    let (one, other) = (Registry::start(None), Registry::start(None));
    let environments = json!({"gcp-test": {"registry": one.path()}, "gcp-test2": {"registry": other.path()},
               "next": {"registry": format!("{}/next", one.path())}})
    .to_string();
    let gate = scene(&[("EXTENDED_TEST", two("gcp-test", "gcp-test2"))])
        .input("environments", &environments)
        .input("registry", "")
        .input("image-names", "shop")
        .input("promotion-record", "off")
        .input("dest-environment", "next")
        .tag("v1.2.3")
        .event("schedule", json!({}));
    let push = |registry: &Registry, text: &str| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), text).unwrap();
        let image = format!("{}/extended-test/shop:1.2.3", registry.path());
        gate.run(&["image", "push", directory.path().to_str().unwrap(), &image]).passed();
    };
    push(&one, "the same");
    push(&other, "another");
    let run = gate.run(&["extended-test"]);
    run.ended(1);
    assert!(
        run.stdout.contains("extended-test/shop:1.2.3 is not the image of the first environment"),
        "{}",
        run.stdout
    );
    assert_eq!(
        steps(&run),
        [
            "p2p-extended-test (gcp-test) passed",
            "p2p-promote-to-prod (next) skipped",
            "p2p-extended-test (gcp-test2) skipped",
        ]
    );
    assert_eq!(one.digest("next/prod/shop", "1.2.3"), None);
    push(&other, "the same");
    gate.run(&["extended-test"]).passed();
    assert_eq!(one.digest("next/prod/shop", "1.2.3"), one.digest("extended-test/shop", "1.2.3"));
}

#[test]
fn without_a_name_a_job_is_in_the_first_environment_of_its_targets_gate() {
    let only = |name: &str| json!({"include": [{"deploy_env": name}]});
    let matrices =
        [("FAST_FEEDBACK", only("gcp-dev")), ("EXTENDED_TEST", only("gcp-test")), ("PROD", only("gcp-prod"))];
    let registry = "{registry: localhost:1/next}";
    let environments = format!("gcp-test: {registry}\ngcp-prod: {registry}");
    let gate = scene(&matrices).input("environments", &environments);
    for (arguments, expected) in [
        (&["run", "where"][..], "gcp-dev"),
        (&["run", "p2p-functional", "where"], "gcp-dev"),
        (&["run", "p2p-extended-test"], "gcp-test"),
        (&["run", "where", "p2p-prod"], "gcp-prod"),
        (&["run", "p2p-functional", "p2p-prod", "--environment", "mine"], "mine"),
        (&["promote", "extended-test"], "gcp-dev"),
        (&["promote", "prod"], "gcp-test"),
    ] {
        let run = gate.run(&[&["plan"], arguments, &["--output", "json", "--version", "1.2.3"]].concat());
        let plan: Value = serde_json::from_str(&run.passed().stdout).unwrap();
        assert_eq!(plan["environment"]["environment"]["value"], expected, "{arguments:?}");
    }
    let run = gate.run(&["run", "p2p-functional", "p2p-prod"]);
    run.ended(64);
    let message = "gates in different environments: FAST_FEEDBACK names gcp-dev, PROD names gcp-prod";
    assert!(run.stdout.contains(message), "{}", run.stdout);
    // One environment for all of them is no question.
    let gate = scene(&[("FAST_FEEDBACK", only("gcp-dev")), ("PROD", only("gcp-dev"))]);
    gate.run(&["plan", "run", "p2p-functional", "p2p-prod"]).passed();
}

#[test]
fn a_key_that_another_environment_lacks_is_named_before_anything_runs() {
    let gate = scene(&[]).input("environment", "gcp-dev").input("matrix", "gcp-dev gcp-dev3");
    let run = gate.run(&["fast-feedback"]);
    // A registry is not needed until something is promoted or recorded.
    assert!(run.stdout.contains("no registry is known"), "{}", run.stdout);
    let run = gate.run(&["prod"]);
    run.ended(64);
    assert!(run.stdout.contains("the gate cannot run in the environment gcp-dev3"), "{}", run.stdout);
    assert!(run.stdout.contains("the registry of environment gcp-dev3 is not known"), "{}", run.stdout);
}

#[test]
fn the_matrix_of_a_gate_is_what_github_takes() {
    let matrix = two("gcp-dev", "gcp-dev2");
    let gate = scene(&[
        ("FAST_FEEDBACK", matrix.clone()),
        ("PROD", json!({"include": [{"deploy_env": "gcp-prod"}]})),
    ]);
    for (arguments, expected) in [
        (&["plan", "--output", "matrix"][..], matrix.to_string()),
        (&["plan", "fast-feedback", "--output", "matrix"], matrix.to_string()),
        (&["plan", "prod", "--output", "matrix"], r#"{"include":[{"deploy_env":"gcp-prod"}]}"#.to_owned()),
        (
            &["plan", "prod", "--output", "matrix", "--matrix", "a,b"],
            r#"{"include":[{"deploy_env":"a"},{"deploy_env":"b"}]}"#.to_owned(),
        ),
        (
            &["plan", "--output", "matrix", "--environment", "mine"],
            r#"{"include":[{"deploy_env":"mine"}]}"#.to_owned(),
        ),
    ] {
        let run = gate.run(arguments);
        assert_eq!(run.passed().stdout, format!("{expected}\n"), "{arguments:?}");
        assert_eq!((run.output("matrix"), run.output("result")), (expected.as_str(), "success"));
    }
    assert_eq!(gate.registry.requests(), [], "nobody was asked");
}

#[test]
fn what_is_no_matrix_is_said() {
    let message = |gate: &Gate, arguments: &[&str]| {
        let run = gate.run(arguments);
        run.ended(64);
        let failure = run
            .reading()
            .effects
            .iter()
            .filter(|effect| effect.name == "error")
            .map(|effect| effect.message.clone())
            .collect::<String>();
        format!("{arguments:?}\n{failure}\n\n")
    };
    let gate = scene(&[("PROD", json!({"include": []}))]);
    let mut all = String::new();
    for arguments in [
        &["plan", "--output", "matrix"][..],
        &["plan", "prod", "--output", "matrix"],
        &["prod"],
        &["plan", "run", "p2p-build", "--output", "matrix"],
        &["fast-feedback", "--matrix", "{\"include\": [{}]}"],
    ] {
        all.push_str(&message(&gate, arguments));
    }
    all.push_str(&message(&gate.input("matrix", "gcp-dev"), &["run", "p2p-build"]));
    insta::assert_snapshot!(all);
}
