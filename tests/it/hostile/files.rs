//! Targets that leave pipes and links where p2p reads and writes files, and look into the process of p2p.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::tools::tool;

#[test]
fn pipes_in_the_place_of_files_hang_nobody() {
    let makefile = MAKEFILE.replacen(
        "p2p-build:\n",
        "p2p-build:\n\t@mkdir -p $$HOME/.config/gcloud && mkfifo \
         $$HOME/.config/gcloud/application_default_credentials.json\n\
         \t@for logs in $$RUNNER_TEMP/p2p-logs-*; do mkfifo $$logs/p2p-functional.log $$logs/report.json; done\n",
        1,
    );
    let run = Gate::new(&makefile).run(&["fast-feedback"]);
    run.passed();
    assert_eq!(run.report["result"], "success");
    assert!(run.logs.contains_key("p2p-functional.log"));
}

#[test]
fn a_pipe_in_the_place_of_the_user_s_logins_is_told() {
    let gate = Gate::new(
        "p2p-build: ; @mkdir -p $$HOME/.docker && mkfifo $$HOME/.docker/config.json\nnext: ; @true\n",
    );
    let run = gate.run(&["run", "p2p-build", "next"]);
    assert!(run.stdout.contains(".docker/config.json"), "{}", run.stdout);
    assert_eq!(run.step("next"), "failed");
}

#[test]
fn what_is_written_goes_through_no_link_of_a_target() {
    let gate = Gate::new(
        "p2p-build: ; @mkdir -p $$HOME/.config/gcloud; echo another > $$HOME/other; \
         ln -s $$HOME/other $$HOME/.config/gcloud/application_default_credentials.json; \
         for logs in $$RUNNER_TEMP/p2p-logs-*; do ln -s $$HOME/other $$logs/next.log; done\n\
         next: ; @echo said\n",
    );
    let run = gate.run(&["run", "p2p-build", "next"]);
    run.passed();
    assert_eq!(fs::read_to_string(gate.home().join("other")).unwrap(), "another\n");
    assert_eq!(run.logs["next.log"], "said\n");
}

/// As root everything may be read: the run is another user's.
#[test]
fn a_target_cannot_read_the_environment_of_p2p() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::set_permissions(at, fs::Permissions::from_mode(0o777)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_p2p"), at.join("binary")).unwrap();
    let makefile = "look: ; @p2p=$$(awk '/^PPid/ {print $$2}' /proc/$$PPID/status); \
                    echo \"$$(tr '\\0' ' ' < /proc/$$p2p/cmdline)\"; ! cat /proc/$$p2p/environ; \
                    cat /proc/$$PPID/environ > /dev/null && $(P2P_BIN) --version\n";
    fs::write(at.join("Makefile"), makefile).unwrap();
    // As on a machine on which root has run podman.
    fs::create_dir(at.join("runtime")).unwrap();
    fs::set_permissions(at.join("runtime"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(at.join("Makefile"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = Command::new(tool("setpriv"))
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(at.join("binary"))
        .args(["run", "look"])
        .current_dir(at)
        .env_clear()
        .envs([("PATH", std::env::var("PATH").unwrap()), ("INPUT_ENV_VARS", "DB=hidden-from-all".to_owned())])
        .envs([("HOME", at), ("TMPDIR", at), ("XDG_RUNTIME_DIR", &at.join("runtime"))])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{message}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(message.contains("binary run look") && message.contains("p2p 0."), "{message}");
    assert!(!message.contains("INPUT_ENV_VARS"), "{message}");
}
