//! How p2p is released: the scripts that the workflows call, and the workflows themselves.

mod release;
mod self_test;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::repository::Repository;
use crate::support::tools::tool;

const PLATFORMS: [&str; 4] = ["linux-x64", "linux-arm64", "macos-x64", "macos-arm64"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies `parts` of this repository, with their modes.
fn copy(parts: &[&str], to: &Path) {
    for part in parts {
        for entry in walkdir::WalkDir::new(root().join(part)).into_iter().map(Result::unwrap) {
            let path = entry.path().strip_prefix(root()).unwrap();
            if entry.file_type().is_file() && path.components().all(|part| part.as_os_str() != "target") {
                std::fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
                std::fs::copy(entry.path(), to.join(path)).unwrap();
            }
        }
    }
}

/// A repository that has `parts` of this one, committed.
fn copy_of(parts: &[&str]) -> Repository {
    let repository = Repository::new();
    copy(parts, repository.path());
    repository.commit("copied");
    repository
}

/// Puts "binaries" for all platforms into `out`, as artifacts of a workflow arrive: without modes.
fn binaries(directory: &Path) {
    std::fs::create_dir(directory.join("out")).unwrap();
    for platform in PLATFORMS {
        std::fs::write(directory.join(format!("out/p2p-{platform}")), script(platform)).unwrap();
    }
}

/// What is released as p2p for a platform: it tells who it is.
fn script(platform: &str) -> String {
    format!("#!/bin/sh\necho \"p2p for {platform}: $INPUT_COMMAND\"\n")
}

fn ran(directory: &Path, script: &str, arguments: &[&str]) -> Output {
    Command::new(tool("bash"))
        .arg(directory.join("scripts/release").join(script))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// What a script that must succeed printed.
fn printed(directory: &Path, script: &str, arguments: &[&str]) -> String {
    let output = ran(directory, script, arguments);
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(directory: &Path, script: &str, arguments: &[&str]) -> String {
    let output = ran(directory, script, arguments);
    assert!(!output.status.success(), "{script} {arguments:?} passed");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_manifest_names_every_platform() {
    let repository = copy_of(&["scripts/release"]);
    binaries(repository.path());
    let manifest = printed(repository.path(), "manifest", &["1.2.3", "out"]);
    let lines: Vec<Vec<&str>> = manifest.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines[0], ["version", "1.2.3"]);
    for (line, platform) in lines[1..].iter().zip(["linux-x64", "linux-arm64", "macos-x64", "macos-arm64"]) {
        let (file, content) = (format!("p2p-{platform}"), script(platform));
        assert_eq!(line[..3], [platform, &file, &content.len().to_string()]);
        assert_eq!(line[3].len(), 64);
    }
    assert_eq!(lines.len(), 5);
    assert_eq!(printed(repository.path(), "manifest", &["1.2.3", "out", "macos-x64"]).lines().count(), 2);

    std::fs::write(repository.path().join("out/p2p-macos-x64"), "").unwrap();
    assert!(
        refused(repository.path(), "manifest", &["1.2.3", "out"])
            .contains("p2p-macos-x64 is missing or empty")
    );
    assert!(refused(repository.path(), "manifest", &["v1", "out"]).contains("v1 is not a version"));
}

#[test]
fn pins_are_exact_and_touch_nothing_else() {
    let repository = copy_of(&["scripts/release"]);
    let users = "  - uses: coreeng/p2p-action@v1\n  - uses: coreeng/p2p-action/.github/workflows/gate.yaml@v1.0 # both\n  - uses: actions/checkout@v4\n  - uses: other/p2p-action@v1\nno newline at the end";
    for path in [".github/workflows/gate.yaml", "examples/a b/.github/workflows/app.yaml", "README.md"] {
        repository.file(path, users);
    }
    repository.file("examples/plain.txt", "coreeng/p2p-action\n");
    repository.commit("users");
    let message = printed(repository.path(), "pin", &["1.2.3"]);
    assert_eq!(message.lines().count(), 2, "{message}");
    let pinned =
        users.replace("coreeng/p2p-action@v1\n", "coreeng/p2p-action@v1.2.3\n").replace("@v1.0 ", "@v1.2.3 ");
    for path in [".github/workflows/gate.yaml", "examples/a b/.github/workflows/app.yaml"] {
        assert_eq!(std::fs::read_to_string(repository.path().join(path)).unwrap(), pinned);
    }
    let changed = repository.git(&["status", "--short"]);
    assert_eq!(changed.lines().count(), 2, "{changed}");
    printed(repository.path(), "pin", &["1.2.3"]);
    assert_eq!(repository.git(&["status", "--short"]), changed);
}

#[test]
fn the_bill_of_materials_is_complete_and_repeatable() {
    let bill = || {
        let output = Command::new(root().join("scripts/release/sbom")).arg("1.2.3").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let text = bill();
    assert_eq!(text, bill());
    let bill: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["purl"], "pkg:cargo/p2p@1.2.3");
    let components = bill["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"rustls") && names.contains(&"tokio"), "{names:?}");
    assert!(!names.contains(&"insta"), "what only tests use is not in a release");
    for component in components {
        assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64, "{component}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    let known = |purl: &Value| components.iter().any(|component| component["bom-ref"] == *purl);
    for entry in bill["dependencies"].as_array().unwrap() {
        assert!(entry["dependsOn"].as_array().unwrap().iter().all(known), "{entry}");
    }
}

#[test]
fn a_build_refuses_what_it_cannot_do() {
    let repository = copy_of(&["scripts/release"]);
    assert!(
        refused(repository.path(), "build", &["plan9-x64", "1.2.3", "out"])
            .contains("unknown platform plan9-x64")
    );
    assert!(
        refused(repository.path(), "build", &["linux-x64", "latest", "out"])
            .contains("latest is not a version")
    );
    let other = repository.file("bin/rustc", "#!/bin/sh\necho 'rustc 1.0.0 (a hash)'\n");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", other.parent().unwrap().display());
    let output = Command::new(tool("bash"))
        .args(["scripts/release/build", "linux-x64", "1.2.3", "out"])
        .current_dir(repository.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("this is rustc 1.0.0"), "{message}");
}

#[test]
fn one_compiler_builds_everything() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let build = read("scripts/release/build");
    let rust = build.lines().find_map(|line| line.strip_prefix("rust=")).unwrap();
    let rust = rust.split(' ').next().unwrap();
    for workflow in ["ci", "release", "self-test"] {
        let text = read(&format!(".github/workflows/{workflow}.yaml"));
        assert!(text.contains(&format!("RUST_VERSION: '{rust}'")), "{workflow} uses another rustc");
    }
    assert!(read("Cargo.toml").contains(&format!("rust-version = \"{}\"", rust.rsplit_once('.').unwrap().0)));
}
