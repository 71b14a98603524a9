//! Messages about a wrong command line.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::domain::environment::Stage;
use crate::inputs::SPECS;
use sys::closest;
use sys::error::Failure;

/// The message for an error of clap at the command `name`. It is p2p's own if the command does not have the flag.
pub(super) fn message(error: &Error, name: &str) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match text(ContextKind::InvalidArg) {
        Some(flag) if error.kind() == ErrorKind::UnknownArgument && flag.starts_with('-') => {
            refused(flag, name, text(ContextKind::SuggestedArg)).to_string()
        }
        Some(word) if error.kind() == ErrorKind::UnknownArgument => superfluous(word, name).to_string(),
        _ => match text(ContextKind::InvalidSubcommand) {
            Some(word) => unknown(word, name, error).to_string(),
            None => error.to_string(),
        },
    }
}

/// An unknown word in place of a command.
fn unknown(word: &str, name: &str, error: &Error) -> Failure {
    let lists = format!("`{} --help` lists the commands", program(name));
    let known = super::names();
    let meant = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(similar)) => similar.first().map(String::as_str),
        _ => None,
    };
    let meant = closest(word, known.iter().map(String::as_str).filter(|_| name.is_empty())).or(meant);
    let help = match meant {
        _ if name.is_empty() && word.starts_with("p2p-") => {
            format!("`p2p run {word}` runs the make target; {lists}")
        }
        Some(meant) => format!("did you mean `{} {meant}`? {lists}", program(name)),
        None => lists,
    };
    Failure::usage(format!("`{}` has no command `{word}`", program(name)), help)
}

/// A word too many after a command.
fn superfluous(word: &str, name: &str) -> Failure {
    let lists = format!("`{} --help` shows what it takes", program(name));
    let help = if word.starts_with("p2p-") {
        format!("`p2p run {word}` runs the make target by itself; {lists}")
    } else if super::names().iter().any(|known| known == word) {
        format!("`{word}` is a command of its own: `p2p {word}`; {lists}")
    } else {
        lists
    };
    Failure::usage(format!("`{}` takes no argument `{word}`", program(name)), help)
}

/// A command or a make target in place of the repository or gate of `latest`.
pub(super) fn no_repository(name: &str, word: Option<&str>) -> Option<Failure> {
    let word = word.filter(|word| name == "latest" && Stage::later(word).is_none())?;
    if matches!(word, "fast-feedback" | "run" | "promote" | "version" | "release" | "plan") {
        return Some(Failure::usage(
            format!("`{word}` is not a repository, and no version awaits it"),
            "write `p2p latest extended-test`, `p2p latest prod` or `p2p latest REGISTRY/NAME`",
        ));
    }
    let stage = Stage::promoted_by(word).or(Stage::of_target(word))?.word();
    Stage::later(stage)?;
    Some(Failure::usage(
        format!("`{word}` is a make target, not a repository"),
        format!("write `p2p latest {stage}`"),
    ))
}

/// A flag that the command does not have, although another one may.
pub(super) fn refused(flag: &str, name: &str, similar: Option<&str>) -> Failure {
    let lists = format!("`{} --help` lists the flags", program(name));
    let help = match SPECS.iter().find(|spec| flag.strip_prefix("--") == Some(spec.name)) {
        Some(spec) if spec.is_secret() => {
            format!("secrets are taken from the environment only: set {}", spec.variable())
        }
        Some(spec) if super::flag(spec).is_none() => {
            format!("the input `{}` has no flag; {lists}", spec.name)
        }
        None => match similar.filter(|similar| alike(flag, similar)) {
            Some(similar) => format!("did you mean `{similar}`? {lists}"),
            None => lists,
        },
        Some(spec) => {
            let takers: Vec<_> = spec.commands.iter().map(|command| format!("`{command}`")).collect();
            format!("it is for {}; {lists} of this command", takers.join(", "))
        }
    };
    Failure::usage(format!("`{}` takes no flag `{flag}`", program(name)), help)
}

fn program(name: &str) -> String {
    if name.is_empty() { "p2p".to_owned() } else { format!("p2p {name}") }
}

/// Whether a suggestion of clap makes sense. clap also suggests flags that only share many letters.
fn alike(flag: &str, similar: &str) -> bool {
    let start = |flag: &str| flag.trim_start_matches('-').chars().take(3).collect::<String>();
    start(flag) == start(similar) || closest(flag, [similar]).is_some()
}
