//! Programs that p2p starts (git, credential helpers, docker) had every secret input in their environment: a
//! `git` planted on the PATH got them for nothing, and so did whoever read `/proc/<pid>/environ`. And every
//! target could ask for id tokens, and act as any environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::gate::{Gate, MAKEFILE};

const KUBECONFIG: &str = "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
                          clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], \
                          users: [{name: a, user: {token: canary-kubeconfig}}]}";

/// The secret inputs, and what only p2p may have.
const SECRETS: [(&str, &str); 7] = [
    ("INPUT_REGISTRY_PASSWORD", "canary-registry-password"),
    ("INPUT_REGISTRY-LOGINS", "other.example robot canary-registry-logins"),
    ("INPUT_ENV_VARS", "DB=canary-env-vars"),
    ("INPUT_SLACK_WEBHOOK_URL", "https://127.0.0.1:1/canary-webhook"),
    ("INPUT_KUBECONFIG", KUBECONFIG),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary-id-token"),
    ("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/canary-url"),
];

/// A job with all of them, and programs planted on the PATH that write their environment down.
fn scene(makefile: &str) -> Gate {
    let gate = Gate::new(makefile);
    let planted = gate.home().join("planted");
    fs::create_dir(&planted).unwrap();
    let path = std::env::var("PATH").unwrap();
    for program in ["git", "docker", "docker-credential-planted", "make"] {
        let file = planted.join(program);
        let script = format!(
            "#!/bin/sh\nenv >> '{}/seen-{program}'\nPATH='{path}'\nexec {program} \"$@\"\n",
            gate.home().display()
        );
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir(gate.home().join(".docker")).unwrap();
    fs::write(gate.home().join(".docker/config.json"), r#"{"credsStore": "planted"}"#).unwrap();
    let gate = gate.env("PATH", format!("{}:{path}", planted.display())).input("federation", "off");
    let gate = gate.input("registry-username", "robot");
    SECRETS.iter().fold(gate, |gate, (name, value)| gate.env(name, value))
}

fn seen(gate: &Gate, program: &str) -> String {
    fs::read_to_string(gate.home().join(format!("seen-{program}"))).unwrap_or_default()
}

#[test]
fn no_program_that_p2p_starts_gets_a_secret_input() {
    let gate = scene(MAKEFILE).input("build-cache", "registry");
    gate.run(&["fast-feedback"]);
    for program in ["git", "docker"] {
        let seen = seen(&gate, program);
        assert!(seen.contains("HOME="), "{program} was started");
        assert!(!seen.contains("canary") && !seen.contains("INPUT_"), "{program}: {seen}");
    }
    // Tools beside the gate.
    gate.run(&["copy", "other.example/a:1", "127.0.0.1:1/b:1"]);
    let helper = seen(&gate, "docker-credential-planted");
    assert!(!helper.contains("canary"), "{helper}");
}

#[test]
fn make_reads_the_makefile_without_the_action_s_secrets() {
    let gate = scene(MAKEFILE);
    gate.run(&["plan"]).passed();
    let seen = seen(&gate, "make");
    assert!(seen.contains("HOME="));
    for canary in ["registry-password", "registry-logins", "webhook", "kubeconfig", "id-token", "url"] {
        assert!(!seen.contains(&format!("canary-{canary}")), "{canary}: {seen}");
    }
}

#[test]
fn a_target_gets_the_id_token_s_variables_only_where_they_are_passed() {
    let makefile = MAKEFILE.replacen("\t@mkdir", "\t@env | grep -c ACTIONS_ID_TOKEN || true\n\t@mkdir", 1);
    for (passed, count) in [("", "0"), ("withhold", "0"), ("pass", "2")] {
        let gate = Gate::new(&makefile).input("federation", "off").input("id-token", passed);
        let gate = SECRETS[5..].iter().fold(gate, |gate, (name, value)| gate.env(name, value));
        let run = gate.run(&["run", "p2p-build"]);
        assert_eq!(run.passed().logs["p2p-build.log"].lines().next(), Some(count), "{passed}");
    }
}
