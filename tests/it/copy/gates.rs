//! A whole gate against a real registry, and the record that its promotion leaves there.

use std::process::Command;

use serde_json::Value;

use crate::support::docker_registry::DockerRegistry;
use crate::support::gate::{Gate, MAKEFILE};

/// What skopeo prints.
fn skopeo(arguments: &[&str], image: &str) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).arg(format!("docker://{image}")).output().unwrap();
    assert!(output.status.success(), "{image}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The body of an answer over plain HTTP.
fn get(url: &str) -> Vec<u8> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .get(url)
            .header("accept", ::oci::OCI_MANIFEST)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        answer.bytes().await.unwrap().to_vec()
    })
}

#[test]
fn a_gate_leaves_a_record_that_anybody_can_read() {
    let registry = DockerRegistry::start();
    let host = registry.host();
    let gate = Gate::new(MAKEFILE).input("registry", &format!("{host}/acme"));
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let version = run.output("version").to_owned();
    let (tested, promoted) = (format!("{host}/acme/test/shop"), format!("{host}/acme/extended-test/shop"));
    let image = format!("{promoted}:{version}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false"], &image);
    assert_eq!(raw, skopeo(&["inspect", "--raw", "--tls-verify=false"], &format!("{tested}:{version}")));
    let digest = ::oci::Digest::of(&raw);

    let shown = gate.run(&["verify", &image, "--require", "fast-feedback"]);
    shown.passed();
    for line in [
        format!("{promoted}@{digest}"),
        format!("  image       {tested}:{version}"),
        format!("  commit      {} of", gate.head()),
        "  event       push of refs/heads/main".to_owned(),
        "/actions/runs/41".to_owned(),
        " PASSED fast-feedback\n".to_owned(),
        "  target      p2p-nft passed in ".to_owned(),
        "not signed".to_owned(),
    ] {
        assert!(shown.stdout.contains(&line), "{line:?} is not in\n{}", shown.stdout);
    }

    // By the tag that stands in for the referrers API, with nothing of ours.
    let fallback = format!("{promoted}:{}", digest.referrers_tag());
    let index: Value =
        serde_json::from_slice(&skopeo(&["inspect", "--raw", "--tls-verify=false"], &fallback)).unwrap();
    let listed = index["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{index}");
    assert_eq!(listed[0]["artifactType"], "application/vnd.coreeng.p2p.gate.v1+json");
    let api = format!("http://{host}/v2/acme/extended-test/shop");
    let manifest: Value =
        serde_json::from_slice(&get(&format!("{api}/manifests/{}", listed[0]["digest"].as_str().unwrap())))
            .unwrap();
    assert_eq!(manifest["subject"]["digest"], digest.as_str());
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let statement: Value = serde_json::from_slice(&get(&format!("{api}/blobs/{layer}"))).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.hex());
    let predicate = &statement["predicate"];
    assert_eq!((&predicate["version"], &predicate["commit"]), (&version.into(), &gate.head().into()));
    assert_eq!((&predicate["stage"], &predicate["result"]), (&"fast-feedback".into(), &"PASSED".into()));

    // What was not passed is missing; the image has its record where it was tested, too.
    let missing = gate.run(&["verify", &image, "--require", "fast-feedback,extended-test"]);
    missing.ended(1);
    let message = format!("{}{}", missing.stdout, missing.stderr);
    assert!(message.contains("no record says that it passed extended-test"), "{message}");
    let version = run.output("version");
    gate.run(&["verify", &format!("{tested}:{version}"), "--require", "fast-feedback"]).passed();

    // The same gate again promotes nothing new, and adds no second record.
    gate.run(&["fast-feedback"]).passed();
    let shown = gate.run(&["verify", &image]);
    assert_eq!(shown.passed().stdout.matches(" PASSED fast-feedback\n").count(), 1, "{}", shown.stdout);
}

#[test]
fn a_gate_without_records_leaves_none() {
    let registry = DockerRegistry::start();
    let host = registry.host();
    let gate =
        Gate::new(MAKEFILE).input("registry", &format!("{host}/acme")).input("promotion-record", "off");
    let run = gate.run(&["fast-feedback"]);
    let image = format!("{host}/acme/extended-test/shop:{}", run.passed().output("version"));
    assert_eq!(registry.tags("acme/extended-test/shop"), [run.output("version")]);
    gate.run(&["verify", &image]).passed();
    gate.run(&["verify", &image, "--require", "fast-feedback"]).ended(1);
}

#[test]
fn a_promotion_by_hand_goes_by_the_records_and_leaves_none() {
    let registry = DockerRegistry::start();
    let host = registry.host();
    let gate = Gate::new(MAKEFILE).input("registry", &format!("{host}/acme"));
    let version = gate.run(&["fast-feedback"]).passed().output("version").to_owned();
    let gate = gate.input("version", &version);
    let image = format!("{host}/acme/extended-test/shop:{version}");

    // Nobody has said that the stage before was passed.
    let run = gate.run(&["promote", "prod"]);
    let message = format!("no record says that {image} passed extended-test");
    assert!(run.ended(1).stdout.contains(&message), "{}", run.stdout);
    assert_eq!(registry.tags("acme/prod/shop"), [""; 0]);
    let gate = gate.input("promotion-record", "expected");
    let run = gate.run(&["promote", "prod"]);
    assert!(run.passed().report["warnings"].to_string().contains(&message), "{}", run.stdout);
    let promoted = format!("{host}/acme/prod/shop:{version}");
    gate.run(&["verify", &promoted, "--require", "fast-feedback"]).passed();
    gate.run(&["verify", &promoted, "--require", "extended-test"]).ended(1);

    // Who hands the digests over says so.
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false"], &image);
    let gate = gate.input("images", &format!(r#"{{"shop": "{}"}}"#, ::oci::Digest::of(&raw)));
    gate.input("promotion-record", "required").run(&["promote", "prod"]).passed();
    let gate = Gate::new(MAKEFILE);
    let shown = gate.run(&["verify", &promoted, "--repository", "acme/other", "--require", "extended-test"]);
    let message = format!("{}{}", shown.ended(1).stdout, shown.stderr);
    assert!(message.contains("  targets     other jobs ran them and handed the digests over"), "{message}");
    assert!(message.contains("not of acme/other"), "{message}");
    gate.run(&["verify", &promoted, "--require", "extended-test,fast-feedback"]).passed();
}
