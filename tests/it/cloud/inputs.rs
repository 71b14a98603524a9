//! What each input about Google Cloud and Kubernetes changes.

use serde_json::{Value, json};

use super::{AUTH_FILE, Cloud, MAKEFILE, failure, message};
use crate::support::gate::Gate;
use crate::support::google::Google;
use crate::support::kube::Hnc;

/// The plan as JSON.
#[track_caller]
fn plan(gate: &Gate, arguments: &[&str]) -> Value {
    let run = gate.run(&[&["plan"], arguments, &["--output", "json"]].concat());
    serde_json::from_str(&run.passed().stdout).unwrap()
}

#[test]
fn federation_is_off_or_on_or_where_it_is_needed() {
    let cloud = Cloud::new();
    let acts = |gate: &Gate| plan(gate, &[])["access"]["own"]["identity"].is_object();
    let gate = || cloud.gate(MAKEFILE);
    assert!(acts(&gate()));
    assert!(!acts(&gate().input("federation", "off")));
    let password = || gate().input("registry-username", "u").input("registry-password", "password-17");
    assert!(acts(&password()), "the cluster needs it");
    let kubeconfig = "current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n\
                      clusters: [{name: c, cluster: {server: 'https://x'}}]\n";
    assert!(acts(&gate().input("kubeconfig", kubeconfig)), "the registry needs it");
    assert!(!acts(&password().input("kubeconfig", kubeconfig)), "both are given");
    assert!(acts(&password().input("kubeconfig", kubeconfig).input("federation", "on")));

    let run =
        gate().input("vars", "{}").input("tenant-name", "shop").input("federation", "on").run(&["plan"]);
    run.ended(64);
    let text = message(&run.report["failure"]);
    assert!(text.contains("the workload-identity-provider is not known: it needs project-number"), "{text}");
    assert!(cloud.requests().is_empty());
}

#[test]
fn a_laptop_acts_as_nobody_unless_told_to() {
    let cloud = Cloud::new();
    let local = |federation: &str| {
        let gate =
            Gate::local(MAKEFILE).file(".p2p.yaml", &cloud.settings(&[])).input("federation", federation);
        let gate = cloud.inputs().into_iter().fold(gate, |gate, (name, value)| gate.input(name, &value));
        cloud.google.variables().into_iter().fold(gate, |gate, (name, value)| gate.env(name, value))
    };
    let run = local("").run(&["run", "p2p-functional"]);
    assert_eq!(run.code, 2, "kubectl finds no cluster: {}", run.stdout);
    assert!(cloud.requests().is_empty());
    let run = local("on").run(&["run", "p2p-build", "p2p-functional"]);
    run.passed();
    assert!(run.logs["p2p-functional.log"].contains("shop-basket-functional"));
}

#[test]
fn the_endpoint_of_the_cluster() {
    let cloud = Cloud::new();
    let run = cloud.gate_with(MAKEFILE, &[("cluster-endpoint", "private")]).run(&["fast-feedback"]);
    run.ended(64);
    let text = failure(&run, "preflight");
    assert!(
        text.contains("has no private endpoint") && text.contains("cluster-endpoint to dns or public"),
        "{text}"
    );
    for (key, value, expected) in [
        ("cluster-endpoint", "dsn", "one of `dns`, `public`, `private`"),
        ("subnamespaces-timeout", "soon", "a whole number of minutes"),
        ("copy-limit", "2 pounds", "a number of bytes"),
    ] {
        let run = cloud.gate_with(MAKEFILE, &[(key, value)]).run(&["plan"]);
        run.ended(64);
        let text = message(&run.report["failure"]);
        assert!(text.contains(&format!("{key} {value:?}")) && text.contains(expected), "{text}");
    }
}

#[test]
fn namespaces_that_are_made_by_others() {
    let cloud = Cloud::new();
    let gate = cloud.gate(MAKEFILE).input("skip-subnamespaces-create", "true");
    let run = gate.run(&["fast-feedback"]);
    run.ended(69);
    let text = failure(&run, "preflight");
    assert!(text.contains("create deployments.apps in the namespace shop-basket-functional"), "{text}");
    assert_eq!((run.step("subnamespaces"), cloud.cluster.anchors().len()), ("", 0));
}

/// As `p2p-execute-command.yaml` gives its input `subnamespace`.
#[test]
fn targets_of_run_work_in_the_subnamespace_that_is_given() {
    let soak = "soak: p2p-nft\n.PHONY: soak\n";
    for (environments, namespace) in [
        (r#"{"": {"subnamespace": "load"}}"#, "shop-basket-load"),
        (r#"{"gcp-dev": {"subnamespace": "nft"}}"#, "shop-basket-nft"),
    ] {
        let cloud = Cloud::new();
        let gate = cloud.gate(&format!("{MAKEFILE}{soak}")).input("environments", environments);
        let run = gate.run(&["run", "soak", "p2p-functional"]);
        run.passed();
        for log in ["soak.log", "p2p-functional.log"] {
            assert!(run.logs[log].contains(&format!(" {namespace}\n")), "{}", run.logs[log]);
        }
        assert_eq!(cloud.cluster.anchors(), [format!("shop/{namespace}")]);
    }
}

#[test]
fn the_time_that_a_subnamespace_may_take() {
    let cloud = Cloud::new();
    cloud.cluster.hnc(Hnc::Silent);
    let run = cloud.gate_with(MAKEFILE, &[("subnamespaces-timeout", "1s")]).run(&["fast-feedback"]);
    run.ended(69);
    let text = failure(&run, "subnamespaces");
    assert!(text.contains("shop-basket-functional") && text.contains("1 s"), "{text}");
    assert_eq!((run.step("p2p-build"), run.step("p2p-functional")), ("passed", "skipped"));
}

#[test]
fn further_registries_that_targets_are_logged_in_to() {
    let cloud = Cloud::new();
    let looks = "p2p-functional: looks\nlooks:\n\t@grep -c '\"tenant.example/shop\"' \"$$REGISTRY_AUTH_FILE\"; cat \"$$REGISTRY_AUTH_FILE\"\n";
    let gate = || cloud.gate(&format!("{MAKEFILE}{looks}"));
    let logins = "# the tenant's own\nhttps://tenant.example/shop/ robot the-pat-of-17\nother.example me another-one\n";
    let run = gate().input("registry-logins", logins).run(&["fast-feedback"]);
    let log = &run.passed().logs["p2p-functional.log"];
    assert!(log.starts_with("1\n") && log.contains("\"other.example\""), "{log}");
    assert!(run.texts().iter().all(|(_, text)| {
        let shows = |line: &str| line.contains("the-pat-of-17") || line.contains("another-one");
        !text.lines().any(|line| shows(line) && !line.starts_with("::add-mask::"))
    }));
    let run =
        gate().input("registry-logins", "\ntenant.example the-pat-of-17\nr.example a b c\n").run(&["plan"]);
    run.ended(64);
    let text = message(&run.report["failure"]);
    assert!(text.contains("line 2 lacks") && text.contains("line 3 has more"), "{text}");
    assert!(run.texts().iter().all(|(_, text)| {
        !text.lines().any(|line| line.contains("the-pat-of-17") && !line.starts_with("::add-mask::"))
    }));
}

#[test]
fn both_sides_of_a_promotion_by_their_entries() {
    let cloud = Cloud::new();
    let entries = "one: {project-id: acme-dev, project-number: 42, region: europe-west2}\n\
                   two: {project-id: acme-prod, project-number: 77, region: europe-west3}\n";
    let gate = cloud.gate_with(MAKEFILE, &[("artifact-registry-domain", "pkg.example")]).input("vars", "{}");
    let gate = gate.input("tenant-name", "shop").input("environments", entries);
    let arguments =
        ["promote", "extended-test", "--version=1.2.3", "--source-environment=one", "--dest-environment=two"];
    let planned = plan(&gate.input("registry", ""), &arguments);
    let access = &planned["access"];
    let text = |side: &str, key: &str| access[side]["identity"][key]["value"].as_str().unwrap().to_owned();
    assert_eq!(access["own"]["identity"]["role"], "source");
    assert_eq!(text("own", "service_account"), "p2p-shop@acme-dev.iam.gserviceaccount.com");
    assert!(text("own", "provider").starts_with("projects/42/"));
    assert_eq!(text("destination", "service_account"), "p2p-shop@acme-prod.iam.gserviceaccount.com");
    assert!(text("destination", "provider").starts_with("projects/77/"));
    assert_eq!(access["own"]["registry"], "europe-west2-docker.pkg.example/acme-dev/tenant/shop");
    assert_eq!(access["destination"]["registry"], "europe-west3-docker.pkg.example/acme-prod/tenant/shop");

    let provider = |number: u32| crate::support::google::provider(number, "other");
    let entry = |account: &str, number: u32, registry: &str| {
        json!({"registry": cloud.registry.of(registry), "workload-identity-provider": provider(number),
               "service-account": format!("{account}@acme.iam.gserviceaccount.com")})
    };
    let entries = json!({"one": entry("reads", 1, "acme-dev"), "two": entry("writes", 2, "acme-prod")});
    let gate = cloud.gate(MAKEFILE).input("environments", &entries.to_string()).input("version", "1.2.3");
    let gate = gate.input("source-environment", "one").input("dest-environment", "two");
    let planned = plan(&gate, &["promote", "extended-test"]);
    let access = &planned["access"];
    for (side, account, number) in [("own", "reads@", 1), ("destination", "writes@", 2)] {
        let identity = &access[side]["identity"];
        assert!(identity["service_account"]["value"].as_str().unwrap().starts_with(account), "{identity}");
        assert_eq!(identity["provider"]["value"], provider(number));
    }
}

#[test]
fn the_command_promote_acts_as_both_sides() {
    for own in ["", AUTH_FILE] {
        let cloud = Cloud::new();
        let makefile = format!("{MAKEFILE}{own}");
        let gate = cloud.gate(&makefile).input("version", "1.2.3");
        gate.run(&["run", "p2p-build"]).passed();
        let matrix = r#"{"TENANT_NAME": "shop", "PROJECT_ID": "acme-prod"}"#;
        let gate = gate
            .input("vars", matrix)
            .input("environment", "gcp-prod")
            .input("source-environment", "gcp-dev")
            .input("dest-environment", "gcp-prod")
            .input("promotion-record", "expected")
            .input("registry", &cloud.registry.of("acme-prod"))
            .input(
                "environments",
                &format!(
                    "gcp-dev: {{project-id: acme-dev, project-number: 42, region: europe-west2, registry: {}}}\n\
                     gcp-prod: {{project-id: acme-prod, project-number: 77, region: europe-west2}}",
                    cloud.registry.of("acme-dev")
                ),
            );
        let run = gate.run(&["promote", "extended-test"]);
        run.passed();
        assert!(run.stdout.contains("may pull from"), "{}", run.stdout);
        let tags = cloud.registry.registry.tags("acme-prod/tenant/shop/extended-test/basket");
        assert!(tags.contains(&"1.2.3".to_owned()), "{tags:?}");
    }
}

#[test]
fn places_of_google_s_services() {
    let cloud = Cloud::new();
    for (name, asked) in [
        ("google-sts-url", "POST /v1/token"),
        ("google-iam-credentials-url", "POST /v1/projects/-/serviceAccounts/"),
        ("google-container-url", "GET /v1/projects/acme-dev/locations/europe-west2/clusters/dev"),
    ] {
        let other = Google::start();
        cloud.gate_with(MAKEFILE, &[(name, &other.url())]).run(&["fast-feedback"]).ended(69);
        assert!(other.count(asked) > 0, "{name}");
        let run = cloud.gate_with(MAKEFILE, &[(name, "http://sts.example/")]).run(&["plan"]);
        run.ended(64);
        let text = message(&run.report["failure"]);
        assert!(text.contains("'http://sts.example' is not a URL that a token may be sent to"), "{text}");
    }
    let before = cloud.google.server().requests().len();
    let gate = cloud.gate_with(MAKEFILE, &[("google-universe", "berlin.example")]);
    let run = gate.run(&["fast-feedback"]);
    run.ended(69);
    let text = failure(&run, "preflight");
    assert!(text.contains("p2p-shop@acme-dev.iam.gserviceaccount.com"), "{text}");
    let asked = cloud.google.server().requests();
    // Both accounts ask at once.
    let audiences: Vec<_> = asked[before..].iter().filter_map(|seen| seen.parameter("audience")).collect();
    let own = |audience: &String| audience.starts_with("https://iam.berlin.example/projects/42/");
    assert!(audiences.iter().any(own), "{audiences:?}");
}

#[test]
fn tokens_go_to_google_s_registries_alone() {
    let cloud = Cloud::new();
    let gate = cloud.gate_with(MAKEFILE, &[("artifact-registry-domain", "")]).input("environments", "").input(
        "vars",
        r#"{"TENANT_NAME": "shop", "PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "42", "REGION": "europe-west2"}"#,
    );
    let run = gate.run(&["fast-feedback"]);
    run.ended(69);
    let text = failure(&run, "preflight");
    assert!(text.contains("this job may not push images to") && text.contains("was answered 401"), "{text}");
    assert!(cloud.registry.seen().iter().all(|seen| seen.header("authorization").is_empty()));
}
