//! A target chooses the names of its files, and what its links lead to; the step that uploads artifacts
//! takes each line for a glob and follows links.

use std::fs;

use crate::support::gate::Gate;

const MAKEFILE: &str = r#"
p2p-build:
	@mkdir -p out/real && cd out && touch plain.txt 'with space ' 'a*b?[c]\d' && touch "$$(printf 'x\nMakefile')"
	@cd out && ln -s /proc/self/environ environ && ln -s ../../secret above && ln -s ../.git/config config
	@cd out && ln -s nowhere gone && ln -s plain.txt link && ln -s real latest && ln -s / everything
	@cd out/real && touch one && ln -s /etc inner && ln -s .. loop
"#;

#[test]
fn no_artifact_is_another_one_or_leads_out_of_the_workspace() {
    let gate = Gate::new(MAKEFILE).input("artifacts", "out");
    fs::write(gate.workspace().parent().unwrap().join("secret"), "s3cret").unwrap();
    let run = gate.run(&["run", "p2p-build"]);
    run.passed();
    let out = gate.workspace().join("out");
    let line = |name: &str| format!("{}/{name}", out.display());
    let expected = [r"a[*]b[?][[]c]\\d", "latest/one", "link", "plain.txt", "real/one", "with space[ ]"];
    let listed = run.output("artifacts");
    let mut lines: Vec<_> = listed.lines().filter(|line| !line.contains("/loop/")).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected.map(line));
    for line in listed.lines() {
        let plain = line
            .replace("[*]", "*")
            .replace("[?]", "?")
            .replace("[[]", "[")
            .replace(r"\\", r"\")
            .replace("[ ]", " ");
        let target = fs::canonicalize(&plain).unwrap_or_else(|error| panic!("{plain}: {error}"));
        assert!(target.starts_with(gate.workspace().canonicalize().unwrap()), "{plain}");
    }
    for (name, why) in [
        ("environ", "leads out of the workspace"),
        ("above", "leads out of the workspace"),
        ("everything", "leads out of the workspace"),
        ("real/inner", "leads out of the workspace"),
        ("config", "leads to git's own files"),
        ("gone", "leads nowhere"),
        ("x", "line break"),
    ] {
        let message =
            run.stdout.lines().any(|line| line.contains(&format!("out/{name}")) && line.contains(why));
        assert!(message, "{name}: {}", run.stdout);
    }
}

/// The logs of a failure are uploaded as a directory.
#[test]
fn no_link_among_the_logs_leads_out_of_them() {
    let plant = "ln -s /proc/self/environ \"$$(ls -d \"$$RUNNER_TEMP\"/p2p-logs-*)/environ\" && echo planted";
    let gate = Gate::new(&format!("p2p-build:\n\t@{plant}; exit 1\n"));
    let run = gate.run(&["run", "p2p-build"]);
    run.ended(2);
    assert!(run.logs["p2p-build.log"].contains("planted\n"), "{:?}", run.logs);
    let logs = std::path::PathBuf::from(run.output("logs-path"));
    assert!(logs.is_dir() && fs::symlink_metadata(logs.join("environ")).is_err());
}
