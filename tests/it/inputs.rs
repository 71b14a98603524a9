//! The list of inputs against action.yml, `--help` and docs/inputs.md. With `P2P_UPDATE=1` the
//! files are written anew from the list.

use std::fmt::Write as _;
use std::path::Path;

use p2p::domain::environment::Key;
use p2p::inputs::{InputKind, InputSpec, SPECS};

const BEGIN: &str = "# inputs: from the list in src/inputs/list.rs";
const BEGIN_ENV: &str = "        # environment: from the list in src/inputs/list.rs";

fn root(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a part of a file with what the list says, or writes it.
fn agrees(file: &str, wanted: &str, part: impl Fn(&str) -> Option<(usize, usize)>) {
    // Two tests are about parts of one file.
    static FILES: sys::sync::Mutex<()> = sys::sync::Mutex::new(());
    let _held = FILES.lock();
    let path = root(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (from, to) = part(&text).unwrap_or_else(|| panic!("{file} has lost the marks of its generated part"));
    if text[from..to] == *wanted {
        return;
    }
    if std::env::var_os("P2P_UPDATE").is_some() {
        std::fs::write(&path, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    panic!("{file} does not agree with the list of inputs; P2P_UPDATE=1 writes it anew. Wanted:\n{wanted}");
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The text without the expressions that GitHub would evaluate in a description.
fn plain(spec: &InputSpec) -> String {
    spec.meaning.replace("${{ ", "").replace(" }}", "")
}

#[test]
fn action_declares_every_input() {
    let mut wanted = String::from("inputs:\n");
    for spec in SPECS {
        writeln!(wanted, "  {}:\n    description: {}", spec.name, quoted(&plain(spec))).unwrap();
        let default = match spec.name {
            "github-token" => Some("${{ github.token }}".to_owned()),
            _ => spec.default.map(quoted),
        };
        if let Some(default) = default {
            writeln!(wanted, "    default: {default}").unwrap();
        }
    }
    agrees("action.yml", &wanted, |text| {
        let from = text.find(BEGIN)? + BEGIN.len() + 1;
        Some((from, text.find("\noutputs:\n")?))
    });
}

#[test]
fn action_maps_every_input_through_the_environment() {
    let mut wanted = String::new();
    for spec in SPECS {
        writeln!(wanted, "        {}: ${{{{ inputs.{} }}}}", spec.variable(), spec.name).unwrap();
    }
    agrees("action.yml", &wanted, |text| {
        let from = text.find(BEGIN_ENV)? + BEGIN_ENV.len() + 1;
        Some((from, text.find("      run: ")?))
    });
}

#[test]
fn action_interpolates_nothing_into_its_script() {
    let text = std::fs::read_to_string(root("action.yml")).unwrap();
    let scripts: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("run:")).collect();
    assert_eq!(scripts, [r#"      run: source "$GITHUB_ACTION_PATH/dist/bootstrap""#]);
    assert!(!text.contains("uses:"), "no nested actions");
}

#[test]
fn every_input_is_documented() {
    let mut wanted = String::new();
    let mut section = "";
    for spec in SPECS {
        if spec.section != section {
            section = spec.section;
            writeln!(wanted, "\n## {section}\n\n| input | type | default | meaning |\n|---|---|---|---|")
                .unwrap();
        }
        let kind = match spec.kind {
            InputKind::Text => "text".to_owned(),
            InputKind::Bool => "`true` or `false`".to_owned(),
            InputKind::Choice(words) => format!("`{}`", words.join("`, `")),
            InputKind::Words => "names, separated by white space or commas".to_owned(),
            InputKind::Globs => "globs, one per line, or YAML: lists of them by target".to_owned(),
            InputKind::Duration => "minutes, or a number with `s`, `m`, `h`".to_owned(),
            InputKind::Size => "bytes, or a number with `KiB`, `MiB`, `GiB`".to_owned(),
            InputKind::Secret => "secret: environment only".to_owned(),
        };
        let default = spec.default.map_or("—".to_owned(), |default| format!("`{default}`"));
        writeln!(wanted, "| `{}` | {kind} | {default} | {} |", spec.name, spec.meaning).unwrap();
    }
    agrees("docs/inputs.md", &wanted, |text| {
        let mark = "<!-- the list -->\n";
        Some((text.find(mark)? + mark.len(), text.len()))
    });
}

/// What only few need is a key of the environment's entry.
#[test]
fn there_are_few_inputs() {
    assert!(SPECS.len() <= 66, "{} inputs", SPECS.len());
}

#[test]
fn every_key_is_documented_with_an_example() {
    let text = std::fs::read_to_string(root("docs/environments.md")).unwrap();
    let keys = text.split("## Keys").nth(1).unwrap().split("\n## ").next().unwrap();
    for key in Key::ALL {
        let name = format!("`{}`", key.name());
        let row = keys.lines().find(|line| line.starts_with('|') && line.contains(&name));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2] == "input", SPECS.iter().any(|spec| spec.name == key.name()), "{row}");
        assert!(cells[3].len() > 10 && cells[4].starts_with('`'), "{row}");
    }
}

/// What a command line is answered with.
#[track_caller]
fn message(args: &[&str]) -> String {
    let args: Vec<_> = args.iter().map(Into::into).collect();
    match p2p::cli::parse(&args, false) {
        p2p::cli::Invocation::Text(text, _) => text,
        other => panic!("{args:?} gave {other:?}"),
    }
}

const COMMANDS: [&str; 7] =
    ["fast-feedback", "extended-test", "prod", "version", "run", "promote", "release"];

#[test]
fn help_names_every_input_of_a_command() {
    for command in COMMANDS {
        let help = message(&[command, "--help"]);
        for spec in SPECS {
            let concerns = spec.commands.iter().any(|read| read.word() == command);
            let (named, flag) = match spec.name {
                "command" | "target" | "binary-path" | "download-base-url" => continue,
                _ if spec.is_secret() => (help.contains(&spec.variable()), spec.variable()),
                name => (
                    help.contains(&format!(" --{name} ")) || help.contains(&format!(" --{name}[")),
                    name.to_owned(),
                ),
            };
            assert_eq!(named, concerns, "{flag} in `{command} --help`:\n{help}");
        }
    }
    for spec in SPECS {
        assert!(!spec.commands.is_empty(), "nobody reads {}", spec.name);
    }
}

/// `-h` is what most people need; what begins with examples is the help of all commands.
#[test]
fn help_is_short_where_it_is_asked_for_in_short() {
    insta::assert_snapshot!(message(&["--help"]));
    insta::assert_snapshot!(message(&["fast-feedback", "-h"]));
    for command in COMMANDS {
        let (short, long) = (message(&[command, "-h"]), message(&[command, "--help"]));
        assert!(short.lines().count() <= 30 && short.lines().count() < long.lines().count(), "{short}");
        assert!(short.contains(&format!("p2p {command} --help")), "{short}");
    }
}

/// The flags of other commands, of none, and of secrets.
#[test]
fn a_flag_that_a_command_does_not_take_is_a_mistake_that_says_so() {
    let all = [
        &["run", "p2p-build", "--floating-tags", "major"][..],
        &["--release-notes=none", "run", "p2p-build"],
        &["version", "--tenant-name", "shop"],
        &["plan", "version", "--tenant-name", "shop"],
        &["plan", "--floating-tags=major", "run", "p2p-build"],
        &["fast-feedback", "--tag", "v1"],
        &["fast-feedback", "--app-nam", "shop"],
        &["fast-feedback", "--github-token", "s3cret"],
        &["fast-feedback", "--binary-path", "p2p"],
        &["--tag", "v1"],
    ];
    insta::assert_snapshot!(
        all.map(|args| format!("{}\n{}", args.join(" "), message(args).trim_end())).join("\n\n")
    );
    for args in [
        &["plan", "--floating-tags=major", "version"][..],
        &["plan", "version", "--floating-tags=major"],
        &["plan", "latest", "prod", "--registry", "r.example/a"],
        &["latest", "prod", "--registry", "r.example/a"],
        &["--tenant-name", "shop", "run", "p2p-build"],
        &["plan", "--tenant-name", "shop"],
    ] {
        let args: Vec<_> = args.iter().map(Into::into).collect();
        assert!(matches!(p2p::cli::parse(&args, false), p2p::cli::Invocation::Gate(_)), "{args:?}");
    }
}

#[test]
fn help_names_no_secrets_where_a_command_takes_none() {
    for command in ["registry", "report", "explain"] {
        assert!(!message(&[command, "--help"]).contains("Secrets"), "{command}");
    }
}

#[test]
fn help_is_also_a_word() {
    assert_eq!(message(&["help"]), message(&["--help"]));
    assert_eq!(message(&["help", "run"]), message(&["run", "--help"]));
    assert_eq!(message(&["help", "image", "push"]), message(&["image", "push", "--help"]));
    assert_eq!(message(&["help", "rnu"]), message(&["rnu"]));
}

/// Typos, and words that belong elsewhere.
#[test]
fn a_word_that_is_not_known_gets_a_suggestion() {
    let all = [
        &["fast-fedback"][..],
        &["Prod"],
        &["p2p-build"],
        &["nonsense"],
        &["image", "psuh", "x"],
        &["prod", "p2p-prod"],
        &["version", "prod"],
        &["registry", "x"],
        &["latest", "p2p-prod"],
        &["latest", "fast-feedback"],
        &["fast-feedback", "--evironment", "dev"],
    ];
    insta::assert_snapshot!(
        all.map(|args| format!("{}\n{}", args.join(" "), message(args).trim_end())).join("\n\n")
    );
}

/// A flag that a command would not read is no flag of it.
#[test]
fn commands_that_are_no_gate_take_only_the_flags_that_concern_them() {
    insta::assert_snapshot!(message(&["copy", "--help"]));
    for command in ["latest", "verify"] {
        let help = message(&[command, "--help"]);
        assert!(help.contains("--registry-username") && help.contains("INPUT_REGISTRY_PASSWORD"), "{help}");
        assert!(!help.contains("--tenant-name") && !help.contains("--dry-run"), "{help}");
    }
    assert!(!message(&["image", "push", "--help"]).contains("--tenant-name"));
    assert!(message(&["latest", "r/a", "--timeout", "3"]).contains("`p2p latest` takes no flag `--timeout`"));
    assert!(message(&["image", "digest", "r/a:1", "--dry-run"]).contains("takes no flag `--dry-run`"));
}
