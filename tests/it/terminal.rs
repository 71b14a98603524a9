//! What a person sees on a terminal while the gate runs: the screen after each event.

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::terminal::Terminal;

const WIDE: (u16, u16) = (100, 30);

/// Waits for a file; `$(call wait,go)`.
const WAIT: &str = "wait = until [ -e $(1) ]; do sleep 0.02; done\n";

fn laptop(makefile: &str) -> Gate {
    Gate::local(&format!("{WAIT}{makefile}")).env("TERM", "xterm-256color").env("NO_COLOR", "")
}

fn go(gate: &Gate, file: &str) {
    std::fs::write(gate.workspace().join(file), "").unwrap();
}

/// The rows of running steps.
fn running(terminal: &Terminal) -> Vec<String> {
    terminal.screen().lines().filter(|row| row.starts_with('▸')).map(str::to_owned).collect()
}

/// The output of the target, whole and in order, with nothing between its lines.
#[track_caller]
fn holds(terminal: &mut Terminal, lines: &[&str]) {
    let rows: Vec<_> = terminal.all_rows().into_iter().map(|row| row.trim_end().to_owned()).collect();
    let found = rows.windows(lines.len()).any(|rows| rows == lines);
    assert!(found, "{lines:?} in {rows:#?}");
}

#[test]
fn a_running_step_has_a_line_below_the_output() {
    let gate =
        laptop("p2p-build:\n\t@echo one; $(call wait,a); echo two; echo three; $(call wait,b); echo four\n");
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
    terminal.until("the step has a line", |terminal| running(terminal).len() == 1);
    let row = running(&terminal)[0].clone();
    assert!(row.starts_with("▸ p2p-build  ") && row.ends_with(" s  one"), "{row}");
    assert_eq!(terminal.last_row(), row);
    go(&gate, "a");
    terminal.until("its last line is shown", |terminal| {
        running(terminal).iter().any(|row| row.ends_with("three"))
    });
    assert_eq!(running(&terminal).len(), 1, "{}", terminal.screen());
    holds(&mut terminal, &["one", "two", "three"]);
    go(&gate, "b");
    assert_eq!(terminal.end(), 0);
    assert!(running(&terminal).is_empty(), "{}", terminal.screen());
    holds(&mut terminal, &["one", "two", "three", "four"]);
    assert!(terminal.last_row().starts_with("✓ run of "), "{}", terminal.screen());
}

#[test]
fn steps_that_run_at_once_have_a_line_each_and_lose_it_when_they_end() {
    let build = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:");
    let gate = laptop(&format!(
        "{build}p2p-functional:\n\t@echo deployed; $(call wait,$$HOME/functional)\np2p-nft:\n\t@echo warm; $(call \
         wait,$$HOME/nft)\n"
    ));
    let mut terminal = gate.on_terminal(&["fast-feedback"], WIDE);
    terminal.until("both have a line", |terminal| running(terminal).len() == 2);
    let rows = running(&terminal);
    assert!(rows[0].starts_with("▸ p2p-functional  ") && rows[0].ends_with("deployed"), "{rows:?}");
    assert!(rows[1].starts_with("▸ p2p-nft  ") && rows[1].ends_with("warm"), "{rows:?}");
    std::fs::write(gate.home().join("functional"), "").unwrap();
    terminal.until("functional has ended", |terminal| {
        terminal.screen().contains("✓ p2p-functional passed") && running(terminal).len() == 1
    });
    std::fs::write(gate.home().join("nft"), "").unwrap();
    assert_eq!(terminal.end(), 0);
    assert!(running(&terminal).is_empty(), "{}", terminal.screen());
}

#[test]
fn the_cause_is_the_last_thing_on_the_screen() {
    let gate = laptop(
        "p2p-build:\n\t@echo 'error: the disk is full'; $(call wait,go); seq 1 200 | sed 's/^/noise /'; exit 3\n",
    )
    .input("cache-limit", "0");
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
    terminal.until("the step has a line", |terminal| running(terminal).len() == 1);
    go(&gate, "go");
    assert_eq!(terminal.end(), 2);
    let screen = terminal.screen();
    let after = screen.split("✗ run of ").nth(1).unwrap();
    assert!(
        after.contains("p2p-build: error: the disk is full") || after.contains("p2p-build: the disk is full"),
        "{screen}"
    );
    assert!(running(&terminal).is_empty() && !terminal.last_row().starts_with("note"), "{screen}");
}

#[test]
fn a_narrow_terminal_that_changes_its_size_shows_every_line_once() {
    let long = "x".repeat(70);
    let gate = laptop(&format!(
        "p2p-build:\n\t@echo {long}; $(call wait,a); echo {long}y; $(call wait,b); echo end; $(call wait,c)\n"
    ));
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], (80, 12));
    let tall = |terminal: &Terminal| running(terminal).len() == 1;
    terminal.until("the step has a line", tall);
    terminal.resize((24, 12));
    go(&gate, "a");
    terminal.until("the line is drawn anew", |terminal| {
        terminal.screen().contains('y') && running(terminal).iter().all(|row| row.chars().count() < 24)
    });
    terminal.resize((100, 6));
    go(&gate, "b");
    terminal
        .until("the line is wide again", |terminal| running(terminal).iter().any(|row| row.ends_with("end")));
    assert_eq!(running(&terminal).len(), 1, "{}", terminal.screen());
    go(&gate, "c");
    assert_eq!(terminal.end(), 0);
    let rows = terminal.all_rows();
    assert!(!rows.iter().any(|row| row.starts_with("▸ p2p-build  0")), "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.trim_end() == "end").count(), 1, "{rows:#?}");
    let gate = laptop("p2p-build:\n\t@echo one; $(call wait,go)\n");
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], (8, 4));
    terminal.until("it is there", |terminal| terminal.screen().contains("one"));
    go(&gate, "go");
    assert_eq!(terminal.end(), 0);
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('▸'), "too narrow for a line");
}

#[test]
fn wide_and_combining_characters_and_escapes_never_garble_the_screen() {
    let hostile =
        "\\346\\274\\242\\345\\255\\227e\\314\\201\\033[31mred\\033[2J\\033[5Ax\\033]0;t\\007\\tend";
    let makefile = format!(
        "p2p-build:\n\t@for i in 1 2 3; do printf '{hostile}'; done; echo; $(call wait,go); echo after\n"
    );
    let gate = laptop(&makefile);
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], (40, 12));
    terminal
        .until("the step has a line", |terminal| running(terminal).iter().any(|row| row.contains("漢字")));
    assert_eq!(running(&terminal).len(), 1, "{}", terminal.screen());
    assert_eq!(terminal.last_row(), running(&terminal)[0], "it does not wrap");
    go(&gate, "go");
    assert_eq!(terminal.end(), 0);
    assert!(running(&terminal).is_empty() && terminal.screen().contains("after\n"), "{}", terminal.screen());
    assert!(terminal.all_rows().concat().contains("漢字e\u{301}"), "{}", terminal.screen());
}

#[test]
fn ctrl_c_leaves_a_clean_screen() {
    let gate = laptop("p2p-build:\n\t@echo begun; $(call wait,never)\n");
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
    terminal.until("the step has a line", |terminal| running(terminal).len() == 1);
    terminal.signal(rustix::process::Signal::INT);
    assert_eq!(terminal.end(), 130);
    let screen = terminal.screen();
    assert!(running(&terminal).is_empty() && screen.contains("SIGINT: what runs"), "{screen}");
    assert!(screen.trim_end().ends_with("p2p-build: by SIGINT"), "{screen}");
    assert!(!String::from_utf8_lossy(&terminal.raw).contains("\x1b[?"), "no mode of the terminal is changed");
}

#[test]
fn a_dumb_terminal_gets_text_alone() {
    for term in ["dumb", ""] {
        let gate =
            laptop("p2p-build:\n\t@printf '\\033[31mred\\033[0m\\n'; sleep 1.2; exit 3\n").env("TERM", term);
        let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
        assert_eq!(terminal.end(), 2);
        assert!(!terminal.raw.contains(&0x1b), "{}", String::from_utf8_lossy(&terminal.raw));
        assert!(terminal.screen().contains("red\n"), "{}", terminal.screen());
    }
}

/// Prints its hints, and something red.
const COLOURED: &str = "p2p-build:\n\t@echo \"hint $$FORCE_COLOR $$CLICOLOR_FORCE.\"; printf '\\033[35mpurple\\033[0m\\n'; exit 3\n";

#[test]
fn colours_are_where_a_terminal_shows_them() {
    let gate = laptop(COLOURED);
    let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
    terminal.end();
    let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
    assert!(raw.contains("hint 1 .") && raw.contains("\x1b[35mpurple\x1b[0m"), "{raw}");
    assert!(raw.contains("\x1b[31m✗ p2p-build failed after"), "{raw}");
    for (name, value) in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("FORCE_COLOR", "0")] {
        let gate = laptop(COLOURED).env(name, value);
        let mut terminal = gate.on_terminal(&["run", "p2p-build"], WIDE);
        terminal.end();
        let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
        assert!(!raw.contains("hint 1") && !raw.contains("\x1b[3"), "{name}: {raw}");
        assert!(raw.contains("purple"));
    }
}

#[test]
fn a_pipe_has_colours_only_where_they_are_forced() {
    let run = laptop(COLOURED).run(&["run", "p2p-build"]);
    run.ended(2);
    assert!(!run.stdout.contains('\x1b') && run.stdout.contains("hint  .\npurple\n"), "{}", run.stdout);
    for (name, hint) in [("FORCE_COLOR", "hint 1 ."), ("CLICOLOR_FORCE", "hint  1.")] {
        let run = laptop(COLOURED).env(name, "1").run(&["run", "p2p-build"]);
        assert!(run.stdout.contains("\x1b[31m✗ p2p-build failed"), "{}", run.stdout);
        assert!(run.stdout.contains("\x1b[35mpurple") && run.stdout.contains(hint), "{}", run.stdout);
    }
}

#[test]
fn github_s_log_shows_colours_and_nothing_else_has_any() {
    let gate = Gate::new(COLOURED).env("NO_COLOR", "");
    let run = gate.run(&["run", "p2p-build"]);
    run.ended(2);
    assert!(
        run.stdout.contains("\x1b[31m✗ p2p-build failed") && run.stdout.contains("hint  ."),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("\x1b[35mpurple"), "{}", run.stdout);
    assert!(!run.summary().contains('\x1b') && !run.report.to_string().contains("\\u001b"));
    for effect in run.reading().effects.iter().filter(|effect| effect.name == "error") {
        assert!(!effect.message.contains('\x1b'), "{effect:?}");
    }
}

#[test]
fn a_team_s_own_setting_of_colours_stays() {
    for (makefile, expected) in [
        (format!("export FORCE_COLOR ?= 7\n{COLOURED}"), "hint 7 ."),
        (format!("export FORCE_COLOR := 0\n{COLOURED}"), "hint 0 ."),
        (format!("export NO_COLOR = 1\n{COLOURED}"), "hint  ."),
    ] {
        let run = Gate::new(&makefile).env("NO_COLOR", "").run(&["run", "p2p-build"]);
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let gate = Gate::new(COLOURED).env("NO_COLOR", "").input("env-vars", "CLICOLOR_FORCE=0");
    let run = gate.run(&["run", "p2p-build"]);
    assert!(run.stdout.contains("hint  0."), "{}", run.stdout);
}
