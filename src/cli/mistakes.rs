//! What is said of a command line that is wrong.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::error::Failure;
use crate::inputs::SPECS;

/// The words of an error of clap's about the command `name`; ours where a flag is not one of it.
pub(super) fn said(error: &Error, name: &str) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match text(ContextKind::InvalidArg) {
        Some(flag) if error.kind() == ErrorKind::UnknownArgument && flag.starts_with('-') => {
            refused(flag, name, text(ContextKind::SuggestedArg)).to_string()
        }
        _ => error.to_string(),
    }
}

/// A flag that the command does not take, although it may be one of another.
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

/// Whether a suggestion is one: clap's own measure likens `--tag` to `--container-registry-url`.
fn alike(flag: &str, similar: &str) -> bool {
    let start = |flag: &str| flag.trim_start_matches('-').chars().take(3).collect::<String>();
    start(flag) == start(similar)
}
