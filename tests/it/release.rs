//! `p2p release` against a loopback GitHub over a real repository.

mod child;
mod flow;
mod race;
mod trouble;

use std::collections::BTreeMap;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Release;

/// Two commits on `main`, the first of which is `v1.2.3`; two files to be released lie beside.
fn scene() -> Gate {
    Gate::new(MAKEFILE)
        .file(".gitignore", "dist/\n")
        .tag("v1.2.3")
        .commit("second")
        .file("dist/p2p-linux", "binary of linux")
        .file("dist/p2p-macos", "binary of macos")
        .input("release-assets", "dist/p2p-*")
        .input("floating-tags", "major,minor")
}

/// The published releases by tag, with the names of their files.
fn published(gate: &Gate) -> BTreeMap<String, Vec<String>> {
    let files = |release: &Release| release.assets.iter().map(|asset| asset.name.clone()).collect();
    let releases = gate.github.releases();
    let published = releases.iter().filter(|release| !release.draft);
    published.map(|release| (release.tag.clone(), files(release))).collect()
}

/// The commits that `v1` and `v1.2` lead to.
fn floating(gate: &Gate) -> [Option<String>; 2] {
    let tags = gate.remote.tags();
    ["v1", "v1.2"].map(|name| tags.get(name).cloned())
}

/// What the reader of a failure sees.
fn failure(run: &Run) -> String {
    let steps = run.report["steps"].as_array().cloned().unwrap_or_default();
    let Some(failure) = steps.iter().find_map(|step| step.get("failure")) else {
        let annotation = run.stdout.lines().find_map(|line| line.strip_prefix("::error title=p2p::"));
        return format!("error: {}", annotation.unwrap_or(&run.stdout).replace("%0A", "\n"));
    };
    let causes = failure["causes"].as_array().unwrap().iter();
    let causes: Vec<_> = causes.map(|cause| format!("\ncaused by: {}", cause.as_str().unwrap())).collect();
    let causes = causes.concat();
    format!(
        "error: {}{causes}\nhelp: {}",
        failure["what"].as_str().unwrap(),
        failure["help"].as_str().unwrap_or("none")
    )
}

/// What the reader of a failure sees, without what differs from run to run.
fn shown(gate: &Gate, run: &Run) -> String {
    let mut text = failure(run);
    for (is, name) in
        [(gate.github.server_url.as_str(), "[server]"), (gate.workspace().to_str().unwrap(), "[workspace]")]
    {
        text = text.replace(is, name);
    }
    let commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| match word.get(..40) {
            Some(id) if commit(id) => word.replacen(id, "[commit]", 1),
            _ => word.to_owned(),
        })
        .collect()
}
