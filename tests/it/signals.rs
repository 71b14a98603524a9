//! Cancelled runs, time limits, and what targets leave behind.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::registry::{Fault, Faults};
use rustix::process::Signal;

use crate::support::gate::{Gate, MAKEFILE, Registry, Run, Running};
use crate::support::github::Seen;

/// What the runner gives a cancelled step: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL.
const LONGEST: Duration = Duration::from_secs(9);

/// Where nothing has to clean up.
const PROMPT: Duration = Duration::from_secs(3);

/// A gate whose functional and nft do this; `$(mark)` is a file of the target that shows where it is.
fn scene(recipe: &str) -> Gate {
    let build = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:");
    let makefile = format!("{build}mark = $$MARKS/$@\np2p-functional p2p-nft:\n\t@{recipe}\n");
    let gate = Gate::new(&makefile);
    let marks = gate.home().to_owned();
    gate.env("MARKS", marks)
}

fn marked(gate: &Gate, mark: &str) -> bool {
    gate.home().join(mark).exists()
}

/// Starts the gate and waits until both targets are under way.
fn under_way(gate: &Gate) -> Running {
    let mut running = gate.start(&["fast-feedback"]);
    running.until("both run", |_| marked(gate, "p2p-functional.started") && marked(gate, "p2p-nft.started"));
    running
}

/// Whether a process runs whose command line holds `text`.
fn runs(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).replace('\0', " ").contains(text)
    })
}

/// Asserts that of our files only logs are left, and the workspace as the targets left it.
#[track_caller]
fn only_logs_are_left(gate: &Gate) {
    let names = |directory: &Path| -> Vec<String> {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let left = names(gate.temporary());
    assert!(left.iter().all(|name| name.starts_with("p2p-logs-")), "{left:?}");
    for directory in &left {
        let files = names(&gate.temporary().join(directory));
        let kept = |name: &String| name.starts_with("p2p-") || name.starts_with("report.");
        assert!(files.iter().all(kept), "{files:?}");
    }
}

/// Asserts that the run was cancelled by a signal while functional and nft ran.
#[track_caller]
fn cancelled(gate: &Gate, run: &Run, code: i32, since: Instant) {
    assert!(since.elapsed() < LONGEST, "it took {:?}", since.elapsed());
    run.ended(code);
    assert_eq!(run.report["result"], "cancelled");
    assert_eq!(run.output("result"), "cancelled");
    for target in ["p2p-functional", "p2p-nft"] {
        assert_eq!(run.step(target), "interrupted");
    }
    for target in ["p2p-integration", "p2p-promote-to-extended-test"] {
        assert_eq!(run.step(target), "skipped");
    }
    let namespaces = ["acme-shop-functional", "acme-shop-nft"];
    assert_eq!(run.report["half_deployed"], serde_json::json!(namespaces));
    for namespace in namespaces {
        assert!(
            run.stdout.contains(&format!("may be half-deployed: namespace {namespace}")),
            "{}",
            run.stdout
        );
    }
    assert!(run.summary().contains("was interrupted"), "{}", run.summary());
    assert!(run.summary().contains("**May be half-deployed:** `acme-shop-functional`, `acme-shop-nft`"));
    only_logs_are_left(gate);
}

/// Waits for SIGINT or SIGTERM, then cleans up for longer than a moment.
const CLEANS: &str = "stop() { sleep 1; echo $$1 > \"$(mark).cleaned\"; exit 1; }; trap 'stop INT' INT; \
                      trap 'stop TERM' TERM; echo on > \"$(mark).started\"; while :; do sleep 0.02; done";

#[test]
fn both_targets_get_the_signal_and_time_to_clean_up() {
    for (signal, name, code) in [(Signal::INT, "INT", 130), (Signal::TERM, "TERM", 143)] {
        let gate = scene(CLEANS);
        let running = under_way(&gate);
        let since = Instant::now();
        running.signal(signal);
        let run = running.end();
        cancelled(&gate, &run, code, since);
        for target in ["p2p-functional", "p2p-nft"] {
            let message = fs::read_to_string(gate.home().join(format!("{target}.cleaned"))).unwrap();
            assert_eq!(message.trim(), name, "the target's own trap ran to its end");
        }
    }
}

#[test]
fn a_signal_that_is_passed_on_twice_changes_nothing() {
    let gate = scene(CLEANS);
    let running = under_way(&gate);
    let since = Instant::now();
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    cancelled(&gate, &running.end(), 130, since);
    assert!(marked(&gate, "p2p-functional.cleaned") && marked(&gate, "p2p-nft.cleaned"));
}

#[test]
fn targets_that_ignore_the_signal_are_ended() {
    let gate =
        scene("trap '' INT TERM; echo on > \"$(mark).started\"; while :; do sleep 0.02; done; true 9173");
    let running = under_way(&gate);
    let since = Instant::now();
    running.signal(Signal::INT);
    let run = running.end();
    assert!(since.elapsed() >= Duration::from_secs(5), "they had their time to clean up");
    cancelled(&gate, &run, 130, since);
    assert!(!runs("true 9173"), "nothing of them runs any more");
}

#[test]
fn a_second_ctrl_c_kills_what_takes_its_time() {
    let gate =
        scene("trap '' INT TERM; echo on > \"$(mark).started\"; while :; do sleep 0.02; done; true 9174");
    let running = under_way(&gate);
    let since = Instant::now();
    // Whatever passes one Ctrl-C on twice does so at once; a person takes longer.
    while since.elapsed() < Duration::from_millis(600) {
        running.signal(Signal::INT);
        std::thread::yield_now();
    }
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    cancelled(&gate, &run, 130, since);
    assert!(!runs("true 9174"), "nothing of them runs any more");
}

#[test]
fn a_laptop_is_told_what_a_second_ctrl_c_does() {
    let gate = Gate::local(&MAKEFILE.replacen("\t@mkdir", "\t@echo on > started; sleep 600\n\t@mkdir", 1));
    let mut running = gate.start(&["run", "p2p-build"]);
    running.until("the build runs", |_| gate.has("started"));
    running.signal(Signal::INT);
    let run = running.end();
    assert!(run.ended(130).stderr.contains("Ctrl-C again kills"), "{}", run.stderr);
}

/// The private directories that are left in a place for temporary files.
fn private(place: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let is_private =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("p2p-run-");
    entries.filter(is_private).collect()
}

#[test]
fn what_a_killed_run_leaves_the_next_one_removes() {
    for gate in [Gate::new(MAKEFILE), Gate::local(MAKEFILE)] {
        let holder = gate.home().join("hold");
        let gate = gate.env("HOLD", &holder);
        let build = "\t@if [ -e \"$$HOLD\" ]; then echo on > started; sleep 600; fi\n\t@mkdir";
        let gate = gate.file("Makefile", &MAKEFILE.replacen("\t@mkdir", build, 1)).commit("holds");
        fs::write(&holder, "").unwrap();
        let mut running = gate.start(&["run", "p2p-build"]);
        running.until("the build runs", |_| gate.has("started"));
        let held = private(gate.temporary());
        assert!(held.iter().any(|path| path.join("registry-auth.json").exists()), "{held:?}");
        // One that is still under way keeps its files.
        fs::remove_file(&holder).unwrap();
        gate.run(&["run", "p2p-build"]).passed();
        assert!(held.iter().all(|path| path.exists()));
        running.signal(Signal::KILL);
        running.end();
        gate.run(&["run", "p2p-build"]).passed();
        assert_eq!(private(gate.temporary()), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn private_files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let show = "\t@find \"$${KUBECONFIG%/*}\" \"$$GITHUB_OUTPUT\" -printf '%m %y %f\\n'\n\t@mkdir";
    let gate = Gate::new(&MAKEFILE.replacen("\t@mkdir", show, 1));
    let run = gate.run_with_umask(&["run", "p2p-build"], 0);
    let listed = &run.passed().logs["p2p-build.log"];
    let modes: Vec<_> = listed.lines().filter(|line| line.contains(" f ") || line.contains(" d ")).collect();
    assert!(modes.iter().any(|line| line.contains("p2p-run-")), "{listed}");
    for line in modes {
        assert!(line.starts_with("600 f") || line.starts_with("700 d"), "{line} of\n{listed}");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let logs = fs::read_dir(gate.temporary()).unwrap().map(|entry| entry.unwrap().path());
    assert!(logs.into_iter().all(|logs| mode(&logs) == 0o700));
}

#[test]
fn a_signal_during_the_build_skips_the_rest() {
    let gate = Gate::new(&MAKEFILE.replacen("\t@mkdir", "\t@echo on > started; sleep 600\n\t@mkdir", 1));
    let mut running = gate.start(&["fast-feedback"]);
    running.until("the build runs", |_| gate.has("started"));
    let since = Instant::now();
    running.signal(Signal::TERM);
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    run.ended(143);
    assert_eq!(run.step("p2p-build"), "interrupted");
    assert_eq!(run.report["half_deployed"], serde_json::json!(["acme-shop"]));
    for target in ["images", "p2p-functional", "p2p-nft", "p2p-integration"] {
        assert_eq!(run.step(target), "skipped");
    }
    only_logs_are_left(&gate);
}

#[test]
fn a_signal_while_the_workspace_is_copied_ends_the_copying() {
    let gate = scene("echo on > \"$(mark).started\"");
    let many = gate.workspace().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..20_000 {
        fs::write(many.join(number.to_string()), "x").unwrap();
    }
    let temporary = gate.temporary().to_owned();
    let copying = || {
        let mut entries = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path());
        entries.any(|path| path.join("nft-workspace/many").exists())
    };
    let mut running = gate.start(&["fast-feedback"]);
    running.until("the workspace is copied", |_| copying());
    running.signal(Signal::INT);
    let run = running.end();
    run.ended(130);
    for target in ["p2p-functional", "p2p-nft"] {
        assert_eq!(run.step(target), "skipped", "{}", run.stdout);
        assert!(!marked(&gate, &format!("{target}.started")));
    }
    only_logs_are_left(&gate);
}

/// A run that hangs before there is a plan; it ends at once, says so, and leaves nothing running.
#[track_caller]
fn ends_at_once(gate: &Gate, running: Running, trace: &str) {
    let since = Instant::now();
    running.signal(Signal::INT);
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    run.ended(130);
    assert!(
        run.stdout.contains("::error title=p2p::interrupted by SIGINT; nothing was run"),
        "{}",
        run.stdout
    );
    assert_eq!(run.output("result"), "cancelled");
    // The kernel takes a moment to end what was killed.
    let start = Instant::now();
    while runs(trace) {
        assert!(start.elapsed() < PROMPT, "something runs on");
    }
    only_logs_are_left(gate);
}

#[test]
fn a_signal_while_tags_are_read_ends_the_run_at_once() {
    let gate = Gate::new(MAKEFILE);
    let (_release, held) = mpsc::channel::<()>();
    gate.github.fault(move |_| {
        let _ = held.recv();
        None
    });
    let mut running = gate.start(&["fast-feedback"]);
    running.until("GitHub is asked", |_| !gate.github.requests().is_empty());
    ends_at_once(&gate, running, &gate.github.git_url());
}

#[test]
fn a_signal_while_the_makefile_is_read_ends_the_run_at_once() {
    let gate = Gate::new(&format!("X := $(shell echo on > started; exec sleep 9174)\n{MAKEFILE}"));
    let mut running = gate.start(&["fast-feedback"]);
    running.until("make reads", |_| gate.has("started"));
    ends_at_once(&gate, running, "sleep 9174");
}

#[test]
fn a_signal_while_the_tag_is_created_ends_the_run_at_once() {
    let gate = Gate::new(MAKEFILE);
    let (_release, held) = mpsc::channel::<()>();
    gate.github.fault(move |seen| {
        if seen.creates_ref() {
            let _ = held.recv();
        }
        None
    });
    let mut running = gate.start(&["fast-feedback"]);
    running.until("the tag is asked for", |_| gate.github.requests().iter().any(Seen::creates_ref));
    let since = Instant::now();
    running.signal(Signal::INT);
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    run.ended(130);
    assert_eq!((run.step("version"), run.step("p2p-build")), ("interrupted", "skipped"));
    assert_eq!(run.report["result"], "cancelled");
    only_logs_are_left(&gate);
}

#[test]
fn a_signal_while_the_registry_hangs_ends_the_run_at_once() {
    let (asked, was_asked) = mpsc::channel();
    let stalls = Faults::new(move |request| {
        let promotion = request.path.contains("extended-test") && request.method == "GET";
        if promotion {
            let _ = asked.send(());
        }
        promotion.then_some(Fault::Stall)
    });
    let mut gate = Gate::new(MAKEFILE);
    gate.registry = Registry::with(|options| options.faults = Some(stalls));
    let path = gate.registry.path();
    let gate = gate.input("registry", &path);
    let mut running = gate.start(&["fast-feedback"]);
    running.until("the registry is asked", |_| was_asked.try_recv().is_ok());
    let since = Instant::now();
    running.signal(Signal::TERM);
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    run.ended(143);
    assert_eq!(run.step("p2p-promote-to-extended-test"), "interrupted");
    assert_eq!(run.output("result"), "cancelled");
    only_logs_are_left(&gate);
}

#[test]
fn a_target_that_takes_too_long_is_ended_with_124() {
    let gate = scene("echo on > \"$(mark).started\"; exec sleep 9175").input("timeout", "1s");
    let run = gate.run(&["fast-feedback"]);
    run.ended(124);
    assert!(run.took < LONGEST, "{:?}", run.took);
    for target in ["p2p-functional", "p2p-nft"] {
        assert_eq!(run.step(target), "timed-out");
        let message = format!("✗ {target} ran into its time limit: it was ended after 1 s");
        assert!(run.stdout.contains(&message), "{}", run.stdout);
    }
    assert_eq!(run.step("p2p-integration"), "skipped");
    assert_eq!(run.output("result"), "failure");
    let namespaces = ["acme-shop-functional", "acme-shop-nft"];
    assert_eq!(run.report["half_deployed"], serde_json::json!(namespaces));
    assert!(!runs("sleep 9175"));
    only_logs_are_left(&gate);
}

#[test]
fn what_runs_on_in_the_background_keeps_nobody_waiting() {
    let gate = Gate::new("p2p-build: ; @sleep 9176 & setsid sleep 3 & echo done\n");
    let run = gate.run(&["run", "p2p-build"]);
    run.passed();
    assert!(run.took < PROMPT, "{:?}", run.took);
    let message = "p2p-build left processes running in the background; they were ended: sleep 9176, sleep 3";
    assert!(run.stdout.contains(message), "{}", run.stdout);
    assert_eq!(run.report["steps"][0]["leftovers"], serde_json::json!(["sleep 9176", "sleep 3"]));
    assert!(!runs("sleep 9176"));
    assert!(run.logs["p2p-build.log"].contains("done"));
}

#[test]
fn a_laptop_s_run_is_cancelled_the_same_way() {
    let gate = Gate::local("p2p-build: ; @echo on > started; exec sleep 9177\n");
    let mut running = gate.start(&["run", "p2p-build"]);
    running.until("the target runs", |_| gate.has("started"));
    running.signal(Signal::INT);
    let run = running.end();
    run.ended(130);
    assert_eq!(run.report["result"], "cancelled");
    assert!(!runs("sleep 9177"));
    assert_eq!(fs::read_dir(gate.temporary()).unwrap().count(), 0, "logs are in the cache there");
}

#[test]
fn a_terminal_that_is_gone_and_its_quit_key_stop_a_run_as_well() {
    for (signal, name, code) in [(Signal::HUP, "SIGHUP", 129), (Signal::QUIT, "SIGQUIT", 131)] {
        let recipe = "@trap 'echo told > told; exit 1' TERM; echo on > started; while :; do sleep 0.02; done";
        let gate = Gate::local(&format!("p2p-build: ; {recipe}\n"));
        let mut running = gate.start(&["run", "p2p-build"]);
        running.until("the target runs", |_| gate.has("started"));
        let since = Instant::now();
        running.signal(signal);
        let run = running.end();
        assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
        run.ended(code);
        assert_eq!(run.report["steps"][0]["reason"], format!("by {name}"));
        assert!(gate.has("told"), "the target was told by SIGTERM");
        assert_eq!(fs::read_dir(gate.temporary()).unwrap().count(), 0, "no login is left");
    }
}

#[test]
fn under_nohup_a_run_goes_on_when_the_terminal_is_gone() {
    // Once p2p has passed on a line that was printed after the signals, it has met them.
    let recipe = "@for signal in HUP QUIT; do kill -$$signal `cat id`; done; echo later; \
                  until grep -q later out; do sleep 0.01; done; echo on > started";
    let gate = Gate::local(&format!("p2p-build: ; {recipe}\n"));
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP QUIT; echo $$ > id; exec \"$0\" run p2p-build", env!("CARGO_BIN_EXE_p2p")])
        .current_dir(gate.workspace())
        .env("HOME", gate.home())
        .env("TMPDIR", gate.temporary())
        .stdout(fs::File::create(gate.workspace().join("out")).unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(gate.has("started"));
}

#[test]
fn after_a_signal_nobody_waits_for_artifacts() {
    // Two files of a terabyte without a block on the disk: comparing them takes minutes.
    let recipe =
        "mkdir -p reports && truncate -s 1T reports/large && echo on > \"$(mark).started\"; exec sleep 9178";
    let gate = scene(recipe).input("artifacts", "reports/*");
    let running = under_way(&gate);
    let since = Instant::now();
    running.signal(Signal::INT);
    let run = running.end();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    assert!(run.stdout.contains("there was no time to bring all of nft's artifacts back"), "{}", run.stdout);
    cancelled(&gate, &run, 130, since);
}
