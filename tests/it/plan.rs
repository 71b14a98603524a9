//! `p2p plan` and `--dry-run`: what they print, that it is what is executed, and that they change nothing.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE};

/// A push to main after `v1.2.3`, with secrets, and a registry that nobody is to ask.
fn scene(makefile: &str) -> Gate {
    let vars = json!({
        "BASE_DOMAIN": "dev.acme.io", "PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "123", "REGION": "europe-west2",
        "DPLATFORM": "dev-cluster", "FAST_FEEDBACK": json!({"include": [{"deploy_env": "gcp-dev"}]}).to_string(),
    });
    Gate::new(makefile)
        .tag("v1.2.3")
        .commit("second")
        .input("registry", "registry.example/acme")
        .input("registry-username", "robot")
        .input("registry-password", "registry-password-17")
        .input("env-vars", "DB_PASSWORD=s3cret-of-db")
        .input("vars", &vars.to_string())
}

/// What `p2p plan` prints, ids of commits by their names.
fn printed(gate: &Gate, arguments: &[&str]) -> String {
    let run = gate.run(arguments);
    run.passed();
    assert_eq!(run.stderr, "");
    for secret in ["registry-password-17", "s3cret-of-db", gate.github.token] {
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
    run.stdout.replace(&gate.head(), "(the commit)")
}

#[test]
fn push_to_main() {
    insta::assert_snapshot!(printed(&scene(MAKEFILE), &["plan"]));
}

#[test]
fn pull_request() {
    let gate = scene(MAKEFILE).input("integration-on-prs", "false");
    let head = gate.head();
    let gate = gate.commit("merge").pull_request("acme/shop", &head);
    insta::assert_snapshot!(printed(&gate, &["plan", "fast-feedback"]).replace(&head, "(the head)"));
}

#[test]
fn no_integration_and_no_promotion() {
    let makefile = MAKEFILE.replace(" p2p-integration", "");
    let gate = scene(&makefile)
        .git_ref("refs/heads/topic")
        .input("parallel", "false")
        .input("image-names", "api web");
    insta::assert_snapshot!(printed(&gate, &["plan"]));
}

#[test]
fn as_json() {
    // The values are shown by the other plans; the shape is what programs rely on.
    let mut plan: Value =
        serde_json::from_str(&printed(&scene(MAKEFILE), &["plan", "--output", "json"])).unwrap();
    for step in plan["steps"].as_array_mut().unwrap() {
        if let Some(Value::Object(all)) = step.pointer_mut("/job/variables/set") {
            all.retain(|name, _| ["DB_PASSWORD", "GITHUB_TOKEN", "VERSION"].contains(&name.as_str()));
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn run_and_promote_and_version() {
    let gate = scene(MAKEFILE).input("version", "7.0.0");
    let steps = |arguments: &[&str]| {
        let text = printed(&gate, arguments);
        let start = text.find("steps, in order:").unwrap();
        let end = text.find("\nvalues of the environment:").unwrap();
        text[start..end].to_owned()
    };
    insta::assert_snapshot!(steps(&["plan", "run", "p2p-build", "p2p-nft"]), @r"
    steps, in order:
      1. preflight      check that the run may push to registry.example/acme/test/shop, may create subnamespaces of acme
      2. p2p-build      make p2p-build, at most 60 min
      2. subnamespaces  create acme-shop-nft in acme
      3. images         record the digests under registry.example/acme/test
      4. p2p-nft        make p2p-nft, at most 60 min
    ");
    insta::assert_snapshot!(steps(&["plan", "promote", "prod"]), @r"
    steps, in order:
      1. preflight            check that the run may pull from registry.example/acme/extended-test/shop, may push to registry.example/acme/prod/shop
      2. p2p-promote-to-prod  copy the images, registry.example/acme/extended-test → registry.example/acme/prod
    ");
    insta::assert_snapshot!(steps(&["plan", "version"]), @r"
    steps, in order:
      1. version  settle the version
    ");
}

#[test]
fn the_plan_is_what_is_executed() {
    let gate =
        Gate::new(MAKEFILE).input("env-vars", "DB_PASSWORD=s3cret-of-db").input("artifacts", "reports");
    let planned = |gate: &Gate| -> Value {
        let run = gate.run(&["plan", "--output", "json"]);
        serde_json::from_str(&run.passed().stdout).unwrap()
    };
    // The first run creates the tag; its plan says so until that is done.
    let mut first = planned(&gate);
    assert_eq!(first["version"]["create"], true);
    first["version"]["create"] = json!(false);
    assert_eq!(gate.run(&["fast-feedback"]).passed().report["plan"], first);

    // The commit carries its tag now: nothing at all differs.
    let again = planned(&gate);
    let run = gate.run(&["fast-feedback"]);
    assert_eq!(run.passed().report["plan"], again);
    let names = |steps: &Value| -> Vec<Value> {
        steps.as_array().unwrap().iter().map(|step| step["name"].clone()).collect()
    };
    assert_eq!(names(&run.report["steps"]), names(&again["steps"]), "in the order of the plan");
}

#[test]
fn a_plan_sets_the_outputs_that_are_known() {
    let run = scene(MAKEFILE).run(&["plan"]);
    run.passed();
    assert_eq!((run.output("version"), run.output("previous-version")), ("1.2.4", "1.2.3"));
    assert_eq!((run.output("version-tag"), run.output("tag-created")), ("v1.2.4", "false"));
    assert_eq!((run.output("images"), run.output("promoted"), run.output("steps")), ("[]", "[]", "[]"));
}

#[test]
fn dry_run_changes_nothing() {
    let gate = Gate::new(MAKEFILE).tag("v1.2.3").commit("second");
    let before = gate.remote.tags();
    for arguments in [
        &["fast-feedback", "--dry-run"][..],
        &["fast-feedback", "--dry-run=true", "--output", "json"],
        &["version", "--dry-run"],
        &["run", "p2p-build", "--dry-run"],
        &["promote", "extended-test", "--dry-run", "--version", "1.2.3"],
        &["plan", "promote", "prod", "--version", "1.2.3"],
        &["plan"],
    ] {
        let run = gate.run(arguments);
        run.passed();
        assert!(run.stdout.contains("p2p-") || arguments[0] == "version", "{}", run.stdout);
        assert_eq!(run.logs.len(), 0, "{arguments:?}");
        assert_eq!(run.output("tag-created"), "false");
        assert_eq!(run.summary(), "");
    }
    let by_input = gate.input("dry-run", "TRUE").input("command", "fast-feedback");
    by_input.run(&[]).passed();
    assert_eq!(by_input.remote.tags(), before);
    assert_eq!(by_input.registry.requests(), []);
    assert_eq!(by_input.git(&["status", "--porcelain", "--ignored"]), "");
    for seen in by_input.github.requests() {
        assert!(seen.method == "GET" || seen.path.ends_with("/git-upload-pack"), "{seen:?}");
    }
}

#[test]
fn dry_run_of_the_version_says_what_would_be_created() {
    let gate = Gate::new(MAKEFILE).tag("v1.2.3").commit("second");
    let run = gate.run(&["version", "--dry-run"]);
    assert!(run.passed().stdout.contains("  tag      v1.2.4, to be created"), "{}", run.stdout);
    assert_eq!((run.output("version"), run.output("tag-created")), ("1.2.4", "false"));
    assert_eq!(gate.remote.tags().len(), 1);
}

#[test]
fn a_plan_finds_what_stands_in_the_way() {
    let gate = Gate::new("p2p-build: ; @echo\n");
    let run = gate.run(&["plan"]);
    run.ended(64);
    assert!(
        run.stdout.contains("the Makefile does not define `p2p-functional`, `p2p-nft`"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_plan_on_a_laptop_leaves_nothing_behind() {
    let gate = Gate::local(MAKEFILE);
    gate.run(&["plan"]).passed();
    gate.run(&["run", "p2p-build", "--dry-run"]).passed();
    for directory in [gate.home(), gate.temporary()] {
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 0, "{}", directory.display());
    }
}

#[test]
fn a_plan_finds_logins_and_kubeconfigs_that_cannot_be_used() {
    for (input, value, wrong) in [
        ("registry-username", "", "`registry-password` is set and `registry-username` is not"),
        ("kubeconfig", "absent", "the input kubeconfig is neither the path"),
        ("kube-context", "other", "there is no kubeconfig at"),
        (
            "environments",
            "{'': {google-sts-url: 'http://sts.example'}}",
            "is not a URL that a token may be sent to",
        ),
    ] {
        let run = scene(MAKEFILE).input(input, value).run(&["plan"]);
        run.ended(64);
        let what = run.report["failure"]["what"].as_str().unwrap();
        assert!(what.contains(wrong), "{what}");
    }
}

#[test]
fn a_password_alone_is_a_token_for_google_s_registries_whatever_their_domain() {
    let gate = Gate::new(MAKEFILE)
        .input("registry", "europe-docker.pkg.berlin.example/acme")
        .input("registry-password", "a-token-of-google-s");
    gate.run(&["plan"]).ended(64);
    gate.input("environments", "{'': {artifact-registry-domain: pkg.berlin.example}}")
        .run(&["plan"])
        .passed();
}

/// As make itself sees it: `p2p-%` makes each of them, but no promotion and no phony one of them.
#[test]
fn a_pattern_rule_defines_the_targets_of_the_gate() {
    let gate = Gate::local("P2P_APP_NAME := shop\n.PHONY: p2p-nft\np2p-%:\n\t@echo $@\n");
    let run = gate.run(&["plan", "--output", "json"]);
    let plan: Value = serde_json::from_str(&run.passed().stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let what = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        step["action"].as_str().map_or_else(|| step["action"].to_string(), str::to_owned)
    };
    for target in ["p2p-build", "p2p-functional", "p2p-integration"] {
        assert_eq!(what(target), "run", "{target}");
    }
    assert_eq!(what("p2p-nft"), "nothing");
    let promotion = steps.iter().find(|step| step["name"] == "p2p-promote-to-extended-test").unwrap();
    assert_eq!(
        (&promotion["job"]["kind"], promotion["job"].get("by")),
        (&json!("promote"), None),
        "{promotion}"
    );
}

/// A promotion that is written as a pattern is the team's own; a catch-all is, where `make` is asked for.
#[test]
fn a_pattern_rule_promotes_where_it_is_about_promotions() {
    for (rule, tracked, setting, by_make) in [
        ("p2p-promote-to-%", true, "auto", true),
        ("p2p-promote-to-%", false, "auto", false),
        ("p2p-promote-to-%", true, "make", true),
        ("p2p-%", true, "auto", false),
        ("p2p-%", true, "make", true),
        ("p2p-promote-to-%", true, "native", false),
    ] {
        let gate = Gate::new(&format!("{MAKEFILE}-include more.mk\n")).input("promotion", setting);
        let gate = gate.file("more.mk", &format!("{rule}:\n\t@echo $@\n"));
        let gate = if tracked { gate.commit("tracked") } else { gate };
        let run = gate.run(&["plan", "--output", "json"]);
        let plan: Value = serde_json::from_str(&run.passed().stdout).unwrap();
        let promotion = &plan["steps"].as_array().unwrap().last().unwrap()["job"];
        assert_eq!(promotion["kind"], "promote");
        assert_eq!(promotion.get("by").is_some(), by_make, "{rule} {tracked} {setting}");
    }
}

/// Soak tests take hours: what a later gate runs, and what we do not know, has the job's own limit.
#[test]
fn only_targets_of_fast_feedback_have_a_time_limit_of_ours() {
    let makefile = format!("{MAKEFILE}p2p-extended-test p2p-promote-to-prod p2p-prod soak:\n\t@echo $@\n");
    let limits = |gate: Gate, arguments: &[&str]| -> Vec<Value> {
        let run = gate.run(&[&["plan"], arguments, &["--output", "json"]].concat());
        let plan: Value = serde_json::from_str(&run.passed().stdout).unwrap();
        let targets = plan["steps"].as_array().unwrap().iter().map(|step| &step["job"]);
        targets.filter(|job| job["kind"] == "target").map(|job| job["time-limit-seconds"].clone()).collect()
    };
    let gate = || Gate::new(&makefile);
    assert_eq!(limits(gate(), &["fast-feedback"]), vec![json!(3600); 4]);
    assert_eq!(
        limits(gate(), &["run", "p2p-build", "p2p-extended-test", "soak"]),
        [json!(3600), Value::Null, Value::Null]
    );
    assert_eq!(limits(gate(), &["run", "p2p-prod"]), [Value::Null]);
    let given = || gate().input("timeout", "5h");
    assert_eq!(limits(given(), &["fast-feedback"]), vec![json!(18_000); 4]);
    assert_eq!(limits(given(), &["run", "soak"]), [json!(18_000)]);
    let text = gate().run(&["plan", "run", "p2p-nft", "soak"]).stdout;
    assert!(text.contains("make p2p-nft, at most 60 min\n") && text.contains("make soak\n"), "{text}");
}
