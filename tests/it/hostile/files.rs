//! Targets that leave pipes and links where p2p reads and writes files.

use std::fs;

use crate::support::gate::{Gate, MAKEFILE};

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
