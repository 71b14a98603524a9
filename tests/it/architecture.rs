//! Who may depend on whom, as docs/architecture.md has it. A row that is wrong or no longer needed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What every room may use: failures, a value that never prints, the process environment as a value.
const ALL: [&str; 3] = ["error", "secret", "world"];

/// A room, and which others it uses besides.
const ROOMS: [(&str, &str); 33] = [
    // The pure middle.
    ("environment", "inputs yaml"),
    ("error", ""),
    ("inputs", "version yaml"),
    ("outcome", "output plan retry"),
    ("output", ""),
    ("plan", "environment google inputs make outcome version"),
    ("version", ""),
    // The edges, and what they share.
    ("git", "group private retry version"),
    ("github", "output retry version web"),
    ("google", "inputs private retry web"),
    ("image", ""),
    ("kube", "group private retry web yaml"),
    // Login files have one reader, for our own client and for the files of targets.
    ("login_file", "private"),
    ("logins", "login_file"),
    ("make", "group"),
    ("oci", "login_file output retry web"),
    ("process", "output"),
    ("registry", ""),
    ("removals", "workspace"),
    ("slack", "output retry web"),
    ("web", "output retry"),
    ("workspace", "private"),
    ("world", ""),
    // Above the edges.
    ("record", "environment oci version"),
    ("release", "github retry tagging version workspace"),
    ("tagging", "git github inputs retry version"),
    // The ends.
    (
        "context",
        "environment git github google inputs make oci outcome plan private process record release removals retry \
         tagging version workspace",
    ),
    (
        "execute",
        "context environment git google inputs kube logins make oci outcome output plan private process record registry release \
         removals report retry tagging version web workspace",
    ),
    ("report", "environment oci outcome output plan private"),
    ("images", "environment image inputs oci removals report"),
    ("tools", "google inputs oci plan process record registry report retry version"),
    ("cli", "images inputs tools"),
    (
        "run",
        "cli context environment execute git google images inputs kube logins oci outcome output plan process record registry \
         removals report retry slack tagging tools web workspace",
    ),
];

/// The rooms that a file names, its tests left out.
fn named(file: &Path, used: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let room: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // What stands in lib.rs itself is a constant.
            if room.starts_with(|c: char| c.is_ascii_lowercase()) {
                used.insert(room);
            }
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
        let room = path.strip_prefix(&src).unwrap().components().next().unwrap();
        let room = room.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        named(path, uses.entry(room).or_default());
    }
    for (room, used) in &mut uses {
        used.retain(|other| other != room && !ALL.contains(&other.as_str()));
    }
    uses.retain(|_, used| !used.is_empty());
    let listed = |others: &str| others.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let listed = ROOMS.iter().map(|(room, others)| ((*room).to_owned(), listed(others)));
    let listed: BTreeMap<_, _> = listed.filter(|(_, others)| !others.is_empty()).collect();
    assert_eq!(uses, listed, "left: what src uses; right: what the table allows");
}
