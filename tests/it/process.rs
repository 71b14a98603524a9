//! Real child processes: streams, groups, limits and stops.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use ::sys::error::{Exit, Help};
use ::sys::process::{
    Ended, How, ProcessError, RunOptions, Signals, Spec, Stop, StopSignal, capture, capture_any, run_group,
};
use ::sys::world::Env;
use tempfile::TempDir;
use workflow_commands::Secret;

/// Longer than anything here takes, so that a test that hangs fails.
const LONG: Duration = Duration::from_secs(20);

fn env() -> Env {
    Env::from_iter([("PATH", std::env::var("PATH").unwrap()), ("SECRET", "hunter2-and-more".to_owned())])
}

fn shell(program: &str, directory: &Path, script: &str) -> Spec {
    Spec::new(program, ["-c", script], directory, env())
}

fn options(limit: Duration, grace: Duration) -> RunOptions {
    RunOptions { time_limit: Some(limit), grace, ..RunOptions::default() }
}

/// Runs a script in a directory of its own to its end.
async fn run(program: &str, script: &str, options: RunOptions, stop: Stop) -> (Ended, String) {
    let directory = TempDir::new().unwrap();
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&text);
    let spec = shell(program, directory.path(), script);
    let ended = run_group(&spec, options, stop, move |bytes| sink.lock().unwrap().extend_from_slice(bytes))
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&text.lock().unwrap()).into_owned();
    (ended, text)
}

/// A run that nobody stops.
async fn run_freely(program: &str, script: &str) -> (Ended, String) {
    let (_stopper, stop) = Stop::new();
    run(program, script, options(LONG, LONG), stop).await
}

/// Whether a process runs whose command line holds `text`.
fn runs(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cmdline = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).replace('\0', " ").contains(text)
    })
}

/// Waits until something is so.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn captures_both_streams_apart() {
    let directory = TempDir::new().unwrap();
    let captured = capture(&shell("sh", directory.path(), "pwd; echo err >&2; cat"), LONG).await.unwrap();
    assert!(
        Path::new(String::from_utf8(captured.stdout).unwrap().trim())
            .ends_with(directory.path().file_name().unwrap())
    );
    assert_eq!(captured.stderr, "err\n");
}

#[tokio::test]
async fn a_failure_names_the_command_and_the_end_of_its_errors_but_no_variable() {
    let spec = shell("sh", Path::new("/"), "echo out; echo why >&2; exit 7");
    let error = capture(&spec, LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "`sh -c 'echo out; echo why >&2; exit 7'` failed with exit code 7: why");
    assert!(!format!("{error:?} {spec:?}").contains("hunter2"));
    assert_eq!(capture_any(&spec, LONG).await.unwrap().code, Some(7));
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_what_to_do() {
    let spec = Spec::new("no-such-program", ["x"], "/", env());
    let error = capture(&spec, LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "the program `no-such-program` is not installed, or not on the PATH");
    assert!(error.help().unwrap().contains("install `no-such-program`"));
    assert_eq!(error.exit(), Exit::Unavailable);
    let (_stopper, stop) = Stop::new();
    assert!(matches!(
        run_group(&spec, RunOptions::default(), stop, |_| ()).await,
        Err(ProcessError::Missing { .. })
    ));
}

#[tokio::test]
async fn a_capture_that_takes_too_long_is_killed_with_its_children() {
    let spec = shell("sh", Path::new("/"), "sleep 4071 & sleep 4071; echo never");
    let error = capture(&spec, Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }));
    assert_eq!(error.exit(), Exit::TimedOut);
    until("the children are gone", || !runs("sleep 4071")).await;
}

#[tokio::test]
async fn a_capture_does_not_wait_for_what_holds_its_output() {
    let captured = capture(&shell("sh", Path::new("/"), "sleep 4072 & echo out"), LONG).await.unwrap();
    assert_eq!(captured.stdout, b"out\n");
    until("the child is gone", || !runs("sleep 4072")).await;
}

#[tokio::test]
async fn a_capture_reads_its_input_and_may_leave_it_unread() {
    let directory = TempDir::new().unwrap();
    let fed = |script: &str, input: &str| Spec {
        input: Secret::new(input),
        ..shell("sh", directory.path(), script)
    };
    let largest = "x".repeat(4096);
    for (script, input, expected) in [
        ("cat", "host", "host"),
        ("cat", &largest, &largest),
        ("cat", "", ""),
        ("echo done", "host", "done\n"),
    ] {
        let captured = capture(&fed(script, input), LONG).await.unwrap();
        assert_eq!(String::from_utf8(captured.stdout).unwrap(), expected);
    }
    let error = capture(&fed("cat", &format!("{largest}y")), LONG).await.unwrap_err();
    assert!(
        matches!(&error, ProcessError::Start { .. }) && !format!("{error:?}").contains("xxx"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_capture_that_prints_without_end_is_killed_at_the_limit_of_its_output() {
    for script in ["exec yes", "exec yes >&2"] {
        let spec = Spec { output_limit: 1 << 20, ..shell("sh", Path::new("/"), script) };
        let error = capture_any(&spec, LONG).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`sh -c '{script}'` printed more than 1048576 bytes and was ended")
        );
    }
    let long = capture(&shell("sh", Path::new("/"), "yes | head -c 5000000"), LONG).await.unwrap();
    assert_eq!(long.stdout.len(), 5_000_000, "nothing is lost that the limit allows");
}

#[tokio::test]
async fn a_command_is_named_as_it_is_to_be_shown() {
    let spec = Spec { shown: Some("git fetch".to_owned()), ..shell("sh", Path::new("/"), "kill -9 $$") };
    assert_eq!(capture(&spec, LONG).await.unwrap_err().to_string(), "`git fetch` was ended by signal 9");
}

#[tokio::test]
async fn both_streams_come_in_the_order_they_were_written() {
    let (ended, text) =
        run_freely("sh", "i=0; while [ $i -lt 300 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done; exit 3")
            .await;
    let mut expected = String::new();
    for number in 0..300 {
        write!(expected, "o{number}\ne{number}\n").unwrap();
    }
    assert_eq!(text, expected);
    assert_eq!((ended.how, ended.leftovers), (How::Exited(3), vec![]));
}

#[tokio::test]
async fn a_signal_of_others_is_told_apart() {
    assert_eq!(run_freely("sh", "kill -9 $$").await.0.how, How::Signalled(9));
}

#[tokio::test]
async fn what_is_left_in_the_background_is_named_and_ended() {
    let (ended, text) = run_freely("sh", "sleep 4073 & (trap '' TERM; exec sleep 4074) & echo done").await;
    assert_eq!((ended.how, text.as_str()), (How::Exited(0), "done\n"));
    let mut leftovers = ended.leftovers;
    leftovers.sort();
    assert_eq!(leftovers, ["sleep 4073", "sleep 4074"]);
    assert!(ended.seconds < 5.0, "{} s", ended.seconds);
    assert!(!runs("sleep 4073") && !runs("sleep 4074"));
}

#[tokio::test]
async fn a_daemon_that_left_the_group_keeps_nobody_waiting() {
    let script = "setsid sh -c 'echo $$ > pid; exec sleep 4075' & while [ ! -s pid ]; do :; done; cat pid";
    let (ended, text) = run_freely("sh", script).await;
    let daemon = rustix::process::Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    let alive = rustix::process::test_kill_process(daemon).is_ok();
    let _ = rustix::process::kill_process(daemon, rustix::process::Signal::KILL);
    assert!(alive, "it is not ours to end");
    assert_eq!((ended.how, ended.leftovers), (How::Exited(0), vec![]));
    assert!(ended.seconds < 5.0, "{} s", ended.seconds);
}

#[tokio::test]
async fn a_daemon_that_never_stops_printing_keeps_nobody_waiting() {
    let script =
        "setsid sh -c 'echo $$ > pid; while echo noise; do :; done' & while [ ! -s pid ]; do :; done";
    let directory = TempDir::new().unwrap();
    let (_stopper, stop) = Stop::new();
    let spec = shell("sh", directory.path(), script);
    let ended = run_group(&spec, options(LONG, LONG), stop, |_| ()).await;
    // The daemon ends by itself, since nobody reads what it prints any more.
    let pid: i32 = std::fs::read_to_string(directory.path().join("pid")).unwrap().trim().parse().unwrap();
    assert_eq!(ended.unwrap().how, How::Exited(0));
    until("the daemon is gone", || !Path::new(&format!("/proc/{pid}/exe")).exists()).await;
}

#[tokio::test]
async fn what_ends_a_moment_after_the_leader_is_not_cut_off() {
    let (ended, text) = run_freely("bash", "echo hello > >(sleep 0.1; cat)").await;
    assert_eq!((ended.how, ended.leftovers, text.as_str()), (How::Exited(0), vec![], "hello\n"));
}

#[tokio::test]
async fn the_time_limit_gives_time_to_clean_up() {
    let script = "exec 2>/dev/null; trap 'echo cleaning; sleep 0.2; echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let (_stopper, stop) = Stop::new();
    let (ended, text) = run("sh", script, options(Duration::from_millis(300), LONG), stop).await;
    assert_eq!((ended.how, text.as_str()), (How::TimedOut, "ready\ncleaning\ncleaned\n"));
    assert!(ended.seconds < 5.0, "{} s", ended.seconds);
}

#[tokio::test]
async fn who_does_not_listen_is_killed_after_the_grace() {
    let script = "trap '' TERM INT; echo ready; sleep 4076 & while :; do sleep 0.05; done";
    let (_stopper, stop) = Stop::new();
    let limit = Duration::from_millis(300);
    let (ended, text) = run("sh", script, options(limit, limit), stop).await;
    assert_eq!((ended.how, text.as_str()), (How::TimedOut, "ready\n"));
    assert!(ended.leftovers.contains(&"sleep 4076".to_owned()), "{:?}", ended.leftovers);
    assert!((0.6..4.0).contains(&ended.seconds), "{} s", ended.seconds);
    assert!(!runs("sleep 4076"));
}

/// Runs a script until it has printed `ready`, then stops it by each of `signals`.
async fn interrupt(script: &str, grace: Duration, signals: &[StopSignal]) -> (Ended, String) {
    let directory = TempDir::new().unwrap();
    let spec = shell("sh", directory.path(), script);
    let (stopper, stop) = Stop::new();
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&text);
    let ended = run_group(&spec, options(LONG, grace), stop, move |bytes| {
        sink.lock().unwrap().extend_from_slice(bytes);
    });
    let stopping = async {
        until("it is ready", || text.lock().unwrap().starts_with(b"ready\n")).await;
        for signal in signals {
            stopper.stop(*signal);
        }
    };
    let (ended, ()) = tokio::join!(ended, stopping);
    let text = String::from_utf8_lossy(&text.lock().unwrap()).into_owned();
    (ended.unwrap(), text)
}

#[tokio::test]
async fn a_stop_passes_the_very_signal_to_all_of_the_group() {
    for (signal, name) in [(StopSignal::Interrupt, "INT"), (StopSignal::Terminate, "TERM")] {
        // A child of the leader with a trap of its own, as make and its recipes.
        let inner = format!(
            "trap \"echo inner {name}; sleep 0.1; echo clean; exit 1\" {name}; echo ready; while :; do sleep 0.02; done"
        );
        // The shell itself says "Terminated" of its sleep, on standard error.
        let script =
            format!("exec 2>/dev/null; trap 'echo outer {name}' {name}; sh -c '{inner}'; echo \"status $?\"");
        let (ended, text) = interrupt(&script, LONG, &[signal]).await;
        assert_eq!(ended.how, How::Interrupted(signal));
        assert_eq!(text, format!("ready\ninner {name}\nclean\nouter {name}\nstatus 1\n"));
        assert_eq!(ended.leftovers, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_second_signal_does_not_restart_the_clock() {
    let both = [StopSignal::Interrupt, StopSignal::Terminate, StopSignal::Interrupt];
    let script = "trap '' INT TERM; echo ready; while :; do sleep 0.05; done";
    let (ended, _) = interrupt(script, Duration::from_millis(400), &both).await;
    assert_eq!(ended.how, How::Interrupted(StopSignal::Interrupt));
    assert!((0.4..4.0).contains(&ended.seconds), "{} s", ended.seconds);
}

#[tokio::test]
async fn make_passes_it_on_and_what_cleans_up_after_make_has_its_time() {
    let directory = TempDir::new().unwrap();
    let makefile =
        "all:\n\t@trap 'sleep 0.3; echo cleaned; exit 1' INT; echo ready; while :; do sleep 0.02; done\n";
    std::fs::write(directory.path().join("Makefile"), makefile).unwrap();
    let (ended, text) =
        interrupt(&format!("cd {} && exec make", directory.path().display()), LONG, &[StopSignal::Interrupt])
            .await;
    assert_eq!(ended.how, How::Interrupted(StopSignal::Interrupt));
    assert!(text.contains("cleaned\n"), "{text}");
}

#[tokio::test]
async fn after_a_stop_nothing_is_started() {
    let (stopper, stop) = Stop::new();
    stopper.stop(StopSignal::Terminate);
    let (ended, text) = run("sh", "echo started", RunOptions::default(), stop).await;
    assert_eq!((ended.how, text.as_str()), (How::Interrupted(StopSignal::Terminate), ""));
}

#[tokio::test]
async fn a_run_that_is_dropped_is_killed() {
    let (_stopper, stop) = Stop::new();
    let spec = shell("sh", Path::new("/"), "sleep 4077 & sleep 4077");
    {
        let run = run_group(&spec, RunOptions::default(), stop, |_| ());
        tokio::pin!(run);
        tokio::select! {
            _ = &mut run => unreachable!("it sleeps"),
            () = until("it runs", || runs("sleep 4077")) => {}
        }
    }
    until("it is gone", || !runs("sleep 4077")).await;
}

#[tokio::test]
async fn a_slow_reader_makes_the_command_wait() {
    let (_never, wait) = mpsc::channel::<()>();
    let (_stopper, stop) = Stop::new();
    let spec = shell("sh", Path::new("/"), "head -c 100000000 /dev/zero");
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let ended = run_group(&spec, options(Duration::from_millis(500), LONG), stop, move |bytes| {
        *count.lock().unwrap() += bytes.len();
        if *count.lock().unwrap() == bytes.len() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    });
    // Had it not waited, it would have been done long before its time was up.
    assert_eq!(ended.await.unwrap().how, How::TimedOut);
    assert!(*seen.lock().unwrap() < 3_000_000);
}

#[tokio::test]
async fn a_reader_that_blocks_for_ever_does_not_hold_up_a_stop() {
    let (_never, wait) = mpsc::channel::<()>();
    let (stopper, stop) = Stop::new();
    let (tell, mut message) = tokio::sync::mpsc::unbounded_channel();
    // exec, since dash loses a SIGINT that comes while it starts a child.
    let spec = shell("sh", Path::new("/"), "echo ready; exec sleep 4078");
    let run = run_group(&spec, options(LONG, LONG), stop, move |_| {
        let _ = tell.send(());
        let _ = wait.recv();
    });
    let stopping = async {
        message.recv().await.unwrap();
        stopper.stop(StopSignal::Interrupt);
    };
    let (ended, ()) = tokio::join!(run, stopping);
    let ended = ended.unwrap();
    assert_eq!(ended.how, How::Interrupted(StopSignal::Interrupt));
    assert!(ended.seconds < 5.0, "{ended:?}");
}

/// The most memory this process ever had, in bytes (proc(5): `VmHWM`).
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn much_output_passes_in_little_memory() {
    let before = peak_memory();
    let (_stopper, stop) = Stop::new();
    let spec = shell("sh", Path::new("/"), "yes 'a line of output' | head -c 100000000");
    let seen = Arc::new(Mutex::new((0, 0)));
    let count = Arc::clone(&seen);
    let ended = run_group(&spec, options(LONG, LONG), stop, move |bytes| {
        let mut seen = count.lock().unwrap();
        *seen = (seen.0 + bytes.len(), seen.1.max(bytes.len()));
    });
    assert_eq!(ended.await.unwrap().how, How::Exited(0));
    assert_eq!(seen.lock().unwrap().0, 100_000_000);
    assert!(seen.lock().unwrap().1 <= 256 * 1024);
    assert!(peak_memory() - before < 32 << 20, "{} bytes more", peak_memory() - before);
}

#[tokio::test]
async fn the_first_signal_is_remembered() {
    let signals = Signals::listen().unwrap();
    assert_eq!(signals.first(), None);
    let me = rustix::process::getpid();
    let mut stop = signals.stop();
    rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
    assert_eq!(tokio::time::timeout(LONG, stop.wait()).await.unwrap(), StopSignal::Terminate);
    rustix::process::kill_process(me, rustix::process::Signal::INT).unwrap();
    // Still the first one, for those who ask later too.
    assert_eq!(signals.stop().wait().await, StopSignal::Terminate);
    assert_eq!(signals.first(), Some(StopSignal::Terminate));
}
