//! The environment of make targets: every row of the contract's table, as `env` shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use p2p::domain::environment::TABLE;
use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::kube::Cluster;

/// Every target of the path to production; each leaves its environment in `$MARKS/<target>.env`.
const TARGETS: &str = "p2p-functional p2p-nft p2p-integration p2p-extended-test p2p-prod";

fn scene(recipe: &str) -> Gate {
    let head = MAKEFILE.split("p2p-functional p2p-nft p2p-integration:\n").next().unwrap();
    let dump = "\t@env -0 > \"$$MARKS/$@.env\"\n";
    let recipe = if recipe.is_empty() { String::new() } else { format!("\t@{recipe}\n") };
    let gate = Gate::new(&format!("{head}{dump}{recipe}.PHONY: {TARGETS}\n{TARGETS}:\n{dump}{recipe}"));
    let marks = gate.home().to_owned();
    gate.env("MARKS", marks)
}

/// The environment that a target had.
fn env(gate: &Gate, target: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(gate.home().join(format!("{target}.env"))).unwrap();
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.split('\0').filter_map(pair).collect()
}

/// What GitHub's `vars` hold on the platform.
fn vars() -> String {
    json!({
        "BASE_DOMAIN": "dev.acme.io", "INTERNAL_SERVICES_DOMAIN": "internal.acme.io", "DPLATFORM": "dev-cluster",
        "PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "123", "REGION": "europe-west2", "TENANT_NAME": "acme",
        "FAST_FEEDBACK": json!({"include": [{"deploy_env": "gcp-dev"}]}).to_string(),
    })
    .to_string()
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is the table")]
fn every_row_of_the_table() {
    let gate = scene("")
        .input("federation", "off")
        .input("vars", &vars())
        .input("env-vars", "DB_PASSWORD=a=b \\n\nMORE<<E\n1\n2\nE\n")
        .tag("v1.2.3");
    gate.run(&["fast-feedback"]).passed();
    let registry = gate.registry.path();
    let directory = gate.workspace().display().to_string();
    let expected = [
        ("REGISTRY", registry.clone()),
        ("P2P_REGISTRY", registry.clone()),
        ("VERSION", "1.2.3".to_owned()),
        ("P2P_VERSION", "1.2.3".to_owned()),
        ("TENANT_NAME", "acme".to_owned()),
        ("P2P_TENANT_NAME", "acme".to_owned()),
        ("P2P_APP_NAME", "shop".to_owned()),
        ("FAST_FEEDBACK_PATH", "test".to_owned()),
        ("EXTENDED_TEST_PATH", "extended-test".to_owned()),
        ("PROD_PATH", "prod".to_owned()),
        ("P2P_REGISTRY_FAST_FEEDBACK_PATH", "test".to_owned()),
        ("P2P_REGISTRY_EXTENDED_TEST_PATH", "extended-test".to_owned()),
        ("P2P_REGISTRY_PROD_PATH", "prod".to_owned()),
        ("P2P_REGISTRY_FAST_FEEDBACK", format!("{registry}/test")),
        ("P2P_REGISTRY_EXTENDED_TEST", format!("{registry}/extended-test")),
        ("P2P_REGISTRY_PROD", format!("{registry}/prod")),
        ("P2P_NAMESPACE_FUNCTIONAL", "acme-shop-functional".to_owned()),
        ("P2P_NAMESPACE_NFT", "acme-shop-nft".to_owned()),
        ("P2P_NAMESPACE_INTEGRATION", "acme-shop-integration".to_owned()),
        ("P2P_NAMESPACE_EXTENDED", "acme-shop-extended".to_owned()),
        ("P2P_NAMESPACE_PROD", "acme-shop-prod".to_owned()),
        ("BASE_DOMAIN", "dev.acme.io".to_owned()),
        ("INTERNAL_SERVICES_DOMAIN", "internal.acme.io".to_owned()),
        ("DPLATFORM", "dev-cluster".to_owned()),
        ("PLATFORM_ENVIRONMENT", "gcp-dev".to_owned()),
        ("PROJECT_ID", "acme-dev".to_owned()),
        ("PROJECT_NUMBER", "123".to_owned()),
        ("REGION", "europe-west2".to_owned()),
        ("SERVICE_ACCOUNT", "p2p-acme@acme-dev.iam.gserviceaccount.com".to_owned()),
        (
            "WORKLOAD_IDENTITY_PROVIDER",
            "projects/123/locations/global/workloadIdentityPools/p2p-acme/providers/p2p-acme".to_owned(),
        ),
        ("CLOUDSDK_CORE_PROJECT", "acme-dev".to_owned()),
        ("CLOUDSDK_PROJECT", "acme-dev".to_owned()),
        ("GCLOUD_PROJECT", "acme-dev".to_owned()),
        ("GCP_PROJECT", "acme-dev".to_owned()),
        ("GOOGLE_CLOUD_PROJECT", "acme-dev".to_owned()),
        ("GITHUB_TOKEN", gate.github.token.to_owned()),
        ("PWD", directory.clone()),
        ("GITHUB_WORKSPACE", directory),
        ("P2P_BIN", env!("CARGO_BIN_EXE_p2p").to_owned()),
    ];
    let files = [
        "KUBECONFIG",
        "KUBE_CONFIG_PATH",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_ARTIFACTS",
    ];
    // Without a login to Google there are none, no promotion has taken place, and no registry is insecure.
    let unset = [
        "P2P_INSECURE_REGISTRIES",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
        "GOOGLE_GHA_CREDS_PATH",
        "SOURCE_REGISTRY",
        "SOURCE_PROJECT_ID",
        "SOURCE_SERVICE_ACCOUNT",
        "SOURCE_WORKLOAD_IDENTITY_PROVIDER",
        "SOURCE_GITHUB_ENV",
        "DEST_GITHUB_ENV",
        "SOURCE_AUTH_OVERRIDE",
        "DEST_AUTH_OVERRIDE",
        "SOURCE_ACCESS_TOKEN",
        "DEST_ACCESS_TOKEN",
    ];
    let asserted: BTreeSet<&str> = expected.iter().map(|(name, _)| *name).chain(files).chain(unset).collect();
    let table: BTreeSet<&str> = TABLE.iter().map(|entry| entry.name).collect();
    assert_eq!(asserted, table, "no row of the table is left out");

    let temporary = gate.temporary().display().to_string();
    for target in ["p2p-build", "p2p-functional", "p2p-integration"] {
        let env = env(&gate, target);
        for (name, value) in &expected {
            assert_eq!(env.get(*name), Some(value), "{name} of {target}");
        }
        for name in files {
            assert!(env[name].starts_with(&temporary), "{name} of {target} is {}", env[name]);
            assert!(!fs::exists(&env[name]).unwrap(), "{name} of {target} is gone with it");
        }
        for name in unset {
            assert_eq!(env.get(name), None, "{name} of {target}");
        }
        assert_eq!((env["DB_PASSWORD"].as_str(), env["MORE"].as_str()), ("a=b \\n", "1\n2"));
        let inputs: Vec<_> = env.keys().filter(|name| name.starts_with("INPUT_")).collect();
        assert!(inputs.is_empty(), "{inputs:?}");
    }
    let nft = env(&gate, "p2p-nft");
    assert!(nft["PWD"] == nft["GITHUB_WORKSPACE"] && nft["PWD"].starts_with(&temporary));
    let private = |target: &str| files.map(|name| env(&gate, target)[name].clone());
    assert!(private("p2p-functional").iter().all(|path| !private("p2p-nft").contains(path)));
}

#[test]
fn what_is_not_known_is_unset_and_never_empty() {
    let names = [
        "REGION",
        "BASE_DOMAIN",
        "P2P_TENANT_NAME",
        "P2P_APP_NAME",
        "P2P_VERSION",
        "PROJECT_ID",
        "KUBECONFIG",
    ];
    let gate = scene("echo '$(P2P_APP_NAME) of $(P2P_TENANT_NAME)'");
    let gate = names.into_iter().fold(gate, |gate, name| gate.env(name, ""));
    let run = gate.input("region", "").input("vars", "{}").run(&["fast-feedback"]);
    run.passed();
    assert!(run.logs["p2p-functional.log"].contains("shop of acme"), "the Makefile's ?= counts");
    let gate = scene("").input("registry", "").env("REGION", "").env("PROJECT_ID", "").env("OTHER", "");
    gate.run(&["run", "p2p-functional"]).passed();
    let env = env(&gate, "p2p-functional");
    for name in [
        "REGION",
        "PROJECT_ID",
        "REGISTRY",
        "P2P_REGISTRY_PROD",
        "SERVICE_ACCOUNT",
        "GCP_PROJECT",
        "DPLATFORM",
    ] {
        assert_eq!(env.get(name), None, "{name}");
    }
    assert_eq!(env["OTHER"], "", "what is none of ours stays as it is");
    let empty: Vec<_> =
        TABLE.iter().filter(|entry| env.get(entry.name).is_some_and(String::is_empty)).collect();
    assert!(empty.is_empty(), "{empty:?}");
}

#[test]
fn a_makefile_that_demands_what_its_targets_get_is_read() {
    let demand = |name: &str| format!("ifndef {name}\n$(error {name} is not set)\nendif\n");
    let demands = ["VERSION", "P2P_VERSION"].map(demand).concat();
    let gate = scene("");
    let makefile =
        fs::read_to_string(gate.workspace().join("Makefile")).unwrap() + "p2p-images: ; @echo shop\n";
    let gate = gate.file("Makefile", &(demands.clone() + &makefile)).commit("demands");
    let run = gate.run(&["fast-feedback"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    assert_eq!(env(&gate, "p2p-functional")["VERSION"], "0.0.1");
    // The latest version is looked for before there is one.
    assert_eq!(gate.run(&["extended-test"]).passed().output("version"), "0.0.1");

    // The tenant that only the Makefile knows is in the registry's name.
    let demands = demands + &["REGISTRY", "P2P_NAMESPACE_NFT", "SERVICE_ACCOUNT"].map(demand).concat();
    let gate = gate
        .file("Makefile", &(demands + &makefile))
        .commit("demands more")
        .input("registry", "")
        .input("federation", "off")
        .input("vars", r#"{"PROJECT_ID": "acme-dev", "REGION": "europe-west2"}"#);
    let run = gate.run(&["plan"]);
    assert!(
        run.passed().stdout.contains("europe-west2-docker.pkg.dev/acme-dev/tenant/acme "),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("unknown-tenant"), "{}", run.stdout);
}

#[test]
fn inputs_replace_what_is_derived() {
    let gate = scene("")
        .input("fast-feedback-path", "quick")
        .input("environments", "{'': {namespace-nft: load}}")
        .input("base-namespace", "team")
        .input("app-name", "basket")
        .input("service-account", "deploy@acme.io");
    gate.run(&["run", "p2p-functional"]).passed();
    let env = env(&gate, "p2p-functional");
    assert_eq!(env["P2P_REGISTRY_FAST_FEEDBACK"], format!("{}/quick", gate.registry.path()));
    assert_eq!(
        (env["P2P_NAMESPACE_NFT"].as_str(), env["P2P_NAMESPACE_PROD"].as_str()),
        ("load", "team-prod")
    );
    assert_eq!((env["P2P_APP_NAME"].as_str(), env["SERVICE_ACCOUNT"].as_str()), ("basket", "deploy@acme.io"));
}

const CLUSTER: &str = "\
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: 'https://dev.example'}}]
users: [{name: u, user: {token: hunter2-and-more}}]
contexts: [{name: dev, context: {cluster: c, user: u, namespace: theirs}}]
";

#[test]
fn kubectl_shows_the_target_s_namespace() {
    let shows = "kubectl config view --minify -o 'jsonpath={.current-context} {..namespace}'; echo; \
                 test \"$$KUBECONFIG\" = \"$$KUBE_CONFIG_PATH\"; stat -c %a \"$$KUBECONFIG\"";
    let cluster = Cluster::start(&["acme"], |seen| seen.bearer() == "hunter2-and-more");
    let server =
        format!("{{server: '{}', certificate-authority-data: {}}}", cluster.url(), cluster.authority_data());
    let kubeconfig = CLUSTER.replace("{server: 'https://dev.example'}", &server);
    let gate = scene(shows).input("kubeconfig", &kubeconfig);
    let first = gate.run(&["fast-feedback"]);
    let later = gate.run(&["run", "p2p-extended-test", "p2p-prod"]);
    for (run, target, namespace) in [
        (&first, "p2p-build", "acme-shop"),
        (&first, "p2p-functional", "acme-shop-functional"),
        (&first, "p2p-nft", "acme-shop-nft"),
        (&first, "p2p-integration", "acme-shop-integration"),
        (&later, "p2p-extended-test", "acme-shop-extended"),
        (&later, "p2p-prod", "acme-shop-prod"),
    ] {
        let log = &run.passed().logs[&format!("{target}.log")];
        assert!(log.contains(&format!("dev {namespace}\n600\n")), "{target}: {log}");
    }
    let made = ["extended", "functional", "integration", "nft", "prod"];
    assert_eq!(cluster.anchors(), made.map(|name| format!("acme/acme-shop-{name}")));
}

#[test]
fn the_job_s_own_kubeconfig_is_used_and_left_alone() {
    let gate = scene(
        "kubectl config view --minify -o 'jsonpath={..namespace}'; kubectl config set-context --current --namespace=changed",
    );
    let path = gate.home().join("kubeconfig");
    fs::write(&path, CLUSTER).unwrap();
    let gate = gate.env("KUBECONFIG", &path);
    let run = gate.run(&["run", "p2p-functional", "p2p-integration"]);
    for (target, namespace) in
        [("functional", "acme-shop-functional"), ("integration", "acme-shop-integration")]
    {
        assert!(run.passed().logs[&format!("p2p-{target}.log")].starts_with(namespace));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), CLUSTER);
}

#[test]
fn skopeo_is_logged_in_to_the_registry() {
    let inspect = "[ $@ = p2p-build ] || for file in \"$$REGISTRY_AUTH_FILE\" \"$$DOCKER_CONFIG/config.json\"; do \
                   skopeo inspect --authfile \"$$file\" --tls-verify=false --format '{{.Digest}}' \
                   docker://$(P2P_REGISTRY_FAST_FEEDBACK)/shop:$(VERSION) || exit 1; done; stat -c %a \"$$DOCKER_CONFIG\"";
    let gate = scene(inspect).registry_login("robot", "pass word/17=");
    // What the user has stays reachable, and their own files are not written to.
    let config = gate.home().join(".docker/config.json");
    fs::create_dir(config.parent().unwrap()).unwrap();
    fs::write(&config, r#"{"auths": {"ghcr.io": {"auth": "dTpw"}}, "currentContext": "desktop"}"#).unwrap();
    let before = fs::read_to_string(&config).unwrap();
    let gate = gate.env("DOCKER_CONFIG", config.parent().unwrap());
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let digest = run.json("images")[0]["digest"].as_str().unwrap().to_owned();
    assert!(run.logs["p2p-functional.log"].contains(&format!("{digest}\n{digest}\n")));
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
}

#[test]
fn gcloud_s_default_credentials_are_as_the_job_had_them() {
    let append = "cat \"$$HOME/.config/gcloud/application_default_credentials.json\" || :; mkdir -p \"$$HOME/.config/gcloud\"; \
                  echo \"of $@\" >> \"$$HOME/.config/gcloud/application_default_credentials.json\"";
    let targets = ["p2p-build", "p2p-functional", "p2p-integration"];
    let arguments = [&["run"][..], &targets].concat();
    let gate = scene(append);
    let file = gate.home().join(".config/gcloud/application_default_credentials.json");
    let run = gate.run(&arguments);
    for target in targets {
        assert!(!run.passed().logs[&format!("{target}.log")].contains("of p2p"), "{target} found none");
    }
    assert!(!file.exists(), "there was none before");

    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "the job's own\n").unwrap();
    let run = gate.run(&arguments);
    for target in targets {
        let log = &run.passed().logs[&format!("{target}.log")];
        assert!(log.contains("the job's own\n") && !log.contains("of p2p"), "{target}: {log}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "the job's own\n");
}

#[test]
fn the_runner_s_files_are_the_target_s_own() {
    let writes = "echo 'version=6.6.6' >> \"$$GITHUB_OUTPUT\"; echo 'X=1' >> \"$$GITHUB_ENV\"; echo /evil >> \"$$GITHUB_PATH\"; \
                  echo \"x=\" >> \"$$GITHUB_ARTIFACTS\"; wc -c < \"$$GITHUB_OUTPUT\"";
    let run = scene(writes).run(&["fast-feedback"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    for target in ["p2p-functional", "p2p-integration"] {
        assert!(run.logs[&format!("{target}.log")].ends_with("14\n"), "each finds its file empty");
    }
    for name in ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"] {
        assert_eq!(run.file(name), "");
    }
    let digest = run.json("images")[0]["digest"].as_str().unwrap().to_owned();
    assert!(
        run.file("GITHUB_ARTIFACTS")
            .lines()
            .all(|line| line.starts_with("oci://") && line.ends_with(&digest))
    );
    assert_eq!(run.file("GITHUB_ARTIFACTS").lines().count(), 1, "one line an image");
}

#[test]
fn a_promotion_by_make_has_source_and_destination() {
    let promote = "\
p2p-promote-to-extended-test:
\t@env -0 > \"$$MARKS/$@.env\"
\t@kubectl config view --minify -o 'jsonpath={.current-context} {..namespace} {..server}' || :; echo
\t@skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false \
docker://$(SOURCE_REGISTRY)/test/shop:$(VERSION) docker://$(REGISTRY)/extended-test/shop:$(VERSION)
";
    let gate = scene("");
    let makefile = fs::read_to_string(gate.workspace().join("Makefile")).unwrap();
    let gate = gate
        .file("Makefile", &(makefile + promote))
        .commit("promotes")
        .input("vars", &vars())
        .input("federation", "off");
    let (source, destination) = (gate.registry.path(), format!("{}/stable", gate.registry.address()));
    let environments =
        format!("gcp-prod: {{registry: '{destination}', project-id: acme-prod, region: europe-west1}}");
    let credentials =
        ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_GHA_CREDS_PATH"];
    let gate = gate.input("environments", &environments).input("dest-environment", "gcp-prod");
    let gate = credentials.into_iter().fold(gate, |gate, name| gate.env(name, "/of/the/job"));
    let kubeconfig = gate.home().join("kubeconfig");
    fs::write(&kubeconfig, CLUSTER).unwrap();
    let gate = gate.env("KUBECONFIG", &kubeconfig);
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert_eq!(run.json("promoted")[0]["destination"], format!("{destination}/extended-test/shop:0.0.1"));
    let promoting =
        |run: &Run| run.logs["p2p-promote-to-extended-test.log"].lines().next().unwrap().to_owned();
    let no_cluster = "error: cannot locate context no-cluster";
    assert_eq!(promoting(&run), no_cluster, "the source's cluster is none of the destination's");
    let env = env(&gate, "p2p-promote-to-extended-test");
    for (name, value) in [
        ("SOURCE_REGISTRY", source.as_str()),
        ("REGISTRY", &destination),
        ("SOURCE_PROJECT_ID", "acme-dev"),
        ("PROJECT_ID", "acme-prod"),
        ("SOURCE_SERVICE_ACCOUNT", "p2p-acme@acme-dev.iam.gserviceaccount.com"),
        ("SERVICE_ACCOUNT", "p2p-acme@acme-prod.iam.gserviceaccount.com"),
        ("SOURCE_GITHUB_ENV", "gcp-dev"),
        ("DEST_GITHUB_ENV", "gcp-prod"),
        ("PLATFORM_ENVIRONMENT", "gcp-prod"),
        ("REGION", "europe-west1"),
    ] {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    let others = ["BASE_DOMAIN", "DPLATFORM", "PROJECT_NUMBER", "WORKLOAD_IDENTITY_PROVIDER"];
    for name in others.into_iter().chain(credentials) {
        assert_eq!(env.get(name), None, "{name} speaks of the job's own environment");
    }
    for name in credentials {
        assert_eq!(self::env(&gate, "p2p-functional")[name], "/of/the/job", "{name} is the own one's");
    }

    // Where the kubeconfig has a context of the destination, it is that one.
    let context = "gke_acme-prod_europe-west1_prod";
    let both = CLUSTER
        .replace(
            "{name: dev, ",
            &format!("{{name: {context}, context: {{cluster: p, user: u}}}}, {{name: dev, "),
        )
        .replace("clusters: [", "clusters: [{name: p, cluster: {server: 'https://prod.example'}}, ");
    fs::write(&kubeconfig, both).unwrap();
    let environments = environments.replace("region:", "dplatform: prod, region:");
    let run = gate.input("environments", &environments).run(&["fast-feedback"]);
    assert_eq!(promoting(run.passed()), format!("{context} acme-shop https://prod.example"));
}
