//! The workflows in the documents are what people paste, so they have to be right.

use std::path::{Path, PathBuf};
use std::process::Command;

use ::sys::yaml::{Node, parse};
use p2p::inputs::SPECS;

use super::interface::{OURS, Workflow, keys, loses_nothing, word};
use crate::support::repository::Repository;
use crate::support::tools::tool;

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "docs/pipeline.md",
    "docs/environments.md",
    "docs/monorepos.md",
    "docs/migrate-from-coreeng-p2p.md",
    "docs/scans.md",
];

/// The blocks of YAML in a document.
fn blocks(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let after = text.split("```yaml\n").skip(1);
    after.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The workflow of docs/pipeline.md with this name.
pub(super) fn pasted(name: &str) -> String {
    let first = format!("name: {name}\n");
    blocks("docs/pipeline.md").into_iter().find(|block| block.starts_with(&first)).unwrap()
}

#[test]
fn they_are_right() {
    let repository = Repository::new();
    let mut files = Vec::new();
    for document in DOCUMENTS {
        for block in blocks(document).iter().filter(|block| block.contains("\njobs:\n")) {
            let place = format!("{document}: {}", block.lines().next().unwrap());
            let node = parse(block).unwrap_or_else(|error| panic!("{place}: {error}"));
            if let Some(queue) = node.get("concurrency") {
                loses_nothing(queue, &place);
            }
            for (id, job) in node.get("jobs").and_then(Node::entries).unwrap() {
                let place = format!("{place}: {id}");
                uses_what_there_is(job, &place);
                if let Some(queue) = job.get("concurrency") {
                    loses_nothing(queue, &place);
                }
            }
            files.push(repository.file(format!(".github/workflows/{}.yaml", files.len()), block));
        }
    }
    assert!(files.len() >= 8, "only {} workflows are left in the documents", files.len());
    let output = lint(&repository, &files);
    assert!(output.is_empty(), "{output}");
    // The linter looks, indeed.
    let wrong = repository.file(".github/workflows/wrong.yaml", "on: push\njobs: { a: { needs: b } }\n");
    assert!(lint(&repository, &[wrong]).contains("runs-on"));
}

fn lint(repository: &Repository, files: &[PathBuf]) -> String {
    let output =
        Command::new(tool("actionlint")).args(files).current_dir(repository.path()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Our inputs and secrets exist, and the required ones are given.
fn uses_what_there_is(job: &Node, place: &str) {
    for step in job.get("steps").and_then(Node::items).unwrap_or_default() {
        if word(step, "uses") == Some(&format!("{OURS}@v1")) {
            for key in keys(step, "with") {
                assert!(SPECS.iter().any(|spec| spec.name == key), "{place}: the action has no {key}");
            }
        }
    }
    let prefix = format!("{OURS}/.github/workflows/");
    let Some(file) = word(job, "uses").and_then(|uses| uses.strip_prefix(&prefix)) else { return };
    let target = Workflow::read(file.strip_suffix(".yaml@v1").unwrap());
    for (what, given) in [("inputs", keys(job, "with")), ("secrets", keys(job, "secrets"))] {
        let declared = target.called_with(what);
        for key in &given {
            assert!(declared.iter().any(|(name, _)| name == key), "{place}: {file} has no {key}");
        }
        for (name, node) in declared {
            let must = word(node, "required") == Some("true");
            assert!(!must || given.contains(&name.as_str()), "{place}: {file} wants {name}");
        }
    }
}
