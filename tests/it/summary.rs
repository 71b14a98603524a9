//! The step summary, as people see it: snapshots, GitHub's dialect of Markdown, Mermaid's own parser.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::rendering::Rendered;

/// Without what differs between two runs.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, name) in [
        (r"sha256:[0-9a-f]{64}", "[digest]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
        (r"\[`[0-9a-f]{12}`\]", "[`[commit]`]"),
        (r"127\.0\.0\.1:\d+", "[host]"),
        (r"\b\d+(\.\d)? s\b", "[time]"),
        (r"\b\d+ B\b", "[bytes]"),
        (r"\b\d{13}\b", "[when]"),
        (r":(active|done), s", ":[tag], s"),
        (r"(Critical path: .*\n\n)?\| step", "| step"),
        // When the signal comes while make looks after a child, make says other things, or nothing.
        (r"\nThe last lines:\n\n```text\n(make: \*\*\* .*\n)+```\n", ""),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

/// The summary of a run, as a snapshot and rendered.
#[track_caller]
fn shown(name: &str, run: &Run, own: &[&str]) -> Rendered {
    settings().bind(|| insta::assert_snapshot!(name, run.summary()));
    assert!(run.summary().len() < 1 << 20 && !run.summary().contains('\u{1b}'));
    let rendered = Rendered::of(run.summary());
    rendered.is_harmless(own);
    rendered
}

fn failing(recipe: &str) -> String {
    MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-functional p2p-integration:")
        + "p2p-nft:\n"
        + recipe
}

#[test]
fn green() {
    let gate = Gate::new(MAKEFILE).input("environments", "gcp-dev: {}").input("environment", "gcp-dev");
    let run = gate.run(&["fast-feedback"]);
    let rendered = shown("green", run.passed(), &[]);
    assert_eq!(rendered.diagrams, ["gantt"]);
    assert_eq!(rendered.tables.len(), 2);
    let links: Vec<_> =
        rendered.elements.iter().filter_map(|(_, attributes)| attributes.get("href")).collect();
    let ends = ["/acme/shop/commit/", "/releases/tag/v0.0.1", "/deployments/gcp-dev", "/actions/runs/41"];
    for (link, end) in links.iter().zip(ends) {
        assert!(link.as_str().unwrap().contains(end), "{link}");
    }
    assert_eq!(links.len(), 4);
}

#[test]
fn red_has_the_cause_before_every_table_and_the_details_folded() {
    let recipe = "\t@echo 'thread main panicked at src/lib.rs:3:5:'; echo 'left is 7'; exit 3\n";
    let gate = Gate::new(&failing(recipe)).file("src/lib.rs", "").commit("source");
    let run = gate.run(&["fast-feedback"]);
    let rendered = shown("red", run.ended(2), &[]);
    let at = |text: &str| run.summary().find(text).unwrap_or_else(|| panic!("{text}: {}", run.summary()));
    assert!(at("left is 7") < at("```mermaid") && at("Repeat it") < at("| step |"));
    assert!(at("<details>") > at("| image |"));
    assert_eq!(rendered.diagrams, ["gantt"]);
}

#[test]
fn interrupted() {
    let gate = Gate::new(&failing("\t@touch began; sleep 60\n")).input("parallel", "false");
    let mut running = gate.start(&["fast-feedback"]);
    running.until("nft runs", |_| gate.has("began"));
    running.signal(rustix::process::Signal::INT);
    let run = running.end();
    shown("interrupted", run.ended(130), &[]);
}

#[test]
fn skipped() {
    let gate = Gate::new(MAKEFILE);
    let head = gate.head();
    let gate = gate.pull_request("mallory/shop", &head).input("on-fork", "skipped");
    shown("skipped", gate.run(&["fast-feedback"]).passed(), &[]);
}

#[test]
fn empty() {
    let gate = Gate::new(&format!("{MAKEFILE}p2p-prod: ; @echo $@\n"));
    shown("empty", gate.run(&["prod"]).passed(), &[]);
}

/// Markdown, HTML, Mermaid and escapes, as names and as lines.
const EVIL: [&str; 9] = [
    "</details></summary><script>alert(1)</script><img src=x onerror=alert(1)>",
    "| a | b |\\n|---|---|\\n``` ````` ~~~",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png) <a href=x>",
    "@acme/team #17 $x$ **bold** _it_ ~~no~~ &lt;b&gt; <!-- p2p: shop -->",
    "click s0 href \"javascript:alert(1)\"; section x :crit, done, 0, 1 %%{init: {}}%%",
    "\\033[31mred\\033[2J\\033]8;;http://evil.example\\007link\\033]8;;\\007",
    "::error::x ##[group]y",
    "\\342\\200\\256rtl\\342\\200\\213",
    "# heading\\n> quote\\n- list\\n1. one\\n***\\n",
];

#[test]
fn hostile_lines_are_only_text() {
    for (number, evil) in EVIL.iter().enumerate() {
        let quoted = evil.replace('\'', "").replace('$', "$$").replace('%', "%%");
        let gate = Gate::new(&failing(&format!("\t@printf 'error: {quoted}\\n'; exit 3\n")));
        let run = gate.run(&["fast-feedback"]);
        assert_eq!(run.output("result"), "failure");
        let rendered = Rendered::of(run.summary());
        rendered.is_harmless(&[]);
        assert_eq!(rendered.tables.len(), 2, "{number}: {}", run.summary());
        assert!(!run.summary().contains('\u{1b}') && !run.summary().contains('\u{202e}'));
    }
}

#[test]
fn hostile_names_are_only_text() {
    let names = ["a|b<img/src=x>`c`", "section@acme;#17", "*x*_y_[z](http://evil.example)", "click%%{x}"];
    let mut makefile = String::from("P2P_TENANT_NAME ?= acme\n");
    for name in names {
        let escaped = name.replace('%', "\\%").replace('#', "\\#").replace(';', "\\;");
        let _infallible = writeln!(makefile, ".PHONY: {escaped}\n{escaped}:\n\t@echo");
    }
    let gate = Gate::new(&makefile).input("app-name", "shop");
    let run = gate.run(&["run", names[0]]);
    if run.code == 0 {
        shown("hostile", &run, &[]);
    } else {
        Rendered::of(run.summary()).is_harmless(&[]);
    }
    let environment = "</td>|`x`@acme <b>#17";
    let environments = json!({environment: {}}).to_string();
    let gate = Gate::new(MAKEFILE).input("environments", &environments).input("environment", environment);
    let run = gate.run(&["fast-feedback"]);
    let rendered = shown("hostile_environment", run.passed(), &[]);
    assert_eq!((rendered.diagrams.len(), rendered.tables.len()), (1, 2));
}

#[test]
fn one_notice_says_what_there_is_no_room_for() {
    let annotations = "\t@for i in 1 2 3 4 5 6 7 8 9 10 11; do echo \"::warning::number $$i\"; done\n";
    let long = "\t@yes 'a line of a report' | head -c 1000000 >> \"$$GITHUB_STEP_SUMMARY\"\n";
    let gate = Gate::new(&failing(&(annotations.to_owned() + long)));
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    let notices: Vec<_> =
        run.reading().effects.into_iter().filter(|effect| effect.name == "notice").collect();
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    let text = &notice.message;
    assert!(text.starts_with("GitHub cannot show all. Left out: 3 more annotations of targets"), "{text}");
    assert!(text.contains("; 1 part of the summary") && text.contains("p2p-logs-"), "{text}");
    assert!(run.summary().len() < 1 << 20);
}

#[test]
fn each_target_is_shown_beside_its_median_of_earlier_versions() {
    let gate = Gate::new(MAKEFILE);
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.file("more", "").commit("second");
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().report["usual"]["p2p-nft"].is_number(), "{}", run.report);
    let rendered = Rendered::of(run.summary());
    rendered.is_harmless(&[]);
    let table = &rendered.tables[0];
    assert_eq!(table[0], ["step", "result", "time", "began after", "usual time"]);
    let nft = table.iter().find(|row| row[0] == "p2p-nft").unwrap();
    assert!(nft[4].ends_with(" s"), "{nft:?}");
}

#[test]
fn a_secret_with_marks_of_markdown_is_masked() {
    let makefile = format!("{MAKEFILE}\np2p-images: ; @echo 'no list: se_cr*et[x]#1 is wrong' >&2; exit 1\n");
    let gate = Gate::new(&makefile).input("env-vars", "TOKEN=se_cr*et[x]#1\n");
    let run = gate.run(&["fast-feedback"]);
    assert_ne!(run.code, 0);
    let summary = run.summary();
    assert!(
        summary.contains("is wrong") && !summary.contains("se\\_cr") && !summary.contains("cr\\*et"),
        "{summary}"
    );
    assert!(!run.report.to_string().contains("cr*et"), "{}", run.report);
}
