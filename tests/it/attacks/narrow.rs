//! Every target had every login of the inputs, so that a test could push to production. Where a team has a login for
//! each path, a target gets the one for its own path.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use workflow_commands::Secret;

use crate::support::gate::{Gate, MAKEFILE, Registry};
use crate::support::github::REPOSITORY;
use crate::support::registry::{Account, Auth};

/// A registry that gives a token for each scope, to a robot that pushes to `test` and to one that promotes.
fn scene(makefile: &str, auth: fn(Vec<Account>) -> Auth) -> Gate {
    let account = |user: &str, pull: &str, push: &str| Account {
        user: user.to_owned(),
        password: Secret::new(format!("canary-of-{user}")),
        pull: vec![pull.to_owned()],
        push: vec![push.to_owned()],
    };
    let accounts =
        vec![account("tester", "acme/test", "acme/test"), account("promoter", "acme", "acme/extended-test")];
    let mut gate = Gate::new(makefile);
    gate.registry = Registry::with(|options| options.auth = Some(auth(accounts)));
    let path = gate.registry.path();
    gate.input("registry", &path)
}

fn tokens(accounts: Vec<Account>) -> Auth {
    Auth::Token { accounts, lifetime: Duration::from_mins(5) }
}

/// A test that pushes past the gate, and looks for the login that it would need.
const PUSHES: &str = "\
p2p-functional: attack
attack:
\t@if '$(P2P_BIN)' image push .rootfs '$(P2P_REGISTRY_EXTENDED_TEST)/evil:1'; then echo pushed; else echo refused; fi
\t@cat \"$$DOCKER_CONFIG/config.json\" \"$$REGISTRY_AUTH_FILE\" > '$(HOME)/logins'
";

#[test]
fn a_test_gets_no_login_to_the_next_path_where_each_path_has_its_own() {
    for auth in [tokens as fn(Vec<Account>) -> Auth, Auth::Basic] {
        let gate = scene(&format!("{MAKEFILE}{PUSHES}"), auth);
        let path = gate.registry.path();
        let logins = format!(
            "{path}/test tester canary-of-tester\n{path}/extended-test promoter canary-of-promoter\n\
             other.example me another\n"
        );
        let gate = gate.input("registry-logins", &logins);
        let run = gate.run(&["fast-feedback"]);
        let log = &run.passed().logs["p2p-functional.log"];
        assert!(log.contains("refused\n"), "{log}");
        assert_eq!(run.step("p2p-promote-to-extended-test"), "passed");
        let files = std::fs::read_to_string(gate.home().join("logins")).unwrap();
        // base64 of promoter:canary-of-promoter
        assert!(!files.contains("cHJvbW90ZXI6"), "{files}");
        assert!(files.contains("other.example") && files.contains("dGVzdGVyO"), "{files}");
    }
}

/// The other way to say it: the usual login is for the first path, and one line is for the promotion.
#[test]
fn the_login_of_the_registry_can_be_the_tests_own() {
    let gate = scene(&format!("{MAKEFILE}{PUSHES}"), tokens);
    let line = format!("{}/extended-test promoter canary-of-promoter", gate.registry.path());
    let gate = gate.input("registry-username", "tester").input("registry-password", "canary-of-tester");
    let run = gate.input("registry-logins", &line).run(&["fast-feedback"]);
    assert!(run.passed().logs["p2p-functional.log"].contains("refused\n"));
    assert_eq!(run.step("p2p-promote-to-extended-test"), "passed");
}

/// One login for everything is given to every target, as ever.
#[test]
fn a_login_that_reaches_all_paths_stays_with_the_targets() {
    let gate = Gate::new(&format!("{MAKEFILE}{PUSHES}")).registry_login("robot", "hunter2");
    let run = gate.run(&["run", "p2p-build", "p2p-functional"]);
    assert!(run.passed().logs["p2p-functional.log"].contains("pushed\n"));
}

/// What the targets of a pull request see of the logins, with `command` and these changes of the pull request.
fn seen(command: &[&str], settings: Option<&str>) -> String {
    let custom = "custom p2p-images:\n\t@cat \"$$REGISTRY_AUTH_FILE\" > '$(HOME)/logins'; echo shop\n";
    let gate = scene(&format!("{MAKEFILE}{PUSHES}{custom}"), tokens);
    let path = gate.registry.path();
    let logins = format!(
        "{path}/test tester canary-of-tester\n{path}/extended-test promoter canary-of-promoter\n\
         {path}/prod deployer canary-of-deployer\n"
    );
    let gate = gate.input("registry-logins", &logins);
    let gate = match settings {
        Some(text) => {
            gate.file(".p2p.yaml", &text.replace("REGISTRY", &path)).input("registry", "").commit("settings")
        }
        None => gate,
    };
    let head = gate.head();
    let gate = gate.pull_request("acme/shop", &head);
    gate.run(command);
    std::fs::read_to_string(gate.home().join("logins")).unwrap_or_default()
}

#[test]
fn a_pull_request_gets_no_login_of_a_later_path_whatever_it_runs_and_changes() {
    let other = "environments:\n  dev: { registry: REGISTRY/elsewhere }\n";
    for (command, settings) in [
        (&["run", "custom"][..], None),
        (&["run", "custom", "p2p-functional"], None),
        (&["run", "p2p-functional", "custom"], None),
        (&["run", "p2p-images"], None),
        (&["run", "p2p-functional", "--environment", "dev"], Some(other)),
        (&["fast-feedback"], None),
    ] {
        let files = seen(command, settings);
        // The beginnings of promoter:… and deployer:… in base64.
        assert!(
            !files.contains("cHJvbW90ZXI6") && !files.contains("ZGVwbG95ZXI6"),
            "{command:?} {settings:?} {files}"
        );
        assert!(settings.is_some() || files.contains("dGVzdGVyO"), "{command:?} {files}");
    }
}

/// The users whose logins a target got.
fn users(gate: &Gate) -> String {
    users_in(&gate.home().join("logins"))
}

fn users_in(file: &Path) -> String {
    let file = std::fs::read_to_string(file).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let login = |entry: &serde_json::Value| {
        let decoded = STANDARD.decode(entry["auth"].as_str().unwrap()).unwrap();
        String::from_utf8(decoded).unwrap().split(':').next().unwrap().to_owned()
    };
    let mut users: Vec<_> = file["auths"].as_object().unwrap().values().map(login).collect();
    users.sort();
    users.dedup();
    users.join(" ")
}

/// A target of the gate and one of none, which keep the logins that they get.
const KEEPS: &str = "\
p2p-functional custom: keep
.PHONY: keep custom
keep:
\t@cat \"$$REGISTRY_AUTH_FILE\" > '$(HOME)/logins'
";

const LINES: &str = "\
R.example/acme/test tester secret-1
r.example/acme/extended-test promoter secret-2
r.example/acme/prod producer secret-3
elsewhere.example/prod/shop producer secret-4
live.example/acme liver secret-5
base.example/acme reader secret-6
";

const ENVIRONMENTS: &str = "environments:
  dev: {registry: r.example/acme}
  prod: {registry: live.example/acme}
";

/// What decides about logins is not what the commit under test says of registries.
#[test]
fn a_commit_that_names_another_registry_gets_no_login_of_a_later_gate() {
    for (settings, expected) in [
        (ENVIRONMENTS.to_owned(), "reader tester"),
        (ENVIRONMENTS.replace("r.example/acme", "r.example/else"), "reader tester"),
        (ENVIRONMENTS.replace("r.example/acme", "else.example"), "reader tester"),
        // The first path would be in the last one.
        (ENVIRONMENTS.replace("r.example/acme", "r.example/acme/prod"), "reader tester"),
    ] {
        for reviewed in [false, true] {
            let gate =
                Gate::new(&format!("{MAKEFILE}{KEEPS}")).file(".p2p.yaml", &settings).commit("settings");
            let head = gate.head();
            let gate = gate.input("registry", "").input("environment", "dev").input("federation", "off");
            let gate = gate.input("registry-logins", LINES);
            let gate = if reviewed { gate } else { gate.pull_request(REPOSITORY, &head) };
            gate.run(&["run", "p2p-functional"]).passed();
            assert_eq!(users(&gate), expected, "{settings} reviewed={reviewed}");
        }
    }
}

/// A target that belongs to no gate got every login, and so did the targets beside it.
#[test]
fn a_target_of_no_gate_gets_the_first_path_s_login_where_nothing_may_be_promoted() {
    let gate = Gate::new(&format!("{MAKEFILE}{KEEPS}")).file(".p2p.yaml", ENVIRONMENTS).commit("settings");
    let head = gate.head();
    let gate = gate.input("registry", "").input("environment", "dev").input("federation", "off");
    let mut gate = gate.input("registry-logins", LINES);
    gate.run(&["run", "custom"]).passed();
    assert_eq!(users(&gate), "liver producer promoter reader tester");
    gate.run(&["run", "p2p-functional", "custom"]).passed();
    assert_eq!(users(&gate), "reader tester");
    for (from, on_fork) in [(REPOSITORY, ""), ("stranger/shop", "run")] {
        gate = gate.input("on-fork", on_fork).pull_request(from, &head);
        for targets in [&["run", "custom"][..], &["run", "custom", "p2p-functional"]] {
            gate.run(targets).passed();
            assert_eq!(users(&gate), "reader tester", "{from} {targets:?}");
        }
    }
}

/// One process that ran targets of several gates gave all of them the login of the last one.
#[test]
fn each_target_of_a_run_gets_the_login_of_its_own_gate() {
    let keeps = "\
p2p-functional p2p-extended-test p2p-prod custom:
\t@cp \"$$REGISTRY_AUTH_FILE\" '$(HOME)/$@'
.PHONY: p2p-extended-test p2p-prod custom
";
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-nft p2p-integration:");
    let gate = Gate::new(&format!("{makefile}{keeps}")).input("federation", "off");
    let gate = gate.input("registry", "r.example/acme").input("registry-logins", LINES);
    let orders = [
        "p2p-functional p2p-extended-test p2p-prod custom",
        "custom p2p-prod p2p-functional p2p-extended-test",
    ];
    for order in orders {
        let command: Vec<_> = ["run"].into_iter().chain(order.split(' ')).collect();
        gate.run(&command).passed();
        for (target, expected) in [
            ("p2p-functional", "liver reader tester"),
            ("p2p-extended-test", "liver promoter reader"),
            ("p2p-prod", "liver producer reader"),
            ("custom", "liver reader tester"),
        ] {
            assert_eq!(users_in(&gate.home().join(target)), expected, "{target} of {order}");
        }
    }
}

/// Where the workflow says what the password is for, the commit changes nothing about it. Otherwise `.p2p.yaml` may name
/// the registry: its targets get the password anyway.
#[test]
fn the_password_goes_to_the_registry_that_the_workflow_names() {
    let hostile = "environments: {dev: {registry: thief.example/acme}, '': {registry: thief.example/acme}}\n";
    let gate = Gate::new(MAKEFILE).file(".p2p.yaml", hostile).commit("settings");
    let gate = gate.registry_login("robot", "canary-password").input("environment", "dev");
    gate.run(&["fast-feedback"]).passed();
    let path = gate.registry.path();
    let settings = format!("{{dev: {{registry: '{path}'}}}}");
    let gate = gate.input("registry", "").input("environments", &settings);
    gate.run(&["run", "p2p-build"]).passed();
    let gate = gate.input("environments", "").file(".p2p.yaml", &format!("environments: {settings}\n"));
    gate.commit("own settings").run(&["fast-feedback"]).passed();
}
