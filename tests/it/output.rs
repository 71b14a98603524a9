//! Hostile and honest output through the pipeline, judged by a reader after the runner's rules.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write;

use ::workflow_commands::Secret;
use ::workflow_commands::{Findings, Level, Masker, Options, StopToken, Stream, command, neutralize};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use crate::support::runner_reader::{self, Effect};

const NAMES: [&str; 16] = command::NAMES;

const LINE_ENDS: [&str; 3] = ["\n", "\r", "\r\n"];

const SECRETS: [&str; 4] =
    ["hunter2-and-more", "p@ss \"word\"/<ü>&'q'", "first secret line\nabc\nsecond secret line\n", "tiny"];

/// What a step printed, and what else came of it.
struct Step {
    stdout: Vec<u8>,
    log: Vec<u8>,
    findings: Findings,
}

fn masker() -> Masker {
    Masker::new(&SECRETS.map(Secret::new))
}

/// Prints as the product does: an output between stop tokens or with a prefix, then its tail.
fn step(parts: &[&[u8]], prefix: Option<&str>, options: Options) -> Step {
    let mut stream = Stream::new(masker(), Options { prefix: prefix.map(str::to_owned), ..options });
    let mut token = StopToken::new().unwrap();
    let (mut stdout, mut log) = (Vec::new(), Vec::new());
    if prefix.is_none() {
        stdout.extend(token.begin().into_bytes());
    }
    for part in parts.iter().map(Some).chain([None]) {
        let printed = match part {
            Some(part) => stream.push(part),
            None => stream.finish(),
        };
        if !printed.masks.is_empty() {
            if prefix.is_none() {
                stdout.extend(token.end().into_bytes());
            }
            for mask in &printed.masks {
                stdout.extend(command::add_mask(mask).into_bytes());
                stdout.push(b'\n');
            }
            if prefix.is_none() {
                token = StopToken::new().unwrap();
                stdout.extend(token.begin().into_bytes());
            }
        }
        stdout.extend_from_slice(printed.console);
        log.extend_from_slice(printed.log);
    }
    if prefix.is_none() {
        stdout.extend(token.end().into_bytes());
    }
    let findings = stream.findings();
    for line in &findings.tail {
        stdout.extend_from_slice(line.as_bytes());
        stdout.push(b'\n');
    }
    Step { stdout, log, findings }
}

/// The commands that took effect and are not the means of the pipeline itself.
fn effects(stdout: &[u8]) -> Vec<Effect> {
    let reading = runner_reader::read(stdout);
    assert!(!reading.stopped, "commands are still stopped at the end");
    reading
        .effects
        .into_iter()
        .filter(|effect| !["stop-commands", "resume"].contains(&effect.name.as_str()))
        .collect()
}

fn has_secret(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    SECRETS
        .iter()
        .flat_map(|secret| secret.lines().chain([*secret]))
        .filter(|secret| secret.len() >= 4)
        .flat_map(|secret| {
            let percent = secret.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
            let base64 = [STANDARD.encode(secret), URL_SAFE.encode(secret)];
            let json = serde_json::to_string(secret).unwrap().trim_matches('"').to_owned();
            base64.into_iter().chain([secret.to_owned(), json, percent])
        })
        .find(|form| text.contains(form.as_str()))
}

/// Every command in both forms, dressed in several ways, on every line end.
fn hostile() -> Vec<String> {
    let mut lines = Vec::new();
    for name in NAMES.into_iter().filter(|name| !["add-mask", "error", "warning", "notice"].contains(name)) {
        for end in LINE_ENDS {
            lines.push(format!("::{name}::x{end}"));
            lines.push(format!(" \t\u{a0}\u{3000}::{} name=PATH,owner=x::y%0A::z{end}", name.to_uppercase()));
            lines.push(format!("before ##[{name}]after{end}"));
            lines.push(format!("####[{name} name=PATH;file=x]on%0D{end}"));
            lines.push(format!("::unknown::##[{name}]after{end}"));
        }
    }
    lines
}

#[test]
fn no_command_acts_in_either_form_on_any_line_end() {
    let text = hostile().concat();
    // The corpus is worth something only if the runner would obey it.
    let raw = runner_reader::read(
        text.replace("stop-commands", "debug").replace("STOP-COMMANDS", "DEBUG").as_bytes(),
    );
    assert_eq!(raw.effects.len(), hostile().len());
    for prefix in [None, Some("functional | ")] {
        let step = step(&[text.as_bytes()], prefix, Options { tail: 1000, ..Options::default() });
        assert_eq!(effects(&step.stdout), [], "prefix {prefix:?}");
        assert_eq!(effects(&step.log), [], "the log file, printed");
        assert!(!String::from_utf8_lossy(&step.stdout).contains("##["), "the log viewer would render it");
        assert_eq!(step.findings.annotations, []);
    }
}

#[test]
fn no_command_acts_wherever_the_output_is_cut() {
    let text = hostile()[..12].concat() + "::stop-commands::x\n::x::\r\n::group::end of it";
    for prefix in [None, Some("nft | ")] {
        let whole = step(&[text.as_bytes()], prefix, Options::default());
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let step = step(&[a, b], prefix, Options::default());
            assert_eq!(effects(&step.stdout), [], "cut at {cut}");
            assert_eq!(step.log, whole.log, "cut at {cut}");
            assert_eq!(step.findings, whole.findings, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(step(&bytes, prefix, Options::default()).log, whole.log);
    }
}

#[test]
fn text_reads_as_before() {
    let text = "std::io::Error\nplain ünïcode\r\n50%\r100%\n::group::x\nmake: ##[error]no\n\nlast";
    let step = step(&[text.as_bytes()], Some("nft | "), Options::default());
    let shown = "std::io::Error\nplain ünïcode\n100%\n: :group::x\nmake: ## [error]no\n\nlast\n";
    assert_eq!(String::from_utf8_lossy(&step.log), shown);
    assert!(String::from_utf8_lossy(&step.stdout).starts_with(
        "nft | std::io::Error\nnft | plain ünïcode\nnft | 100%\nnft | : :group::x\nnft | make: ## [error]no\n\
         nft | \nnft | last\n"
    ));
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    let text = b"\xff\xfe\xc3(\xf0\x9f ok\n\xa0::x\n";
    assert_eq!(step(&[text], None, Options::default()).log, text);
}

#[test]
fn of_control_sequences_only_colours_are_left() {
    let text = "keep\n\x1b[1A\x1b[2K\x1b[31mred\x1b[0m\x1b[?25l \x1b]0;title\x07\u{9b}2Jon\x08\n";
    for prefix in [None, Some("nft | ")] {
        let whole = step(&[text.as_bytes()], prefix, Options::default());
        assert_eq!(String::from_utf8_lossy(&whole.log), "keep\n\x1b[31mred\x1b[0m on\n");
        assert_eq!(whole.findings.tail, ["keep", "\x1b[31mred\x1b[0m on"]);
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(step(&[a, b], prefix, Options::default()).log, whole.log, "cut at {cut}");
        }
    }
}

#[test]
fn a_colour_ends_with_its_line_and_our_prefix_has_none() {
    let step = step(&[b"\x1b[31mone\ntwo\x1b[m\nthree"], Some("nft | "), Options::default());
    let stdout = String::from_utf8_lossy(&step.stdout).into_owned();
    let shown = "nft | \x1b[31mone\x1b[0m\nnft | \x1b[31mtwo\x1b[m\nnft | three\n";
    assert!(stdout.starts_with(shown), "{stdout:?}");
    assert_eq!(step.findings.tail[0], "\x1b[31mone\x1b[0m");
}

#[test]
fn a_secret_that_control_sequences_divide_is_masked() {
    for (text, shown) in [
        ("a hunter2\x1b[2J-and\x08-more\n", "a ***\n"),
        ("a hunter2\x1b]0;x\x07-and-more\n", "a ***\n"),
        ("\x1b[32ma hunter2\x1b[31m-and\x1b[0m-more b\n", "\x1b[32ma ***\x1b[31m\x1b[0m b\n"),
        ("\x1b[31mhunter2-and-more\x1b[0m\n", "\x1b[31m***\x1b[0m\n"),
        ("#\x1b[1m#[group]hunter2\x1b[0m-and-more\n", "#\x1b[1m# [group]***\x1b[0m\n"),
    ] {
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let step = step(&[a, b], None, Options::default());
            assert_eq!(String::from_utf8_lossy(&step.log), shown, "cut at {cut}");
            assert_eq!(effects(&step.stdout), []);
        }
    }
    assert_eq!(masker().clean("a hunter2\x1b[1m-and\u{200b}-mo\u{202e}re"), "a ***");
    assert_eq!(masker().mask("a hunter2\x1b[1m-an…"), "a ***\x1b[1m…");
}

#[test]
fn a_long_line_whose_colours_divide_secrets_is_masked() {
    let text = "hunter2\x1b[31m-and\x1b[0m-more ".repeat(20_000);
    for size in [1000, 65_536, 1_000_000] {
        let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let log = String::from_utf8(step(&parts, None, Options::default()).log).unwrap();
        assert!(!log.contains("hunter") && !log.contains("more"), "parts of {size}");
    }
}

#[test]
fn what_is_drawn_over_is_gone_and_its_commands_are_obeyed() {
    let text = "10%\r::add-mask::made-up-secret\r50% made-up-secret\r::error::no\r\n\r::group::x\n";
    for size in 1..text.len() {
        let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        for prefix in [None, Some("nft | ")] {
            let step = step(&parts, prefix, Options::default());
            assert_eq!(String::from_utf8_lossy(&step.log), ": :error::no\n: :group::x\n");
            let names: Vec<_> = effects(&step.stdout).into_iter().map(|effect| effect.name).collect();
            assert_eq!(names, ["add-mask"]);
            assert_eq!(step.findings.annotations.len(), 1);
        }
    }
}

#[test]
fn a_line_that_is_only_drawn_is_known_and_takes_no_memory() {
    let mut stream = Stream::new(masker(), Options::default());
    let frame = format!("\r{} hunter2-and-more", "#".repeat(1000));
    for _ in 0..1000 {
        let printed = stream.push(frame.as_bytes());
        assert_eq!(printed.log, b"");
        if let Some(drawing) = printed.drawing {
            assert_eq!(drawing, format!("{} ***", "#".repeat(1000)).as_bytes());
        }
    }
    assert!(stream.push(b"\r").drawing.is_some());
    assert_eq!(stream.finish().log, format!("{} ***\n", "#".repeat(1000)).as_bytes());
}

#[test]
fn annotations_hold_no_control_sequence() {
    let text = "::error file=a\x1b[1m.rs,title=\x1b[31mT\x1b[0m::\x1b[2Jred %0A\x1b[31mand on\u{202e}\n";
    let step = step(&[text.as_bytes()], None, Options::default());
    let found = &step.findings.annotations[0];
    assert_eq!((found.title.as_deref(), found.file.as_deref()), (Some("T"), Some("a.rs")));
    assert_eq!(found.message, "red \nand on");
}

/// What common tools make of a secret.
#[test]
fn secrets_are_masked_as_tools_encode_them() {
    for secret in [
        "pässwort-with \u{1f511} & 'quotes', \"x\"/\\y",
        "ghp_0123456789abcdefghijABCDEFGHIJ!$x",
        &"k3y!".repeat(40),
    ] {
        let masker = Masker::new([&Secret::new(secret)]);
        let bash = |script: &str| {
            let output =
                std::process::Command::new("bash").args(["-c", script, "bash", secret]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        for form in [
            "printf '%q\\n' \"$1\"",
            "printf '%q\\n' \"$1\tx\"",
            "LC_ALL=C; printf '%q\\n' \"$1\"",
            "set -x; : \"$1\" 2>&1",
            "printf '%s' \"$1\" | od -An -v -tx1 | tr -d ' \\n'",
        ] {
            let shown = bash(form);
            let left = masker.mask(&shown).into_owned();
            assert!(left.contains("***") || shown.is_empty(), "{form}: {shown}");
            assert!(left.len() < 12, "{form}: {shown:?} is shown as {left:?}");
        }
    }
}

#[test]
fn a_secret_in_wrapped_base64_is_masked_wherever_it_begins() {
    let secret = "gho_q8Zr1Vb7Lk2Xw9Tn4Ys6Ud3Fp5Hj0Gm_and-some-more-to-fill-two-lines-of-it.90";
    let masker = Masker::new([&Secret::new(secret)]);
    for before in 0..100 {
        for (width, end) in [(64, "\n"), (76, "\r\n"), (76, "\n")] {
            let whole = STANDARD.encode(format!("{}{secret}{}", "x".repeat(before), "y".repeat(50)));
            let lines: Vec<_> =
                whole.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
            let shown = masker.mask(&(lines.join(end) + end)).into_owned();
            for skipped in 0..3 {
                let core = STANDARD.encode(&secret[skipped..]);
                let seen = (0..core.len() - 8).step_by(4).find(|at| shown.contains(&core[*at..at + 8]));
                assert_eq!(seen, None, "after {before}, lines of {width}: {shown}");
            }
        }
    }
}

#[test]
fn an_honest_mask_works_from_its_own_line_on_and_in_both_forms() {
    for (line, value) in [
        ("::add-mask::s3cr3t-token%25\n", "s3cr3t-token%"),
        ("x ##[add-mask]s3cr3t;token%5D\r\n", "s3cr3t;token]"),
    ] {
        let text = format!("{line}later {value} and {}\n::error::with {value}\n", STANDARD.encode(value));
        for cut in 0..line.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            for prefix in [None, Some("nft | ")] {
                let step = step(&[a, b], prefix, Options::default());
                let effects = effects(&step.stdout);
                assert_eq!(effects.len(), 1);
                assert_eq!((effects[0].name.as_str(), effects[0].message.as_str()), ("add-mask", value));
                let log = String::from_utf8_lossy(&step.log);
                assert!(log.contains("later *** and ***"), "{log}");
                assert!(!log.contains("s3cr3t"), "{log}");
                assert_eq!(step.findings.annotations[0].message, "with ***");
                assert!(!step.findings.tail.concat().contains("s3cr3t"));
            }
        }
    }
}

#[test]
fn a_mask_is_shared_with_the_other_outputs() {
    let masker = masker();
    let mut one = Stream::new(masker.clone(), Options::default());
    let mut other = Stream::new(masker.clone(), Options::default());
    assert_eq!(one.push(b"::add-mask::new secret\n").masks, [Secret::new("new secret")]);
    assert_eq!(other.push(b"a new secret\n").log, b"a ***\n");
    assert_eq!(masker.mask("a new secret"), "a ***");
    assert_eq!(other.push(b"::add-mask::new secret\n").masks, []);
}

#[test]
fn a_mask_that_would_hide_too_much_is_refused() {
    let options = || Options {
        refused: vec!["1.2.4-abcdef".into(), "registry.example/shop".into()],
        masks: 2,
        ..Options::default()
    };
    let refused =
        ["", "   ", "abc", "1.2.4", "example", "\"1.2.4\"", "\"1.2\"", "other&1.2.4-abc", "x%0A1.2.4"];
    for value in refused {
        let text = format!("::add-mask::{value}\nversion 1.2.4-abcdef\n");
        let step = step(&[text.as_bytes()], None, options());
        assert_eq!(effects(&step.stdout), [], "{value:?}");
        assert_eq!(step.findings.refused_masks, 1, "{value:?}");
        assert!(String::from_utf8_lossy(&step.log).ends_with("version 1.2.4-abcdef\n"), "{value:?}");
    }
    // "c2VjcmV0LXdvcmQ" is "secret-word" in base64, and the runner masks that as well.
    let encoded = Options { refused: vec!["c2VjcmV0LXdvcmQ".into()], ..options() };
    assert_eq!(step(&[b"::add-mask::secret-word\n"], None, encoded).findings.refused_masks, 1);

    let text = "::add-mask::first\n::add-mask::second\n::add-mask::third\nfirst second third\n";
    let step = step(&[text.as_bytes()], None, options());
    assert_eq!(effects(&step.stdout).len(), 2);
    assert_eq!(step.findings.refused_masks, 1);
    assert!(String::from_utf8_lossy(&step.log).ends_with("*** *** third\n"));
}

#[test]
fn a_text_to_mask_is_not_shown_by_its_command_even_when_refused() {
    let huge = "Z".repeat(300_000);
    for text in [
        format!("::add-mask::{huge}\nend\n"),
        format!("a ##[add-mask]{huge}\r\nend\n"),
        "::add-mask::ZZZ\nend\n".into(),
    ] {
        for size in [1000, 65_536, 1_000_000] {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let step = step(&parts, None, Options::default());
            let log = String::from_utf8_lossy(&step.log);
            assert!(!log.contains("ZZZ"), "parts of {size}");
            assert!(log.ends_with("end\n"));
            assert_eq!(step.findings.refused_masks, 1);
        }
    }
}

#[test]
fn annotations_are_collected_masked_and_capped() {
    let mut text = String::from(
        "::error file=src/a b.rs,line=3,endLine=2,title=T%2C hunter2-and-more::no%0Aaway hunter2-and-more\n",
    );
    text.push_str("x ##[warning file=b.rs]old\r  ::Notice::new\r\n::error::\n");
    text.push_str(&"::error::again\n".repeat(20));
    let step = step(&[text.as_bytes()], None, Options::default());
    assert_eq!(effects(&step.stdout), []);
    let found = &step.findings.annotations;
    assert_eq!((found.len(), step.findings.more_annotations), (12, 11));
    assert_eq!(found[0].message, "no\naway ***");
    assert_eq!(found[0].title.as_deref(), Some("T, ***"));
    assert_eq!(
        (found[0].file.as_deref(), found[0].line, found[0].end_line),
        (Some("src/a b.rs"), Some(3), None)
    );
    assert_eq!((found[1].level, found[1].message.as_str()), (Level::Warning, "old"));
    assert_eq!((found[2].level, found[2].message.as_str()), (Level::Notice, "new"));
    // Passed on, each is exactly one command.
    let lines: String = found.iter().map(|annotation| command::annotation(annotation) + "\n").collect();
    assert_eq!(effects(lines.as_bytes()).len(), 12);
    assert_eq!(has_secret(lines.as_bytes()), None);
}

#[test]
fn an_annotation_is_masked_before_it_is_cut() {
    // The runner's limits lie inside the secrets.
    let (title, message) = ("t".repeat(250), "m".repeat(4090));
    let text = format!("::error title={title}hunter2-and-more::{message}hunter2-and-more and on\n");
    let step = step(&[text.as_bytes()], None, Options::default());
    let found = &step.findings.annotations[0];
    assert_eq!(found.title.as_deref(), Some(format!("{title}***").as_str()));
    assert_eq!(found.message, format!("{message}*** an"));
}

#[test]
fn a_secret_inside_a_command_is_masked_as_it_is_escaped_there() {
    let masker = Masker::new(&[Secret::new("50%:a,b;c]d")]);
    let mut stream = Stream::new(masker, Options::default());
    let text = "::debug::50%25:a,b;c]d\n::error title=50%25%3Aa%2Cb;c]d::x\n##[debug]50%25:a,b%3Bc%5Dd\n";
    let log = String::from_utf8(stream.push(text.as_bytes()).log.to_vec()).unwrap();
    assert_eq!(log, ": :debug::***\n: :error title=***::x\n## [debug]***\n");
}

#[test]
fn secrets_that_overlap_are_hidden_to_the_end_of_the_last() {
    let secrets = ["https://api/key_", "key_s3cretvalue", "value-of-more"].map(Secret::new);
    let text = "GET https://api/key_s3cretvalue-of-more 200\n";
    assert_eq!(Masker::new(&secrets).mask(text), "GET *** 200\n");
    for size in 1..text.len() {
        let mut stream = Stream::new(Masker::new(&secrets), Options::default());
        let log: Vec<u8> =
            text.as_bytes().chunks(size).flat_map(|part| stream.push(part).log.to_vec()).collect();
        assert_eq!(String::from_utf8(log).unwrap(), "GET *** 200\n", "parts of {size}");
    }
}

#[test]
fn secrets_that_overlap_across_the_pieces_of_a_line_are_not_cut() {
    let secrets = ["https://api/key_", "key_s3cretvalue"].map(Secret::new);
    for before in 65_500..65_560 {
        let mut stream = Stream::new(Masker::new(&secrets), Options::default());
        let text = format!("{}https://api/key_s3cretvalue{}\n", ".".repeat(before), "-".repeat(70_000));
        let mut log = Vec::new();
        for part in text.as_bytes().chunks(65_521) {
            log.extend_from_slice(stream.push(part).log);
        }
        let log = String::from_utf8(log).unwrap().replace('\n', "");
        assert!(log == format!("{}***{}", ".".repeat(before), "-".repeat(70_000)), "after {before}");
    }
    // One that overlaps with itself for ever: held back it would fill the memory.
    let mut stream = Stream::new(Masker::new(&[Secret::new("abab")]), Options::default());
    let mut log = stream.push(format!("x{}", "ab".repeat(200_000)).as_bytes()).log.to_vec();
    log.extend_from_slice(stream.push("ab".repeat(200_000).as_bytes()).log);
    log.extend_from_slice(stream.push(b" rest\nnext\n").log);
    assert_eq!(String::from_utf8(log).unwrap(), "x***\nnext\n");
}

#[test]
fn secrets_are_masked_in_every_shape_wherever_the_output_is_cut() {
    let mut text = String::new();
    for secret in SECRETS {
        for line in secret.lines().filter(|line| line.len() >= 4) {
            write!(text, "a{line}b\r{line}\r\n").unwrap();
        }
        writeln!(text, "{{\"value\": {}}}", serde_json::to_string(secret).unwrap()).unwrap();
        writeln!(text, "{} {}", STANDARD.encode(secret), URL_SAFE.encode(secret)).unwrap();
        writeln!(text, "Basic {}", STANDARD.encode(format!("oauth2accesstoken:{secret}"))).unwrap();
    }
    assert!(has_secret(text.as_bytes()).is_some());
    let whole = step(&[text.as_bytes()], None, Options::default());
    for cut in 0..text.len() {
        let (a, b) = text.as_bytes().split_at(cut);
        let step = step(&[a, b], None, Options::default());
        assert_eq!(step.log, whole.log, "cut at {cut}");
    }
    for text in [&whole.stdout, &whole.log, &whole.findings.tail.concat().into_bytes()] {
        assert_eq!(has_secret(text), None, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_line_that_never_ends_is_passed_on_in_pieces_and_no_secret_is_cut() {
    let mut stream = Stream::new(masker(), Options::default());
    let mut text = Vec::new();
    // Secrets at shifting distances, so that some lie across the end of a piece.
    for number in 0..40_000 {
        text.extend_from_slice("ä".repeat(number % 37).as_bytes());
        text.extend_from_slice(b"hunter2-and-more");
    }
    let (mut log, mut most) = (Vec::new(), 0);
    for part in text.chunks(100_000) {
        let printed = stream.push(part);
        most = most.max(printed.log.len());
        log.extend_from_slice(printed.log);
    }
    log.extend_from_slice(stream.finish().log);
    assert!(most <= 200_000, "{most} bytes were held back");
    let shown = String::from_utf8(log).unwrap();
    assert!(shown.lines().count() > 10 && shown.lines().all(|line| line.len() <= 70_000));
    assert_eq!(shown.replace('\n', ""), String::from_utf8(text).unwrap().replace("hunter2-and-more", "***"));
}

#[test]
fn the_tail_is_harmless_and_masked() {
    let text = "one\n::error::two hunter2-and-more\nold\rthree ##[group]x\n";
    let step = step(&[text.as_bytes()], None, Options { tail: 2, ..Options::default() });
    assert_eq!(step.findings.tail, [": :error::two ***", "three ## [group]x"]);
}

/// The meaning of masking, the slow way.
fn mask_slowly(text: &str, secrets: &[String]) -> String {
    let mut out = String::new();
    // Where what is hidden ends.
    let mut hidden = 0;
    for (at, character) in text.char_indices() {
        let here = secrets.iter().filter(|secret| text[at..].starts_with(secret.as_str()));
        if let Some(length) = here.map(String::len).max() {
            if at >= hidden {
                out.push_str("***");
            }
            hidden = hidden.max(at + length);
        }
        if at >= hidden {
            out.push(character);
        }
    }
    out
}

proptest! {
    #[test]
    fn masks_as_the_slow_way_does_however_the_output_is_cut(
        secrets in prop::collection::vec("[abc]{4,9}", 0..6),
        text in "[abc:#\\[ \r\n]{0,200}",
        size in 1_usize..60,
    ) {
        let masker = Masker::new(&secrets.iter().map(Secret::new).collect::<Vec<_>>());
        // In this alphabet no other form of a secret can occur.
        let slow = mask_slowly(&text, &secrets);
        prop_assert_eq!(masker.mask(&text), slow.as_str());
        let mut stream = Stream::new(masker, Options::default());
        let mut log = Vec::new();
        for part in text.as_bytes().chunks(size) {
            log.extend_from_slice(stream.push(part).log);
        }
        log.extend_from_slice(stream.finish().log);
        let harmless = neutralize(&slow).into_owned();
        let drawn = |line: &str| line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default().to_owned() + "\n";
        let mut expected: String = harmless.split_inclusive('\n').map(|line| drawn(line.trim_end_matches('\n'))).collect();
        if !harmless.ends_with('\n') && (expected.ends_with("\n\n") || expected == "\n") {
            expected.pop();
        }
        prop_assert_eq!(String::from_utf8(log).unwrap(), expected);
    }

    #[test]
    fn made_harmless_nothing_acts(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "::", ":", "##[", "#", "[", "]", " ", "\t", "\n", "\r", "add-mask", "ERROR", "group", "name=x",
                "stop-commands", "x", "\u{a0}", "\u{85}", "\u{2028}", "\u{200b}", "\u{feff}", "%0A", "ä",
            ]),
            0..30,
        ),
        before in prop::sample::select(vec!["", "\n", "image ", "  "]),
    ) {
        let text = parts.concat();
        let harmless = neutralize(&text);
        let reading = runner_reader::read(format!("{before}{harmless}\n").as_bytes());
        prop_assert_eq!(reading.names(), Vec::<&str>::new());
        prop_assert_eq!(harmless.replace(' ', ""), text.replace(' ', ""));

        let step = step(&[text.as_bytes()], Some("nft | "), Options { masks: 0, ..Options::default() });
        prop_assert_eq!(effects(&step.stdout), []);
        prop_assert_eq!(effects(&step.log), []);
    }

    #[test]
    fn no_secret_survives_any_cut(
        secret in "[ -)+-~]{4,40}",
        before in "[a-z]{0,5}",
        size in 1_usize..80,
    ) {
        let masker = Masker::new([&Secret::new(secret.as_str())]);
        let json = serde_json::to_string(&secret).unwrap();
        let text = format!("{before}{secret}\r\n{json}\n{}\n", STANDARD.encode(&secret));
        let mut stream = Stream::new(masker, Options::default());
        let mut log = Vec::new();
        for part in text.as_bytes().chunks(size) {
            log.extend_from_slice(stream.push(part).log);
        }
        log.extend_from_slice(stream.finish().log);
        let log = String::from_utf8(log).unwrap();
        prop_assert!(!log.contains(&secret), "{}", log);
        prop_assert!(!log.contains(STANDARD.encode(&secret).trim_end_matches('=')), "{}", log);
    }
}
