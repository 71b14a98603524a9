//! Who may depend on whom inside `src`, as docs/architecture.md has it. Between crates the compiler decides.
//! A row that is wrong or no longer needed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A room, and the other rooms and crates that it uses.
const ROOMS: [(&str, &str); 27] = [
    // Pure.
    ("inputs", "domain/version"),
    ("domain/environment", "inputs"),
    ("domain/image", "oci"),
    ("domain/scan", "domain/environment inputs"),
    ("domain/version", ""),
    // One outside system each.
    ("edges/git", "domain/version"),
    ("edges/github", "domain/version"),
    ("edges/google", "inputs"),
    ("edges/kube", ""),
    ("edges/make", ""),
    ("edges/scanners", "domain/scan oci"),
    ("edges/slack", ""),
    ("edges/workspace", ""),
    // The gate.
    (
        "gate/plan",
        "domain/environment domain/image domain/scan domain/version edges/google edges/make inputs oci",
    ),
    ("gate/outcome", "domain/image domain/scan gate/plan"),
    ("gate/record", "domain/version oci"),
    ("gate/scan", "domain/image domain/scan edges/git edges/scanners edges/workspace gate/plan oci"),
    ("gate/release", "domain/version edges/github edges/workspace gate/allocation"),
    ("gate/allocation", "domain/version edges/git edges/github inputs"),
    (
        "gate/context",
        "domain/environment domain/image domain/version edges/git edges/github edges/google edges/make edges/workspace \
         gate/plan gate/record gate/release gate/allocation inputs oci",
    ),
    (
        "gate/execute",
        "domain/environment domain/image domain/scan domain/version edges/git edges/google edges/kube edges/make \
         edges/scanners edges/workspace gate/context gate/outcome gate/plan gate/record gate/release gate/scan gate/allocation inputs oci registry report",
    ),
    // The ends.
    ("report", "domain/environment domain/image domain/scan gate/outcome gate/plan oci"),
    ("cli", "commands/images commands/tools domain/environment inputs"),
    ("commands/images", "domain/environment inputs oci report"),
    (
        "commands/tools",
        "domain/environment domain/version edges/google gate/plan gate/record inputs oci registry report",
    ),
    (
        "commands/run",
        "cli commands/images commands/tools domain/environment domain/image edges/git edges/google \
         edges/kube edges/slack edges/workspace gate/context gate/execute gate/outcome gate/plan gate/record gate/allocation inputs oci registry report",
    ),
    ("main", "commands/run report"),
];

/// The folders whose folders are rooms; the others are rooms themselves.
const FLOORS: [&str; 4] = ["commands", "domain", "edges", "gate"];

/// The room that a path below `src` or a path of modules belongs to.
fn room<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = names.next()?;
    if FLOORS.contains(&first) {
        return names.next().map(|second| format!("{first}/{second}"));
    }
    Some(first.to_owned())
}

/// The rooms and crates that a file names, its tests left out.
fn named(file: &Path, used: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let names =
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|name| !name.is_empty());
            // What lib.rs itself holds begins with a capital letter.
            used.extend(room(names).filter(|room| room.starts_with(|c: char| c.is_ascii_lowercase())));
        }
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        for path in words.filter_map(|word| word.split_once("::")) {
            used.extend(["oci", "registry"].into_iter().filter(|krate| *krate == path.0).map(str::to_owned));
            used.extend(room(path.1.split("::")).filter(|_| path.0 == "p2p"));
        }
    }
}

#[test]
fn each_room_knows_only_those_that_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&src).into_iter().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests.rs") {
            continue;
        }
        let below = path.strip_prefix(&src).unwrap().with_extension("");
        let room = room(below.to_str().unwrap().split('/').filter(|name| *name != "mod"))
            .filter(|room| room != "lib");
        if let Some(room) = room {
            named(path, uses.entry(room).or_default());
        }
    }
    for (room, used) in &mut uses {
        used.retain(|other| other != room);
    }
    uses.retain(|_, used| !used.is_empty());
    let listed = |others: &str| others.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let listed = ROOMS.iter().map(|(room, others)| ((*room).to_owned(), listed(others)));
    let listed: BTreeMap<_, _> = listed.filter(|(_, others)| !others.is_empty()).collect();
    assert_eq!(uses, listed, "left: what src uses; right: what the table allows");
}

/// Adds every room that `room` uses, directly or through others.
fn reach(room: &str, reached: &mut BTreeSet<&str>) {
    let row = ROOMS.iter().find(|(name, _)| *name == room);
    for other in row.into_iter().flat_map(|(_, others)| others.split_whitespace()) {
        if reached.insert(other) {
            reach(other, reached);
        }
    }
}

#[test]
fn no_rooms_form_a_circle() {
    for (room, _) in ROOMS {
        let mut reached = BTreeSet::new();
        reach(room, &mut reached);
        assert!(!reached.contains(room), "{room} uses itself through {reached:?}");
    }
}
