//! The list of inputs against action.yml, `--help` and docs/inputs.md. With `P2P_UPDATE=1` the
//! files are written anew from the list.

use std::fmt::Write as _;
use std::path::Path;

use p2p::inputs::{Kind, SPECS, Spec};

const BEGIN: &str = "# inputs: from the list in src/inputs/list.rs";
const BEGIN_ENV: &str = "        # environment: from the list in src/inputs/list.rs";

fn root(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a part of a file with what the list says, or writes it.
fn agrees(file: &str, wanted: &str, part: impl Fn(&str) -> Option<(usize, usize)>) {
    // Two tests are about parts of one file.
    static FILES: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _held = FILES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
fn plain(spec: &Spec) -> String {
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
            Kind::Text => "text".to_owned(),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Choice(words) => format!("`{}`", words.join("`, `")),
            Kind::Words => "names, separated by white space or commas".to_owned(),
            Kind::Globs => "globs, one a line, or YAML: lists of them by target".to_owned(),
            Kind::Duration => "minutes, or a number with `s`, `m`, `h`".to_owned(),
            Kind::Size => "bytes, or a number with `KiB`, `MiB`, `GiB`".to_owned(),
            Kind::Secret => "secret: environment only".to_owned(),
        };
        let default = spec.default.map_or("—".to_owned(), |default| format!("`{default}`"));
        writeln!(wanted, "| `{}` | {kind} | {default} | {} |", spec.name, spec.meaning).unwrap();
    }
    agrees("docs/inputs.md", &wanted, |text| {
        let mark = "<!-- the list -->\n";
        Some((text.find(mark)? + mark.len(), text.len()))
    });
}

#[test]
fn help_names_every_input() {
    let help = p2p::cli::command().render_long_help().to_string();
    for spec in SPECS {
        let named = match spec.name {
            "command" => help.contains("Commands:"),
            "target" => p2p::cli::command()
                .find_subcommand_mut("run")
                .unwrap()
                .render_long_help()
                .to_string()
                .contains("[TARGET]..."),
            _ if spec.is_secret() => help.contains(&spec.variable()),
            name => help.contains(&format!("--{name}")) || help.contains(&format!(" {name} ")),
        };
        assert!(named, "`{}` is missing from --help:\n{help}", spec.name);
    }
}

/// A flag that a command would not read is no flag of it.
#[test]
fn commands_that_are_no_gate_take_only_the_flags_that_concern_them() {
    let said = |args: &[&str]| {
        let args: Vec<_> = args.iter().map(Into::into).collect();
        match p2p::cli::parse(&args, false) {
            p2p::cli::Asked::Said(text, _) => text,
            other => panic!("{args:?} gave {other:?}"),
        }
    };
    insta::assert_snapshot!(said(&["copy", "--help"]));
    for command in ["latest", "verify"] {
        let help = said(&[command, "--help"]);
        assert!(help.contains("--registry-username") && help.contains("INPUT_REGISTRY_PASSWORD"), "{help}");
        assert!(!help.contains("--tenant-name") && !help.contains("--dry-run"), "{help}");
    }
    assert!(!said(&["image", "push", "--help"]).contains("--tenant-name"));
    assert!(said(&["latest", "r/a", "--timeout", "3"]).contains("unexpected argument '--timeout'"));
    assert!(said(&["image", "digest", "r/a:1", "--dry-run"]).contains("unexpected argument '--dry-run'"));
}
