//! Who may depend on whom inside `src`, as docs/architecture.md has it. Between crates the compiler decides.
//! A row that is wrong or no longer needed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A room, and the other rooms and crates that it uses.
const ROOMS: [(&str, &str); 28] = [
    // Pure.
    ("inputs", "domain/version"),
    ("domain/environment", "inputs"),
    ("domain/image", "oci"),
    ("domain/results", "domain/cause"),
    ("domain/scan", "domain/environment inputs oci"),
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
    ("gate/outcome", "domain/cause domain/image domain/results domain/scan gate/plan"),
    ("gate/record", "domain/environment domain/scan domain/version edges/google inputs oci"),
    (
        "gate/scan",
        "domain/image domain/scan edges/git edges/scanners edges/workspace gate/plan gate/record inputs oci",
    ),
    ("gate/release", "domain/version edges/github edges/workspace gate/allocation"),
    ("gate/allocation", "domain/version edges/git edges/github inputs"),
    (
        "gate/context",
        "domain/environment domain/image domain/version edges/git edges/github edges/google edges/make edges/workspace \
         gate/plan gate/record gate/release gate/allocation inputs oci",
    ),
    (
        "gate/execute",
        "domain/cause domain/environment domain/image domain/results domain/scan domain/version edges/git edges/github edges/google edges/kube edges/make \
         edges/scanners edges/workspace gate/context gate/outcome gate/plan gate/record gate/release gate/scan gate/allocation inputs oci registry report",
    ),
    // The ends.
    ("report", "domain/environment domain/image domain/results domain/scan gate/outcome gate/plan oci"),
    ("cli", "commands/images commands/tools domain/environment inputs"),
    ("commands/images", "domain/environment inputs oci report"),
    (
        "commands/tools",
        "domain/environment domain/version edges/google edges/kube gate/outcome gate/plan gate/record inputs oci registry report",
    ),
    (
        "commands/run",
        "cli commands/images commands/tools domain/environment domain/image edges/git edges/github \
         edges/google edges/kube edges/slack edges/workspace gate/context gate/execute gate/outcome gate/plan gate/record gate/allocation inputs oci registry report",
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

/// Circles between files of one folder, each with its files. They are right only for an `impl` that is spread over files.
const CIRCLES: [(&str, &str); 4] = [
    ("crates/oci/src", "client realm token transport"),
    ("crates/oci/src/copy", "attached blobs run tags"),
    ("src/edges/git", "pinned program trust"),
    ("src/gate/plan", "access assigned build images later"),
];

/// The words of a text that may be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The first names of a path or of a list of paths in braces: `a` and `B` of `{a::{C, D}, B}`.
fn heads(path: &str) -> Vec<&str> {
    let Some(list) = path.strip_prefix('{') else { return words(path).take(1).collect() };
    let (mut heads, mut depth, mut start) = (Vec::new(), 0, Some(0));
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = Some(at + 1),
            _ => {}
        }
        if depth == 0
            && let Some(from) = start.take_if(|from| at >= *from && character.is_alphanumeric())
        {
            heads.extend(words(&list[from..]).next());
        }
    }
    heads
}

/// The code of a file without its tests and comments.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The files of a folder, each with the others that it uses, by their own name or by a name that the folder passes on.
fn uses_of_files(folder: &Path, module: &str) -> BTreeMap<String, BTreeSet<String>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stems = entries.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let stems = stems.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let files: BTreeSet<_> =
        stems.filter(|stem| !["mod", "lib", "main", "tests"].contains(&&**stem)).collect();
    let top = code_of(&folder.join("mod.rs")) + &code_of(&folder.join("lib.rs"));
    let mut exports = BTreeMap::new();
    for path in top.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let path = path.trim_start_matches("self::");
        if let Some((file, names)) = path.split_once("::").filter(|(file, _)| files.contains(*file)) {
            exports.extend(words(names).map(|name| (name, file)));
        }
    }
    let used = |file: &String| {
        let code = code_of(&folder.join(file).with_extension("rs"));
        let paths = code.split("super::").skip(1).chain(code.split(module).skip(1));
        let heads = paths.flat_map(heads).map(|head| exports.get(head).copied().unwrap_or(head));
        heads.filter(|other| other != file && files.contains(*other)).map(str::to_owned).collect()
    };
    files.iter().map(|file| (file.clone(), used(file))).collect()
}

/// All files that `file` uses, directly or through others.
fn reached<'a>(file: &str, uses: &'a BTreeMap<String, BTreeSet<String>>, found: &mut BTreeSet<&'a str>) {
    for other in &uses[file] {
        if found.insert(other) {
            reached(other, uses, found);
        }
    }
}

#[test]
fn files_of_a_folder_form_no_other_circles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src"));
    let mut circles = BTreeSet::new();
    for source in crates.chain([root.join("src")]) {
        let folders = walkdir::WalkDir::new(&source).into_iter().map(Result::unwrap);
        for folder in folders.filter(|entry| entry.file_type().is_dir()) {
            let below = folder.path().strip_prefix(&source).unwrap();
            let names = below.iter().map(|name| format!("{}::", name.to_str().unwrap()));
            let uses = uses_of_files(folder.path(), &format!("crate::{}", names.collect::<String>()));
            let reach = |file: &str| {
                let mut found = BTreeSet::new();
                reached(file, &uses, &mut found);
                found
            };
            let place = folder.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            for file in uses.keys().filter(|file| reach(file).contains(file.as_str())) {
                let members = reach(file).into_iter().filter(|other| reach(other).contains(file.as_str()));
                circles.insert((place.clone(), members.collect::<Vec<_>>().join(" ")));
            }
        }
    }
    let listed = CIRCLES.iter().map(|(place, files)| ((*place).to_owned(), (*files).to_owned())).collect();
    assert_eq!(circles, listed, "left: the circles in the code; right: the list");
}

#[test]
fn names_in_a_path_are_found() {
    assert_eq!(heads("{a::{C, D}, B, self, e::F}; x"), ["a", "B", "self", "e"]);
    assert_eq!(heads("{\n    a::B,\n    c,\n};"), ["a", "c"]);
    assert_eq!(heads("a::B::new()"), ["a"]);
}
