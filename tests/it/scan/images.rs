//! `p2p scan image`: each platform by its digest, with a login to its registry and no other.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::scanners::{Scanners, files_below, in_layer, read_json, vulnerability};
use crate::support::sigstore::Sigstore;
use ::oci::{Client, Keyring, Manifest, Repository, Settings, TagOrDigest};

fn told(run: &Run) -> Value {
    serde_json::from_str::<Value>(run.output("scans")).unwrap()["images"].clone()
}

fn document(run: &Run, name: &str) -> Value {
    read_json(&Path::new(told(run)["directory"].as_str().unwrap()).join(name))
}

/// What Trivy finds in an image.
fn packages(found: &[Value]) -> Value {
    json!([{"Target": "app (debian 12.5)", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": found}])
}

#[test]
fn an_image_is_scanned_by_the_digest_that_its_tag_names() {
    let scanners = Scanners::new();
    let library = |name: &str| {
        let mut found = vulnerability("CVE-2024-0001", name, "CRITICAL");
        found["PkgName"] = json!(name);
        found
    };
    scanners.image(&packages(&[library("libssl3"), library("openssl")]));
    scanners.layers(&[in_layer("-----BEGIN KEY", "/app/key.pem")]);
    let gate = Gate::new(MAKEFILE).input("version", "1.0.0");
    let digests = gate.run(&["run", "p2p-build"]).passed().json("digests");
    let digest = digests["shop"].as_str().unwrap().to_owned();
    let image = format!("{}/test/shop:1.0.0", gate.registry.path());
    let run = gate.run_with_inputs(&["scan", "image", &image], &[("environments", &scanners.keys(&[]))]);
    assert_eq!(told(run.passed())["security-risk"], "critical");
    let target = format!("{}/test/shop@{digest}", gate.registry.path());
    assert!(scanners.calls("trivy").last().unwrap().ends_with(&target));
    let searched = &scanners.calls("trufflehog")[0];
    assert!(
        searched.starts_with("docker --image file:///") && searched.contains(&format!("/{target} ")),
        "{searched}"
    );
    let findings = document(&run, "image-security-findings.json");
    assert_eq!(
        findings["vulnerabilities"],
        json!([{"severity": "CRITICAL", "installed": "1.0.0", "fixed": "1.0.1", "cve": "CVE-2024-0001",
                "cveUrl": "https://nvd.nist.gov/vuln/detail/CVE-2024-0001", "source": "debian 12.5",
                "isBlocking": false, "shortName": "shop", "package": "libssl3, openssl", "id": "CVE-2024-0001",
                "image": "shop"}])
    );
    let secret = &findings["secrets"][0];
    assert_eq!(
        (&secret["status"], &secret["path"], &secret["layer"]),
        (&json!("unknown"), &json!("/app/key.pem"), &json!("sha256:aa"))
    );
    let reports = document(&run, "manifest.json");
    assert_eq!((&reports["schemaVersion"], &reports["reports"][0]["digest"]), (&json!(1), &json!(digest)));
    assert_eq!(reports["reports"][0]["platform"], "linux/amd64");
    let directory = told(&run)["directory"].as_str().unwrap().to_owned();
    for report in ["vulnerabilityReport", "secretReport"] {
        let file = Path::new(&directory).join(reports["reports"][0][report].as_str().unwrap());
        assert!(file.is_file(), "{}", file.display());
    }
    for file in files_below(Path::new(&directory)) {
        assert!(!std::fs::read_to_string(&file).unwrap().contains("BEGIN KEY"), "{}", file.display());
    }
}

#[test]
fn an_image_is_pulled_once_with_the_login_of_the_run_which_reaches_no_scanner() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE)
        .registry_login("robot", "pa55word-of-registry")
        .input("registry-logins", "other.example robot pa55word-of-another")
        .input("version", "1.0.0");
    gate.run(&["run", "p2p-build"]).passed();
    let before = gate.registry.requests().len();
    let run =
        gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("environments", &scanners.keys(&[]))]);
    run.passed();
    let requests = gate.registry.requests().split_off(before);
    let pulled = requests.iter().filter(|one| one.method == "GET" && one.path.contains("/blobs/sha256"));
    let pulled: Vec<_> = pulled.map(|one| one.path.clone()).collect();
    let once: std::collections::BTreeSet<_> = pulled.iter().collect();
    // The configuration is read before, to know the platform.
    assert_eq!((once.len() > 1, pulled.len()), (true, once.len() + 1), "{pulled:?}");
    for program in ["trivy", "trufflehog"] {
        let environment = scanners.environment(program);
        assert!(!environment.contains("pa55word") && !environment.contains("DOCKER_CONFIG"), "{environment}");
    }
    assert!(!scanners.calls("trivy").concat().contains("pa55word"));
    for place in [gate.temporary(), gate.home()] {
        for file in files_below(place) {
            let bytes = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("pa55word-of") && !text.contains("cm9ib3Q6"), "{}", file.display());
        }
    }
}

#[test]
fn all_platforms_are_scanned_and_attestations_are_not() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE).input("version", "1.0.0");
    gate.run(&["run", "p2p-build"]).passed();
    let name = format!("{}/test/shop", gate.registry.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let children = runtime.block_on(make_index(&name));
    scanners.write(
        &format!("image-{}.json", children[1].trim_start_matches("sha256:")),
        &json!({"SchemaVersion": 2, "Results": packages(&[vulnerability("CVE-2024-0002", "arm", "LOW")])})
            .to_string(),
    );
    let image = format!("{name}:many");
    let run = gate.run_with_inputs(&["scan", "image", &image], &[("environments", &scanners.keys(&[]))]);
    assert_eq!(told(run.passed())["vulnerability-total"], 1, "{}", run.stdout);
    let reports = document(&run, "manifest.json");
    let scanned: BTreeSet<_> = reports["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| (report["platform"].as_str().unwrap(), report["digest"].as_str().unwrap()))
        .collect();
    // The third has no platform in the index, and the one of its configuration.
    let platforms = ["linux/amd64", "linux/arm/v7", "linux/amd64"];
    assert_eq!(scanned, std::iter::zip(platforms, children.iter().map(String::as_str)).collect());
    assert_eq!(scanners.calls("trufflehog").len(), 3);
}

/// Adds the tag `many`: an index of three images, an attestation and another artifact. Gives the digests of the images.
async fn make_index(name: &str) -> Vec<String> {
    let client = Client::new(Settings { keyring: Keyring::default(), ..Settings::default() });
    let repository: Repository = name.parse().unwrap();
    let first = client.manifest(&repository, &TagOrDigest::Tag("1.0.0".into())).await.unwrap();
    let mut second: Value = serde_json::from_slice(&first.bytes).unwrap();
    let mut changed = Vec::new();
    for name in ["arm", "unnamed", "artifact"] {
        second["annotations"] = json!({"of": name});
        if name == "artifact" {
            second["config"]["mediaType"] = "application/vnd.acme.chart+json".into();
        }
        let bytes = serde_json::to_vec(&second).unwrap();
        let manifest = Manifest::new(bytes.into(), Some(&first.media_type));
        let digest = TagOrDigest::Digest(manifest.digest.clone());
        client.push_manifest(&repository, &manifest, &digest).await.unwrap();
        changed.push(manifest);
    }
    let [second, third, artifact] = <[Manifest; 3]>::try_from(changed).unwrap();
    let entry = |manifest: &Manifest, platform: Value| json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len(), "platform": platform});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        entry(&first, json!({"os": "linux", "architecture": "amd64"})),
        entry(&second, json!({"os": "linux", "architecture": "arm", "variant": "v7"})),
        entry(&second, json!({"os": "unknown", "architecture": "unknown"})),
        entry(&third, Value::Null),
        entry(&artifact, Value::Null),
    ]});
    let index = Manifest::new(serde_json::to_vec(&index).unwrap().into(), None);
    client.push_manifest(&repository, &index, &TagOrDigest::Tag("many".into())).await.unwrap();
    [first, second, third].map(|manifest| manifest.digest.to_string()).into()
}

#[test]
fn ignore_files_of_images_are_those_at_the_root_and_where_make_runs() {
    let scanners = Scanners::new();
    scanners
        .image(&packages(&["1", "2", "3"].map(|n| vulnerability(&format!("CVE-2024-000{n}"), "p", "HIGH"))));
    let rule = |id: &str, name: &str| {
        format!("version: 1\nimages: [{{name: {name}, vulnerabilities: [{{id: {id}, reason: Known.}}]}}]\n")
    };
    let gate = Gate::new(MAKEFILE)
        .file(".p2p-security-ignore.yaml", &rule("CVE-2024-0001", "shop"))
        .file("other/.p2p-security-ignore.yaml", &rule("CVE-2024-0002", "shop"))
        .file("app/.p2p-security-ignore.yaml", &rule("CVE-2024-0003", "shop"))
        .file("app/Makefile", MAKEFILE)
        .commit("app")
        .input("working-directory", "app")
        .input("version", "1.0.0");
    gate.run(&["run", "p2p-build"]).passed();
    let run =
        gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("environments", &scanners.keys(&[]))]);
    let findings = document(run.passed(), "image-security-findings.json");
    let ids = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&findings["vulnerabilities"]), ["CVE-2024-0002"]);
    assert_eq!(ids(&findings["ignored"]["vulnerabilities"]), ["CVE-2024-0001", "CVE-2024-0003"]);
    assert_eq!(
        findings["ignored"]["vulnerabilities"][0]["fullRef"],
        format!("{}/test/shop:1.0.0", gate.registry.path())
    );
}

#[test]
fn an_image_that_is_not_there_is_an_incomplete_scan() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE);
    let image = format!("{}/test/nothing:1", gate.registry.path());
    let run = gate.run_with_inputs(&["scan", "image", &image], &[("environments", &scanners.keys(&[]))]);
    assert_eq!((run.code, &told(&run)["scan-status"]), (1, &json!("failed")), "{}", run.stdout);
    assert!(run.stdout.contains("nothing:1 is not in the registry"), "{}", run.stdout);
}

#[test]
fn an_image_has_an_sbom_in_the_reports_and_attached_once() {
    let scanners = Scanners::new();
    let keys = scanners.keys(&[]);
    let gate = Gate::new(MAKEFILE).input("version", "1.0.0").input("environments", &keys);
    let built = gate.run(&["run", "p2p-build"]);
    let digest = built.passed().json("digests")["shop"].as_str().unwrap().to_owned();
    let referrers = || {
        let client = Client::new(Settings { keyring: Keyring::default(), ..Settings::default() });
        let repository: Repository = format!("{}/test/shop", gate.registry.path()).parse().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listed = runtime.block_on(client.referrers(&repository, &digest.parse().unwrap())).unwrap();
        let kinds = listed.into_iter().filter_map(|listed| listed.artifact_type);
        kinds.filter(|kind| kind == "application/vnd.cyclonedx+json").count()
    };
    for _ in 0..2 {
        let run = gate.run(&["scan", "image", "fast-feedback"]);
        let directory = told(run.passed())["directory"].as_str().unwrap().to_owned();
        let sbom = files_below(&Path::new(&directory).join("sbom"));
        assert_eq!((sbom.len(), referrers()), (1, 1), "{}", run.stdout);
        assert_eq!(read_json(&sbom[0])["bomFormat"], "CycloneDX");
    }
    // The image is scanned all the same where there is no SBOM, and the reader knows.
    scanners.before("trivy", "[ $1 != convert ] || refuse 'no such command'");
    let run = gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("promotion-record", "off")]);
    assert_eq!(told(run.passed())["scan-status"], "ok");
    assert!(run.stdout.contains("is not in the reports or not attached: trivy failed"), "{}", run.stdout);
    assert_eq!(referrers(), 1);
}

#[test]
fn a_digest_that_was_handed_over_is_scanned_or_nothing() {
    let scanners = Scanners::new();
    let keys = scanners.keys(&[]);
    let gate = Gate::new(MAKEFILE).input("version", "1.0.0").input("environments", &keys);
    let digests = gate.run(&["run", "p2p-build"]).passed().output("digests").to_owned();
    let scan =
        |images: &str| gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("images", images)]);
    scan(&digests).passed();
    let moved = json!({"shop": format!("sha256:{}", "0".repeat(64))}).to_string();
    let calls = scanners.calls("trivy").len();
    let run = scan(&moved);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("is not the image that the input `images` names"), "{}", run.stdout);
    assert_eq!(scanners.calls("trivy").len(), calls);
}

/// How often Trivy and TruffleHog looked at an image, and Trivy at an SBOM.
fn looks(scanners: &Scanners) -> (usize, usize, usize) {
    let count = |program: &str, start: &str| {
        scanners.calls(program).iter().filter(|call| call.starts_with(start)).count()
    };
    let images = count("trivy", "image ") - count("trivy", "image --download-db-only");
    (images, count("trufflehog", "docker "), count("trivy", "sbom "))
}

#[test]
fn a_digest_is_not_scanned_again_by_the_same_scanners_and_database() {
    let scanners = Scanners::new();
    scanners.image(&packages(&[vulnerability("CVE-2024-0001", "old", "HIGH")]));
    let sigstore = Sigstore::start();
    let keys = |more: &[(&str, &str)]| {
        let mut keys: Value =
            serde_json::from_str(&scanners.keys(&[&[("scan", "on")], more].concat())).unwrap();
        keys[""].as_object_mut().unwrap().extend(sigstore.keys("").as_object().unwrap().clone());
        keys.to_string()
    };
    let gate = Gate::new(MAKEFILE)
        .env("GITHUB_REPOSITORY_ID", "42")
        .input("promotion-record", "signed")
        .input("environments", &keys(&[]));
    let gate = sigstore.job(&json!({})).into_iter().fold(gate, |gate, (name, value)| gate.env(name, value));
    let scan = |inputs: &[(&str, &str)]| {
        let run = gate.run_with_inputs(&["fast-feedback"], inputs);
        let found = document(run.passed(), "image-security-findings.json");
        let ids: Vec<_> =
            found["vulnerabilities"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        assert!(document(&run, "manifest.json")["reports"][0]["platform"] == "linux/amd64");
        (ids, looks(&scanners), run)
    };
    let (old, new) = (json!("CVE-2024-0001"), json!("CVE-2024-0009"));
    assert_eq!(scan(&[]).1, (1, 1, 0));
    let (found, looked, run) = scan(&[]);
    assert_eq!((found, looked), (vec![old.clone()], (1, 1, 0)), "{}", run.stdout);
    assert!(run.stdout.contains("not scanned again"), "{}", run.stdout);
    // A newer database looks the packages up by the SBOM: the image is not pulled.
    let sbom =
        json!({"SchemaVersion": 2, "Results": packages(&[vulnerability("CVE-2024-0009", "new", "HIGH")])});
    scanners.database(0).write("sbom.json", &sbom.to_string());
    let (found, looked, run) = scan(&[]);
    assert_eq!((found, looked), (vec![new.clone()], (1, 1, 1)), "{}", run.stdout);
    let (found, looked, run) = scan(&[]);
    assert_eq!((found, looked), (vec![new], (1, 1, 1)), "{}", run.stdout);
    // Other options or scanners, and no records to trust, are another scan.
    let unfixed = keys(&[("scan-ignore-unfixed", "off")]);
    assert_eq!(scan(&[("environments", &unfixed)]).1, (2, 2, 1));
    // Anybody who can push can write a record without a signature.
    assert_eq!(scan(&[("promotion-record", "required")]).1, (3, 3, 1));
    scanners.before("trufflehog", "[ $1 != --version ] || { echo 'trufflehog 4.0.0' >&2; exit; }");
    assert_eq!(scan(&[]).1, (4, 4, 1));
    scanners.before("trufflehog", "");
    // What a provider may have revoked since is searched again, also with the same database.
    scanners.layers(&[in_layer("-----BEGIN KEY", "/app/key.pem")]).database(2);
    let unfixed = keys(&[("scan-verify-secrets", "off")]);
    assert_eq!(scan(&[("environments", &unfixed)]).1, (5, 5, 1));
    assert_eq!(scan(&[("environments", &unfixed)]).1, (6, 6, 1));
    scanners.database(1);
    assert_eq!(scan(&[("environments", &unfixed)]).1, (7, 7, 1));
}

#[test]
fn an_image_that_trufflehog_could_not_read_is_an_incomplete_scan() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE).input("version", "1.0.0");
    gate.run(&["run", "p2p-build"]).passed();
    let log = r#"{"level":"error","ts":"2026-01-01T00:00:00Z","logger":"trufflehog","msg":"error processing layer","error":"gzip: invalid header"}"#;
    // It succeeds all the same.
    scanners.before("trufflehog", &format!("echo '{log}' >&2"));
    let run =
        gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("environments", &scanners.keys(&[]))]);
    assert_eq!((run.code, &told(&run)["scan-status"]), (1, &json!("failed")), "{}", run.stdout);
    assert!(run.stdout.contains("error processing layer: gzip: invalid header"), "{}", run.stdout);
    // An error without words is an error.
    scanners.before("trufflehog", r#"echo '{"level":"error","msg":""}' >&2"#);
    let run =
        gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("environments", &scanners.keys(&[]))]);
    assert_eq!((run.code, &told(&run)["scan-status"]), (1, &json!("failed")), "{}", run.stdout);
}

#[test]
fn the_first_image_says_which_version_is_scanned_and_another_that_lacks_it_is_a_warning() {
    let scanners = Scanners::new();
    let keys = scanners.keys(&[]);
    let gate = Gate::new(MAKEFILE);
    for version in ["1.2.0", "1.10.0"] {
        gate.run_with_inputs(&["run", "p2p-build"], &[("version", version)]).passed();
    }
    let latest = gate.registry.digest("test/shop", "1.10.0").unwrap();
    let scan = |names: &str| {
        let inputs = [("environments", keys.as_str()), ("image-names", names)];
        gate.run_with_inputs(&["scan", "image", "fast-feedback"], &inputs)
    };
    let run = scan("shop, worker");
    assert_eq!(told(run.passed())["scan-status"], "ok");
    assert!(scanners.calls("trivy").last().unwrap().ends_with(&latest), "{:?}", scanners.calls("trivy"));
    assert!(run.stdout.contains("/test/worker:1.10.0 is not in the registry"), "{}", run.stdout);
    // Without an image of this name there is nothing to scan, and the log says so.
    let run = scan("worker, shop");
    assert_eq!(run.passed().step("scan-images"), "skipped");
    assert!(run.stdout.contains("no version awaits this gate at"), "{}", run.stdout);
    // A version that is named must be there.
    let inputs = [("environments", keys.as_str()), ("image-names", "shop, worker"), ("version", "1.2.0")];
    let run = gate.run_with_inputs(&["scan", "image", "fast-feedback"], &inputs);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("/test/worker:1.2.0 is not in the registry"), "{}", run.stdout);
}
