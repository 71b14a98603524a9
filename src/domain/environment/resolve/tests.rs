#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::domain::environment::SettingsFile;
use sys::error::Help;

fn inputs(pairs: &[(Key, &str)]) -> Given {
    pairs.iter().map(|(key, text)| (*key, Value::new(*text, Origin::Input(key.name().to_owned())))).collect()
}

fn named(name: &str) -> Value {
    Value::new(name, Origin::Input("environment".to_owned()))
}

/// The environment of a team on the platform, with values from GitHub's variables.
fn platform() -> Sources {
    Sources {
        environment: Some(named("gcp-dev")),
        inputs: inputs(&[(Key::TenantName, "shop"), (Key::AppName, "basket")]),
        vars: Vars::parse(
            r#"{"PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "123", "REGION": "europe-west2",
                "DPLATFORM": "gcp-dev", "BASE_DOMAIN": "dev.acme.io"}"#,
        )
        .unwrap(),
        ..Sources::default()
    }
}

#[test]
fn the_names_of_the_contract_are_derived() {
    insta::assert_snapshot!(platform().own().unwrap(), @r#"
    environment                 gcp-dev  (input environment)
    tenant-name                 shop  (input tenant-name)
    app-name                    basket  (input app-name)
    project-id                  acme-dev  (vars.PROJECT_ID)
    project-number              123  (vars.PROJECT_NUMBER)
    region                      europe-west2  (vars.REGION)
    dplatform                   gcp-dev  (vars.DPLATFORM)
    cluster-name                gcp-dev  (derived from dplatform)
    base-domain                 dev.acme.io  (vars.BASE_DOMAIN)
    registry                    europe-west2-docker.pkg.dev/acme-dev/tenant/shop  (derived from region, project-id and tenant-name)
    service-account             p2p-shop@acme-dev.iam.gserviceaccount.com  (derived from tenant-name and project-id)
    workload-identity-provider  projects/123/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-shop  (derived from project-number and tenant-name)
    kube-context                gke_acme-dev_europe-west2_gcp-dev  (derived from project-id, region and cluster-name)
    base-namespace              shop-basket  (derived from tenant-name and app-name)
    namespace-functional        shop-basket-functional  (derived from base-namespace)
    namespace-nft               shop-basket-nft  (derived from base-namespace)
    namespace-integration       shop-basket-integration  (derived from base-namespace)
    namespace-extended          shop-basket-extended  (derived from base-namespace)
    namespace-prod              shop-basket-prod  (derived from base-namespace)
    "#);
}

#[test]
fn the_first_source_wins() {
    let mut sources = Sources {
        environment: Some(named("dev")),
        inputs: inputs(&[
            (Key::Region, "from-input"),
            (Key::TenantName, "t-input"),
            (Key::AppName, "a-input"),
        ]),
        environments: Environments::parse(
            "dev: {region: from-entry, tenant-name: t-entry, app-name: a-entry, base-domain: entry.io}",
        )
        .unwrap(),
        vars: Vars::parse(r#"{"REGION": "from-vars", "TENANT_NAME": "t-vars", "BASE_DOMAIN": "vars.io"}"#)
            .unwrap(),
        makefile: Sources::makefile(Some("t-make"), Some("a-make")),
    };
    let seen = |sources: &Sources| {
        let own = sources.own().unwrap();
        [Key::Region, Key::TenantName, Key::AppName].map(|key| own.text(key).unwrap_or("-").to_owned())
    };
    assert_eq!(seen(&sources), ["from-input", "t-input", "a-input"]);
    sources.inputs.clear();
    assert_eq!(seen(&sources), ["from-entry", "t-entry", "a-entry"]);
    assert_eq!(sources.own().unwrap().text(Key::BaseDomain), Some("entry.io"));
    sources.environments = Environments::default();
    assert_eq!(seen(&sources), ["from-vars", "t-vars", "a-make"]);
    sources.vars = Vars::default();
    assert_eq!(seen(&sources), ["-", "t-make", "a-make"]);
    assert_eq!(Sources::makefile(Some(" "), None), Given::new());
}

#[test]
fn an_entry_of_another_name_says_nothing_of_the_own() {
    let sources = Sources {
        environments: Environments::parse("other: {region: eu}").unwrap(),
        environment: Some(named("dev")),
        ..Sources::default()
    };
    assert_eq!(sources.own().unwrap().get(Key::Region), None);
}

#[test]
fn every_derived_name_can_be_replaced() {
    for key in Key::ALL.into_iter().filter(|key| !key.derived_from().is_empty()) {
        let mut sources = platform();
        let text = if key == Key::Registry { "mine.example" } else { "mine" };
        sources.inputs.extend(inputs(&[(key, text)]));
        let own = sources.own().unwrap();
        assert_eq!(own.text(key), Some(text), "{key}");
        assert!(!own.get(key).unwrap().derived());
    }
    let mut sources = platform();
    sources.inputs.extend(inputs(&[(Key::BaseNamespace, "home")]));
    assert_eq!(sources.own().unwrap().text(Key::NamespaceNft), Some("home-nft"));
}

fn working(values: &Values, target: &str, run: bool) -> String {
    values.text(values.namespace_key(target, run)).unwrap().to_owned()
}

#[test]
fn a_subnamespace_is_the_namespace_of_every_target_of_run() {
    for (entry, expected) in [
        ("dev: {subnamespace: load}", "shop-basket-load"),
        ("'': {subnamespace: load}", "shop-basket-load"),
        ("{dev: {subnamespace: load}, '': {subnamespace: other}}", "shop-basket-load"),
        ("dev: {namespace: mine, subnamespace: load}", "mine"),
        ("dev: {base-namespace: home, subnamespace: load}", "home-load"),
    ] {
        let sources = Sources { environments: Environments::parse(entry).unwrap(), ..platform() };
        let sources = Sources { environment: Some(named("dev")), ..sources };
        let own = sources.own().unwrap();
        for target in ["soak", "p2p-functional", "p2p-build"] {
            assert_eq!(working(&own, target, true), expected, "{entry}");
        }
        let base = own.text(Key::BaseNamespace).unwrap();
        assert_eq!(working(&own, "p2p-functional", false), format!("{base}-functional"), "{entry}");
        assert_eq!(own.text(Key::NamespaceNft).unwrap(), format!("{base}-nft"), "{entry}");
    }
    let entry = "dev: {subnamespace: nft, namespace-nft: own}";
    let sources = Sources { environments: Environments::parse(entry).unwrap(), ..platform() };
    let own = Sources { environment: Some(named("dev")), ..sources }.own().unwrap();
    assert_eq!(working(&own, "p2p-nft", true), "own");
    assert_eq!(working(&own, "p2p-functional", true), "shop-basket-nft");
    for wrong in ["Load", "a.b", "-x", "a_b", "x/y"] {
        let entry = Environments::parse(&format!("'': {{subnamespace: '{wrong}'}}")).unwrap();
        let error = Sources { environments: entry, ..platform() }.own().unwrap_err().to_string();
        assert!(error.contains("subnamespace") && error.contains(wrong), "{error}");
    }
    let long = Environments::parse(&format!("'': {{subnamespace: {}}}", "x".repeat(60))).unwrap();
    let error = Sources { environments: long, ..platform() }.own().unwrap_err().to_string();
    assert!(error.contains("shop-basket-xxx"), "{error}");
}

#[test]
fn the_base_namespace_names_the_app_once() {
    for (app, expected) in [(Some("basket"), "shop-basket"), (Some("shop"), "shop"), (None, "shop")] {
        let mut sources = platform();
        sources.inputs.remove(&Key::AppName);
        sources.makefile = Sources::makefile(None, app);
        let own = sources.own().unwrap();
        assert_eq!(own.text(Key::BaseNamespace), Some(expected));
        assert_eq!(working(&own, "p2p-build", false), expected);
        assert_eq!(working(&own, "p2p-promote-to-prod", true), expected);
        for (target, suffix) in [
            ("p2p-functional", "functional"),
            ("p2p-nft", "nft"),
            ("p2p-integration", "integration"),
            ("p2p-extended-test", "extended"),
            ("p2p-prod", "prod"),
        ] {
            assert_eq!(working(&own, target, true), format!("{expected}-{suffix}"));
        }
    }
}

#[test]
fn another_environment_never_borrows() {
    let mut sources = platform();
    sources.inputs.extend(inputs(&[(Key::Registry, "ghcr.io/own"), (Key::Region, "own-region")]));
    sources.environments =
        SettingsFile::parse("environments:\n  gcp-prod:\n    project-id: acme-prod\n").unwrap().environments;
    let prod = sources.of(&named("gcp-prod")).unwrap();
    assert!(!prod.own);
    let known: Vec<Key> = Key::ALL.into_iter().filter(|key| prod.get(*key).is_some()).collect();
    assert_eq!(
        known,
        [
            Key::TenantName,
            Key::AppName,
            Key::ProjectId,
            Key::ServiceAccount,
            Key::BaseNamespace,
            Key::NamespaceFunctional,
            Key::NamespaceNft,
            Key::NamespaceIntegration,
            Key::NamespaceExtended,
            Key::NamespaceProd,
        ]
    );
    let error = prod.require(Key::Registry).unwrap_err();
    assert_eq!(error.to_string(), "the registry of environment gcp-prod is not known: it needs region");
    insta::assert_snapshot!(error.help().unwrap(), @r#"
    set it in .p2p.yaml; values of the job's own environment are never used for another one:
    environments:
      gcp-prod:
        region: …
    "#);
    assert_eq!(
        prod.require(Key::KubeContext).unwrap_err().to_string(),
        "the kube-context of environment gcp-prod is not known: it needs region and dplatform"
    );
}

#[test]
fn an_environment_that_nothing_is_said_of_lacks_everything() {
    let nowhere = platform().of(&named("nowhere")).unwrap();
    assert_eq!(
        nowhere.require(Key::Registry).unwrap_err().to_string(),
        "the registry of environment nowhere is not known: it needs region and project-id"
    );
}

#[test]
fn the_same_environment_by_name_needs_nothing_twice() {
    let sources = platform();
    let own = sources.own().unwrap();
    let again = sources.of(&named("gcp-dev")).unwrap();
    assert!(again.own);
    assert_eq!(again, own);
}

#[test]
fn what_is_missing_of_the_own_says_how_to_give_it() {
    let own = Sources::default().own().unwrap();
    let error = own.require(Key::Registry).unwrap_err();
    assert_eq!(error.to_string(), "the registry is not known: it needs region, project-id and tenant-name");
    insta::assert_snapshot!(error.help().unwrap(), @r#"
    give the input registry, or region, project-id and tenant-name; or set it in .p2p.yaml:
    environments:
      NAME:
        region: …
        project-id: …
    "#);
    assert_eq!(
        own.require(Key::TenantName).unwrap_err().help().unwrap(),
        "give the input tenant-name; the Makefile may set them as P2P_TENANT_NAME and P2P_APP_NAME"
    );
}

#[test]
fn names_that_no_system_would_take_are_refused() {
    let refused = |pairs: &[(Key, &str)]| {
        Sources { inputs: inputs(pairs), ..Sources::default() }.own().unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[(Key::TenantName, "Shop")]),
        "tenant-name \"Shop\" (input tenant-name) is not a DNS label: up to 63 lower-case letters, digits and \
         dashes, a letter or digit at both ends"
    );
    for bad in ["-a", "a-", "a.b", "a_b", &"a".repeat(64)] {
        assert!(refused(&[(Key::AppName, bad)]).contains("is not a DNS label"), "{bad}");
        assert!(refused(&[(Key::NamespaceNft, bad)]).contains("is not a DNS label"), "{bad}");
    }
    assert!(refused(&[(Key::ProjectNumber, "acme-dev")]).contains("is not a number"));
    for bad in ["a\nb", "evil.example/a", "eu west", "EU"] {
        assert!(refused(&[(Key::Region, bad)]).contains("is not a region"), "{bad}");
    }
    for bad in ["evil/x", "a b", "Shop", "a..b", ":a"] {
        assert!(refused(&[(Key::ProjectId, bad)]).contains("is not a project id"), "{bad}");
    }
    for bad in ["main", "acme/shop", "v1", "https://host.example/shop", "https://user:PW@host.example/shop"] {
        let error = refused(&[(Key::Registry, bad)]);
        assert!(error.contains("is not a registry") && !error.contains("PW"), "{error}");
    }
    assert!(refused(&[(Key::Registry, &"a".repeat(5000))]).len() < 300);
    let app = "a".repeat(49);
    assert_eq!(
        refused(&[(Key::TenantName, "shop"), (Key::AppName, &app)]),
        format!(
            "the namespace \"shop-{app}-functional\" (tenant shop, app {app}) has 65 characters, Kubernetes \
             allows 63"
        )
    );
    let made = Sources { makefile: Sources::makefile(None, Some("My App")), ..Sources::default() };
    assert_eq!(
        made.own().unwrap_err().help().unwrap(),
        "correct P2P_APP_NAME in the Makefile, or give the input app-name"
    );
}

#[test]
fn the_plan_shows_each_value_with_its_origin() {
    let sources = Sources { inputs: inputs(&[(Key::Region, "eu")]), ..Sources::default() };
    assert_eq!(
        serde_json::to_string(&sources.own().unwrap()).unwrap(),
        r#"{"environment":null,"own":true,"values":{"region":{"value":"eu","origin":"input region"}}}"#
    );
}

#[test]
fn google_s_registries_are_known_by_their_hosts() {
    let known = |registry: &str, domain: Option<&str>| {
        let mut sources = platform();
        sources.inputs.extend(inputs(&[(Key::Registry, registry)]));
        sources.inputs.extend(
            domain.map(|domain| inputs(&[(Key::ArtifactRegistryDomain, domain)])).unwrap_or_default(),
        );
        sources.own().unwrap().google_registry().is_some()
    };
    for registry in ["europe-west2-docker.pkg.dev/p/t", "eu-docker.pkg.dev", "gcr.io/p", "eu.gcr.io/p/t"] {
        assert!(known(registry, None), "{registry}");
    }
    for registry in [
        "ghcr.io/acme",
        "docker.pkg.dev.evil.example/p",
        "evil.example/eu-docker.pkg.dev",
        "xgcr.io/p",
        "pkg.dev.io",
    ] {
        assert!(!known(registry, None), "{registry}");
    }
    assert!(known("eu-docker.pkg.berlin.example/p", Some("pkg.berlin.example")));
    assert!(known("127.0.0.1:5000/p", Some("127.0.0.1:5000")));
    assert!(!known("127.0.0.1:5001/p", Some("127.0.0.1:5000")));
    let mut sources = platform();
    sources.inputs.extend(inputs(&[(Key::ArtifactRegistryDomain, "pkg.berlin.example")]));
    let own = sources.own().unwrap();
    assert_eq!(own.google_registry(), Some("europe-west2-docker.pkg.berlin.example/acme-dev/tenant/shop"));
}
