//! Targets, names and answers that try to command the runner or to tell secrets, through the whole
//! binary; judged by a reader after the runner's rules.

mod files;
mod names;
mod terminal;

use ::workflow_commands::command;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::runner_reader;

const USER: &str = "robot";
const PASSWORD: &str = "registry/pass+word=17";
const TOKEN: &str = "ghs_sixteenCharactersLong";
const ID_TOKEN: &str = "id-token-request-token";
const DB: &str = "db \"pass\\word\" & <more>";
const CERTIFICATE: &str = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nAAAA/second+line=\n-----END KEY-----";

/// Says all that it should not, on both streams and in every file of the runner, then fails.
const SCRIPT: &str = r#"
cat corpus
cat corpus >&2
for file in "$GITHUB_OUTPUT" "$GITHUB_ENV" "$GITHUB_PATH" "$GITHUB_STATE" "$GITHUB_STEP_SUMMARY" "$GITHUB_ARTIFACTS"
do
  printf 'version=HOSTILE\nresult=success\nBASH_ENV=/HOSTILE\n/HOSTILE/bin\noci://HOSTILE\n' >> "$file"
  printf '%s\n' "$DB" "$CERTIFICATE" "$GITHUB_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" >> "$file"
done
for secret in "$DB" "$CERTIFICATE" "$GITHUB_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_TOKEN"
do
  echo "plain: $secret"
  echo "base64: $(printf %s "$secret" | base64)"
  echo "basic: $(printf 'x-access-token:%s' "$secret" | base64 -w0)" >&2
  printf '%s' "$secret" | base64 -w 20
done
cat "$DOCKER_CONFIG/config.json" "$REGISTRY_AUTH_FILE"
env >&2
printf 'no line end: ::set-output name=version::HOSTILE'
exit 3
"#;

/// Every command in both forms, on every line end. What it says is HOSTILE; what it wants masked,
/// which is honest, is something else.
fn corpus() -> String {
    let mut corpus = String::new();
    for name in command::NAMES {
        let says = if name == "add-mask" { "CONCEALED" } else { "HOSTILE" };
        for end in ["\n", "\r", "\r\n"] {
            for line in [
                format!("::{name}::{says}"),
                format!(" \t\u{a0}::{} name=version,file=a,line=1::{says}%0A::x", name.to_uppercase()),
                format!("before ##[{name} name=version;file=a]{says}"),
                format!("####[{name}]{says}%0D"),
                format!("::unknown::##[{name}]{says}"),
            ] {
                corpus.push_str(&line);
                corpus.push_str(end);
            }
        }
    }
    corpus
}

fn scene(hostile: &str) -> Gate {
    let env_vars = format!("DB={DB}\nCERTIFICATE<<EOF\n{CERTIFICATE}\nEOF\n");
    let targets = MAKEFILE.replace("p2p-functional p2p-nft", "p2p-none");
    let makefile = format!("{targets}\n.PHONY: {hostile}\n{hostile}:\n\t@sh ./script\n");
    let makefile = match hostile {
        "p2p-build" => {
            makefile.replacen("p2p-build:\n", "of-before:\n", 1) + "p2p-functional p2p-nft: ; @echo\n"
        }
        _ => makefile,
    };
    Gate::new(&makefile)
        .registry_login(USER, PASSWORD)
        .file("script", SCRIPT)
        .file("corpus", &corpus())
        .commit("hostile")
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ID_TOKEN)
        .input("env-vars", &env_vars)
}

/// What the runner does of its own: the means of the gate, and what it passes on after checking.
const OURS: [&str; 8] =
    ["add-mask", "endgroup", "error", "group", "notice", "resume", "stop-commands", "warning"];

/// Asserts that nothing the target said took effect. Annotations that it asked for are passed on;
/// they say nothing but what it said, on a file or nowhere.
#[track_caller]
fn obeyed_nothing(run: &Run) {
    let reading = run.reading();
    assert!(!reading.stopped, "commands are still stopped at the end");
    for effect in &reading.effects {
        assert!(OURS.contains(&effect.name.as_str()), "{effect:?}");
        let annotates = ["error", "notice", "warning"].contains(&effect.name.as_str());
        if !annotates {
            assert!(!format!("{effect:?}").contains("HOSTILE"), "{effect:?}");
        }
    }
    // Complaints go nowhere else.
    assert_eq!(run.stderr, "");
    for name in ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_ARTIFACTS"] {
        assert!(!run.file(name).contains("HOSTILE"), "{name}: {}", run.file(name));
    }
    assert!(!run.output("version").contains("HOSTILE"));
    assert_eq!(run.output("result"), "failure");
    for (name, log) in &run.logs {
        assert_eq!(runner_reader::read(log.as_bytes()).names(), Vec::<&str>::new(), "{name}");
    }
}

/// The shapes in which a secret could stand somewhere.
fn shapes() -> Vec<String> {
    let mut shapes = Vec::new();
    for secret in [PASSWORD, TOKEN, ID_TOKEN, DB, CERTIFICATE] {
        for text in secret.lines().chain([secret]) {
            shapes.push(text.to_owned());
            for encoded in [text.to_owned(), format!("{USER}:{text}"), format!("x-access-token:{text}")] {
                shapes.push(STANDARD.encode(&encoded));
                shapes.push(URL_SAFE.encode(&encoded));
            }
            let json = serde_json::Value::from(text).to_string();
            shapes.push(json[1..json.len() - 1].to_owned());
        }
    }
    shapes
}

/// Asserts that no secret stands in anything that leaves the run: as it was written, and as the
/// runner shows it. Only the lines that tell the runner what to mask hold them.
#[track_caller]
fn tells_nothing(run: &Run) {
    let shown = run.reading().log.join("\n");
    for (place, text) in run.texts().into_iter().chain([("the runner's log", shown)]) {
        let lines = text.lines().filter(|line| !line.starts_with("::add-mask::"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        for shape in shapes() {
            assert!(!text.contains(&shape), "{place} holds {shape:?}:\n{text}");
        }
    }
}

/// Everything is masked before the first target prints.
#[track_caller]
fn masks_come_first(run: &Run) {
    let names: Vec<_> = run.reading().effects.iter().map(|effect| effect.name.clone()).collect();
    let group = names.iter().position(|name| name == "group").unwrap();
    for secret in [PASSWORD, TOKEN, ID_TOKEN, DB].into_iter().chain(CERTIFICATE.lines()) {
        let masked = run.reading().effects.iter().position(|effect| effect.message == secret);
        assert!(masked.is_some_and(|at| at < group), "{secret}: {masked:?}");
    }
}

/// Asserts that the cause of the failure is shown, outside the groups.
#[track_caller]
fn shows_its_cause(run: &Run, target: &str) {
    let end = run.stdout.rfind("::endgroup::").unwrap();
    let after = &run.stdout[end..];
    assert!(after.contains("  because:    ") && after.contains(&format!("\n{target}: ")), "{after}");
    assert!(after.contains("repeat it:"), "{after}");
}

#[test]
fn the_corpus_would_act() {
    let corpus = corpus().replace("stop-commands", "debug").replace("STOP-COMMANDS", "DEBUG");
    let reading = runner_reader::read(corpus.as_bytes());
    assert_eq!(
        reading.effects.len(),
        corpus.lines().flat_map(|line| line.split('\r')).filter(|line| !line.is_empty()).count()
    );
}

#[test]
fn a_hostile_target_alone_has_no_effect_and_tells_nothing() {
    let run = scene("p2p-build").run(&["fast-feedback"]);
    run.ended(2);
    obeyed_nothing(&run);
    tells_nothing(&run);
    masks_come_first(&run);
    shows_its_cause(&run, "p2p-build");
    assert_eq!(run.step("p2p-functional"), "skipped");
    assert!(run.logs["p2p-build.log"].contains("plain: ***"));
}

#[test]
fn a_hostile_pair_has_no_effect_and_tells_nothing() {
    let run = scene("p2p-functional p2p-nft").run(&["fast-feedback"]);
    run.ended(2);
    assert!(run.stdout.contains("functional | ") && run.stdout.contains("nft | "));
    obeyed_nothing(&run);
    tells_nothing(&run);
    masks_come_first(&run);
    for target in ["p2p-functional", "p2p-nft"] {
        shows_its_cause(&run, target);
        assert_eq!(run.step(target), "failed");
    }
    assert_eq!(run.step("p2p-integration"), "skipped");
    assert!(run.summary().contains("HOSTILE"), "what a target writes to its summary is in ours");
}

#[test]
fn a_hostile_pair_in_sequence_has_no_effect_and_tells_nothing() {
    let scene = scene("p2p-functional p2p-nft").input("parallel", "false");
    let run = scene.run(&["fast-feedback"]);
    run.ended(2);
    obeyed_nothing(&run);
    tells_nothing(&run);
    for target in ["p2p-functional", "p2p-nft"] {
        assert!(run.stdout.contains(&format!("\n{target}: ")));
    }
}

#[test]
fn a_hostile_target_of_a_laptop_tells_nothing() {
    let env_vars = format!("DB={DB}\nCERTIFICATE<<EOF\n{CERTIFICATE}\nEOF\n");
    let gate = Gate::local("p2p-build: ; @echo \"$$DB $$CERTIFICATE\"; false\n").input("env-vars", &env_vars);
    let run = gate.run(&["run", "p2p-build"]);
    run.ended(2);
    tells_nothing(&run);
    assert!(run.stdout.contains("***"));
}

#[test]
fn a_target_cannot_hide_what_p2p_says() {
    let words = [
        "error",
        "failed",
        "functional",
        "because",
        "p2p-build",
        "caused by",
        "exit code",
        "\"failed\"",
        "digest",
        "fast",
        "made-up-secret",
    ];
    let masks = words.iter().map(|word| format!("\t@echo '::add-mask::{word}'\n"));
    let gate =
        Gate::new(&format!("p2p-build:\n{}\t@echo a made-up-secret; false\n", masks.collect::<String>()));
    let run = gate.run(&["run", "p2p-build"]);
    run.ended(2);
    assert_eq!(run.stdout.matches("::add-mask::made-up-secret\n").count(), 1);
    assert!(run.logs["p2p-build.log"].contains("a ***"));
    for said in ["p2p-build failed", "make ended with exit code 2", "10 `add-mask` commands were refused"] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
}

#[test]
fn what_is_honest_is_passed_on() {
    let recipe = "\
p2p-build:
\t@echo '::warning file=src/a.c,line=3::shadowed'
\t@echo '::add-mask::made-up-secret'
\t@echo 'it is made-up-secret'
\t@echo '## Coverage' >> \"$$GITHUB_STEP_SUMMARY\"
";
    let gate = Gate::new(recipe);
    let run = gate.run(&["run", "p2p-build"]);
    run.passed();
    let reading = run.reading();
    let warning =
        reading.effects.iter().find(|effect| effect.name == "warning" && effect.message == "shadowed");
    assert_eq!(warning.unwrap().properties["file"], "src/a.c");
    assert_eq!(warning.unwrap().properties["line"], "3");
    assert!(reading.log.contains(&"it is ***".to_owned()), "{:?}", reading.log);
    assert!(run.summary().contains("\n## Coverage\n"));
    assert!(run.logs["p2p-build.log"].contains("it is ***"));
}
