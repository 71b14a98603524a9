//! A daemon left the process group of its target and lived on: it forged the outputs of the step after p2p had
//! written them. And a target wrote to the runner's own files (`GITHUB_ENV`, `GITHUB_PATH`), which decide what the
//! job's later steps run. Targets get files of their own, but they can find the real ones.

use std::fs;

use crate::support::gate::{Gate, MAKEFILE};

/// The runner's files of this step and of another one, by the variable that names them for this step.
const FILES: [(Option<&str>, &str); 5] = [
    (Some("GITHUB_ENV"), "set_env_1"),
    (Some("GITHUB_PATH"), "add_path_1"),
    (Some("GITHUB_STATE"), "save_state_1"),
    (Some("GITHUB_OUTPUT"), "set_output_1"),
    (None, "set_env_2"),
];

/// What the script of the step has written before p2p.
const BEFORE: &str = "KEPT=1\n";

/// A job whose runner keeps its files where every recipe can find them, as GitHub's does.
fn gate(makefile: &str) -> Gate {
    let gate = Gate::new(makefile).input("federation", "off");
    let directory = gate.temporary().join("_runner_file_commands");
    fs::create_dir(&directory).unwrap();
    FILES.into_iter().fold(gate, |gate, (variable, file)| {
        fs::write(directory.join(file), BEFORE).unwrap();
        match variable {
            Some(variable) => gate.env(variable, directory.join(file)),
            None => gate,
        }
    })
}

/// The text of one of the files.
fn text(gate: &Gate, file: &str) -> String {
    fs::read_to_string(gate.temporary().join("_runner_file_commands").join(file)).unwrap()
}

/// A Makefile whose build does this first.
fn building(line: &str) -> String {
    MAKEFILE.replacen("\t@mkdir", &format!("\t@{line}\n\t@mkdir"), 1)
}

/// Whether a process runs whose command line holds `text`.
fn runs(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).replace('\0', " ").contains(text)
    })
}

#[test]
fn a_daemon_that_left_its_group_forges_no_output() {
    let forge = "while :; do touch running; echo forged=1 >> $(RUNNER_TEMP)/_runner_file_commands/set_output_1; \
                 sleep 0.01; done; : 9411";
    for daemon in [
        format!("setsid sh -c '{forge}' >/dev/null 2>&1 &"),
        format!("(setsid sh -c '{forge}' >/dev/null 2>&1 &);"),
        format!("setsid sh -c 'trap \"\" TERM; {forge}' >/dev/null 2>&1 &"),
        format!("env -i PATH=\"$$PATH\" setsid sh -c '{forge}' >/dev/null 2>&1 &"),
    ] {
        let gate = gate(&building(&format!("{daemon} until [ -e running ]; do sleep 0.01; done")));
        let run = gate.run(&["run", "p2p-build"]);
        run.passed();
        assert!(!runs("9411"), "{daemon}");
        let output = text(&gate, "set_output_1");
        assert!(output.starts_with("KEPT=1\n") && output.contains("result=success"), "{output}");
        assert!(!output.contains("forged"), "{daemon}: {output}");
        assert!(run.stdout.contains("left processes running in the background"), "{}", run.stdout);
        assert!(run.stdout.contains("the runner's file set_output_1"), "{}", run.stdout);
    }
}

/// A shell's words for the process group of p2p: make's parent.
const GROUP: &str = "`cut -d' ' -f5 /proc/\\`cut -d' ' -f4 /proc/$$PPID/stat\\`/stat`";

/// Processes of p2p itself are in its group, so one that joins it is not taken for the target's. It ends with the run.
#[test]
fn a_daemon_that_joins_the_group_of_p2p_forges_no_output() {
    let joins =
        "import os, sys; os.setpgid(0, int(sys.argv[1])); os.execv('/bin/sh', ['sh', '-c', sys.argv[2]])";
    let forge = "while :; do touch running; echo forged=1 >> $(RUNNER_TEMP)/_runner_file_commands/set_output_1; \
                 sleep 0.01; done; : 9416";
    let daemon = format!("python3 -c \"{joins}\" {GROUP} '{forge}' >/dev/null 2>&1 &");
    let gate = gate(&building(&format!("{daemon} until [ -e running ]; do sleep 0.01; done")));
    let run = gate.run(&["run", "p2p-build"]);
    run.passed();
    assert!(!runs("9416"));
    let output = text(&gate, "set_output_1");
    assert!(output.contains("result=success") && !output.contains("forged"), "{output}");
    let warning = "processes were still running at the end; p2p ended them: sh -c while";
    assert!(run.stdout.contains(warning), "{}", run.stdout);
    assert!(run.stdout.contains("the runner's file set_output_1"), "{}", run.stdout);
}

/// Two processes, each of which starts another one and ends, until the file `stop` exists or a minute is over. Each begins
/// a session of its own, or joins a group.
const FORKS: &str = r"
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {
    struct stat file;
    time_t end = time(0) + 60;
    for (int n = 0; n < 2; n++) if (!fork()) break;
    close(0); close(1); close(2);
    while (stat(words[1], &file) && time(0) < end) { if (fork()) _exit(0); if (count > 2) setpgid(0, atoi(words[2])); else setsid(); usleep(200); }
}
";

#[test]
fn a_process_that_keeps_forking_is_ended_or_fails_the_step() {
    for group in ["", GROUP] {
        let build = "cc -o $(HOME)/keeps-forking $(HOME)/forks.c && $(HOME)/keeps-forking $(HOME)/stop";
        let gate = gate(&building(&format!("{build} {group}")));
        fs::write(gate.home().join("forks.c"), FORKS).unwrap();
        let run = gate.run(&["run", "p2p-build"]);
        let alive = runs(&gate.home().join("keeps-forking").display().to_string());
        fs::write(gate.home().join("stop"), "").unwrap();
        if run.code == 0 {
            assert!(!alive, "{group} {}", run.stdout);
        } else {
            assert!(
                run.ended(1).stdout.contains("keeps starting others and cannot be ended"),
                "{}",
                run.stdout
            );
            assert!(!text(&gate, "set_output_1").contains("result=success"));
        }
    }
}

#[test]
fn a_daemon_ends_with_its_own_target_and_not_with_the_sibling() {
    let functional = "setsid sleep 9412 >/dev/null 2>&1 & echo $$! > $(HOME)/daemon; sleep 0.01";
    // Waits for the end of the sibling's daemon, and needs its own one after that.
    let nft = "setsid sleep 9413 >/dev/null 2>&1 & echo $$! > $(HOME)/own; \
               until [ -s $(HOME)/daemon ]; do sleep 0.01; done; \
               while kill -0 `cat $(HOME)/daemon` 2>/dev/null; do sleep 0.01; done; \
               kill -0 `cat $(HOME)/own` && echo own daemon runs";
    let makefile = MAKEFILE.replace(
        "p2p-functional p2p-nft p2p-integration:\n\t@echo '$@ of $(P2P_VERSION)'\n",
        &format!("p2p-functional:\n\t@{functional}\np2p-nft:\n\t@{nft}\np2p-integration: ; @echo\n"),
    );
    let gate = Gate::new(&makefile).input("federation", "off");
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().logs["p2p-nft.log"].contains("own daemon runs"));
    assert!(!runs("sleep 9412") && !runs("sleep 9413"));
}

#[test]
fn what_a_target_writes_to_the_runner_s_files_is_taken_back_and_reported() {
    let at = "$(RUNNER_TEMP)/_runner_file_commands";
    let attack = format!(
        "echo LD_PRELOAD=/tmp/evil.so >> {at}/set_env_1; echo /tmp/evil > {at}/add_path_1; \
         rm {at}/save_state_1; ln -s {at}/set_env_1 {at}/save_state_1; echo BASH_ENV=/tmp/evil >> {at}/set_env_2"
    );
    let gate = gate(&building(&attack));
    let run = gate.run(&["run", "p2p-build"]);
    run.passed();
    for (name, what) in [
        ("set_env_1", "24 bytes were added"),
        ("add_path_1", "its text was replaced"),
        ("save_state_1", "the file was replaced"),
        ("set_env_2", "19 bytes were added"),
    ] {
        assert_eq!(text(&gate, name), BEFORE, "{name}");
        let warning = format!("wrote to the runner's file {name}: {what}");
        assert!(run.stdout.contains(&warning), "{warning}\n{}", run.stdout);
    }
    assert!(text(&gate, "set_output_1").contains("result=success"));
}

#[test]
fn what_the_makefile_does_while_it_is_read_is_undone_too() {
    let attack = "X := $(shell echo LD_PRELOAD=/tmp/evil.so >> $(RUNNER_TEMP)/_runner_file_commands/set_env_1; \
                  setsid sh -c 'touch running; exec sleep 9414' >/dev/null 2>&1 & \
                  until [ -e running ]; do sleep 0.01; done)\n";
    for (rest, arguments, code) in
        [(MAKEFILE, ["plan", "fast-feedback"], 0), ("broken\n", ["run", "p2p-build"], 64)]
    {
        let gate = gate(&format!("{attack}{rest}"));
        let run = gate.run(&arguments);
        run.ended(code);
        assert_eq!(text(&gate, "set_env_1"), BEFORE);
        assert!(!runs("sleep 9414"));
        let message = format!("{}{}", run.stdout, run.stderr);
        assert!(
            message.contains("the runner's file set_env_1") && message.contains("sleep 9414"),
            "{message}"
        );
    }
}

#[test]
fn on_a_laptop_a_daemon_stays_as_with_make() {
    let gate = Gate::local("p2p-build: ; @setsid sleep 9415 >/dev/null 2>&1 & echo $$! > pid\n");
    gate.run(&["run", "p2p-build"]).passed();
    let daemon = fs::read_to_string(gate.workspace().join("pid")).unwrap();
    let daemon = rustix::process::Pid::from_raw(daemon.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
}
