//! A repository names programs in its configuration (`core.fsmonitor`, hooks), and whoever reads it with git
//! runs them (CVE-2022-24765): a `.git` of another user in a parent directory is enough.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

use walkdir::WalkDir;

use crate::support::gate::{Gate, MAKEFILE};

/// A laptop with a repository whose configuration names a program for every call of git.
fn scene() -> Gate {
    let gate = Gate::local(MAKEFILE);
    let program = gate.workspace().join(".git/program");
    fs::write(&program, format!("#!/bin/sh\ntouch '{}'\n", ran(&gate).display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for hook in ["post-index-change", "post-checkout", "reference-transaction"] {
        fs::copy(&program, gate.workspace().join(".git/hooks").join(hook)).unwrap();
    }
    gate.git(&["config", "core.fsmonitor", program.to_str().unwrap()]);
    gate
}

fn ran(gate: &Gate) -> std::path::PathBuf {
    gate.home().join("it-ran")
}

/// Gives everything below a directory to another user.
fn give_away(directory: &Path) {
    for entry in WalkDir::new(directory) {
        lchown(entry.unwrap().path(), Some(12345), Some(12345)).unwrap();
    }
}

#[test]
fn no_program_that_a_repository_names_is_run_when_it_is_read() {
    let gate = scene();
    // The change of a file makes git look at all of them.
    let gate = gate.file("Makefile", &format!("{MAKEFILE}\n# changed\n"));
    let registry = gate.registry.path();
    gate.run(&["plan", "fast-feedback", "--registry", &registry]).passed();
    assert!(!ran(&gate).exists());
}

#[test]
fn a_repository_of_another_user_is_refused_and_runs_nothing() {
    let gate = scene();
    give_away(&gate.workspace());
    let registry = gate.registry.path();
    let refused = gate.run(&["plan", "fast-feedback", "--registry", &registry]);
    assert!(!ran(&gate).exists());
    assert!(refused.ended(64).stderr.contains("belongs to another user"), "{}", refused.stderr);
}
