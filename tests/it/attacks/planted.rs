//! Reading the Makefile runs its `$(shell …)`. A `git` that it planted in a directory of PATH got the token of the next
//! call, and a `docker-credential-…` or `~/.docker/config.json` became p2p's own login.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::gate::{Gate, MAKEFILE};

/// Plants programs that leave a file when p2p starts them; targets have `P2P_VERSION`, and p2p has not.
const PLANT: &str = r#"
for program in git make docker docker-credential-own docker-credential-planted plugin; do
    printf '#!/bin/sh\n[ -n "$P2P_VERSION" ] || touch "$HOME/seen-%s"\n%s\n' $program "$(cat answer)" > "$HOME/.local/bin/$program"
    chmod 755 "$HOME/.local/bin/$program"
done
cp planted.json "$HOME/.docker/config.json"
printf '[http]\n\tproxy = http://127.0.0.1:1\n' > "$HOME/.gitconfig"
"#;

/// What the planted programs do afterwards: a login that the registry takes, so that nobody notices.
const ANSWER: &str = r#"PATH="${PATH#*:}"; case "$0" in *credential*) echo "{\"Username\":\"robot\",\"Secret\":\"hunter2\"}" ;; *) exec "${0##*/}" "$@" ;; esac"#;

/// A job whose registry wants a login that only the user's own file or helper has.
fn scene(config: impl Fn(&str) -> String) -> Gate {
    let gate = Gate::new("").registry_login("robot", "hunter2").input("registry-username", "");
    let gate = gate.input("registry-password", "");
    let host = gate.registry.path().split('/').next().unwrap().to_owned();
    for directory in [".local/bin", ".docker", "tools"] {
        fs::create_dir_all(gate.home().join(directory)).unwrap();
    }
    fs::write(gate.home().join(".docker/config.json"), config(&host)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let at = |directory: &str| gate.home().join(directory).display().to_string();
    let path = format!("{}:{}:{path}", at(".local/bin"), at("tools"));
    let global = gate.home().join(".gitconfig");
    let planted = format!(r#"{{"credHelpers": {{"{host}": "planted"}}}}"#);
    let makefile = format!("PLANTED := $(shell sh plant.sh)\n{MAKEFILE}");
    gate.file("Makefile", &makefile)
        .file("plant.sh", PLANT)
        .file("answer", ANSWER)
        .file("planted.json", &planted)
        .commit("attack")
        .env("PATH", path)
        .env("GIT_CONFIG_GLOBAL", global)
}

/// What p2p started of the planted.
fn seen(gate: &Gate) -> Vec<String> {
    assert!(gate.home().join(".local/bin/git").exists(), "the attack was made");
    let names =
        fs::read_dir(gate.home()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut seen: Vec<_> = names.filter(|name| name.starts_with("seen-")).collect();
    seen.sort();
    seen
}

fn program(at: &Path, text: &str) {
    fs::write(at, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn p2p_starts_no_program_that_reading_the_makefile_planted() {
    let gate = scene(|_| r#"{"credsStore": "own"}"#.to_owned());
    let own = "touch \"$HOME/own\"; echo '{\"Username\":\"robot\",\"Secret\":\"hunter2\"}'";
    program(&gate.home().join("tools/docker-credential-own"), own);
    let gate = gate.input("build-cache", "registry").input("promotion", "native");
    gate.run(&["fast-feedback"]).passed();
    assert!(gate.home().join("own").exists(), "p2p asked the user's own helper");
    assert_eq!(seen(&gate), [""; 0]);
}

#[test]
fn p2p_takes_no_login_that_reading_the_makefile_planted() {
    let gate = scene(|host| format!(r#"{{"auths": {{"{host}": {{"auth": "cm9ib3Q6aHVudGVyMg=="}}}}}}"#));
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(seen(&gate), [""; 0]);
}

#[test]
fn a_kubeconfig_s_plugin_is_the_one_that_was_installed() {
    let config = "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
                  clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], \
                  users: [{name: a, user: {exec: {command: plugin}}}]}";
    let gate = scene(|host| format!(r#"{{"auths": {{"{host}": {{"auth": "cm9ib3Q6aHVudGVyMg=="}}}}}}"#));
    program(&gate.home().join("tools/plugin"), "touch \"$HOME/own\"; exit 1");
    let gate = gate.input("kubeconfig", config);
    gate.run(&["fast-feedback"]);
    assert!(gate.home().join("own").exists(), "p2p asked the user's own plugin");
    assert_eq!(seen(&gate), [""; 0]);
}
