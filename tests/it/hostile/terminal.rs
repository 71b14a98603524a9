//! Targets that try to act on the terminal of whoever reads what they printed.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::gate::{Gate, Run};
use crate::support::odd_registry::{Odd, OddRegistry};

/// Clears, moves, hides the cursor, writes the clipboard; and says something between.
const SCRIPT: &str = r"
printf 'keep this\n\033[1A\033[2K\033[2J\033[?25lfirst\n\033]0;title\007\033]52;c;aGk=\033\\second\n'
printf '\302\2332Jthird\b\b\n\033[31mred, and left so\n'
printf '10%%\r50%%\r::group::x\r100%%\r\n'
printf '::error title=\033[1mT::\033[31mno\033[2J\n'
printf '# \033[1mSummary\033[2J\n' >> ${GITHUB_STEP_SUMMARY:-/dev/null}
printf 'last\033[5m'
exit 3
";

fn gate(gate: Gate) -> Run {
    gate.env("NO_COLOR", "")
        .env("FORCE_COLOR", "1")
        .file("script", SCRIPT)
        .commit("hostile")
        .run(&["run", "p2p-build"])
}

/// Asserts that of all control sequences only colours stand in `text`.
#[track_caller]
fn only_colours(text: &str) {
    for part in text.split('\x1b').skip(1) {
        let end = part.find(|character: char| !"[0123456789;:".contains(character)).unwrap_or(part.len());
        assert!(part.starts_with('[') && part[end..].starts_with('m'), "{part:?} in {text}");
    }
    let others = |character: char| character.is_control() && !"\n\t\x1b".contains(character);
    assert!(!text.contains(others), "{text:?}");
}

#[test]
fn a_target_acts_on_no_terminal() {
    for run in [gate(Gate::new("p2p-build: ; @sh script")), gate(Gate::local("p2p-build: ; @sh script"))] {
        run.ended(2);
        for (place, text) in run.texts() {
            only_colours(&text);
            let shows = ["stdout", "p2p-build.log"].contains(&place);
            assert!(shows || !text.contains('\x1b'), "{place}: {text:?}");
        }
        let log = &run.logs["p2p-build.log"];
        let shown = "keep this\nfirst\nsecond\nthird\n\x1b[31mred, and left so\x1b[0m\n\x1b[31m100%\x1b[0m\n";
        assert!(log.starts_with(shown), "{log:?}");
        // The cause has no colours, and none reaches what p2p prints after the output.
        let cause = run.stdout.rsplit("\np2p-build: ").next().unwrap();
        assert!(!cause.is_empty() && !cause.contains('\x1b'), "{cause:?}");
        let ours = run.stdout.lines().filter(|line| line.contains("\x1b["));
        assert!(ours.into_iter().all(|line| line.ends_with("\x1b[0m")), "{}", run.stdout);
        assert!(run.report["steps"].to_string().contains("red, and left so"));
    }
}

#[test]
fn annotations_and_summary_are_text() {
    let run = gate(Gate::new("p2p-build: ; @sh script"));
    let reading = run.reading();
    let error = reading.effects.iter().find(|effect| effect.name == "error" && effect.message == "no");
    assert_eq!(error.unwrap().properties["title"], "T");
    assert!(
        run.summary().contains("# Summary\n") && run.summary().contains("keep this"),
        "{}",
        run.summary()
    );
    assert!(!reading.names().contains(&"x"));
}

#[test]
fn logins_of_docker_s_configuration_are_masked() {
    let gate = Gate::new("p2p-build: ; @cat $$HOME/.docker/config.json; echo a-pass'w'ord-of-docker\n");
    let login = STANDARD.encode("me:a-password-of-docker");
    fs::create_dir_all(gate.home().join(".docker")).unwrap();
    let file = serde_json::json!({"auths": {
        "r.example": {"auth": login},
        "s.example": {"identitytoken": "a-refresh-token"},
    }});
    fs::write(gate.home().join(".docker/config.json"), file.to_string()).unwrap();
    let run = gate.run(&["run", "p2p-build"]);
    let log = &run.passed().logs["p2p-build.log"];
    for secret in ["a-password-of-docker", "a-refresh-token", &login] {
        assert!(!log.contains(secret), "{secret}: {log}");
        assert!(run.stdout.contains(&format!("::add-mask::{secret}\n")), "{secret}: {}", run.stdout);
    }
}

#[test]
fn tokens_that_a_registry_issues_are_masked() {
    let registry = OddRegistry::start(vec![Odd::Token(r#"{"token": "issued-to-anybody-0123456789"}"#)]);
    let makefile = "P2P_APP_NAME := shop\np2p-build: ; @echo issued-to-any'body-0123456789'\n";
    let run = Gate::new(makefile)
        .input("registry", &format!("{}/acme", registry.host()))
        .run(&["run", "p2p-build"]);
    assert!(registry.seen().iter().any(|seen| seen.uri.path() == "/token"), "{}", run.stdout);
    assert!(run.stdout.contains("::add-mask::issued-to-anybody-0123456789\n"), "{}", run.stdout);
}
