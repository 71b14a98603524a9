//! The flags for the inputs. Each command has those of the inputs that it reads.

use clap::Arg;

use crate::domain::environment::Stage;
use crate::inputs::{self, InputKind, InputSpec, SPECS};

/// The inputs that a command line has flags for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// The inputs that this command reads.
    Of(inputs::Command),
    /// The inputs with these names.
    Named(&'static [&'static str]),
}

impl Takes {
    /// The flags of the command `name`. `next` is the word after it: `latest` of a gate has the flags of the gate.
    /// `None` for a `plan` that does not begin with the command to plan.
    pub(super) fn by(name: &str, next: Option<&str>) -> Option<Self> {
        match (name, next) {
            ("plan", Some(planned)) => match command(planned) {
                Some(inputs::Command::Latest) => Some(Self::Of(inputs::Command::ExtendedTest)),
                Some(inputs::Command::Plan) | None => None,
                Some(planned) => Some(Self::Of(planned)),
            },
            ("plan", None) => None,
            ("latest", Some(word)) if Stage::later(word).is_some() => {
                Some(Self::Of(inputs::Command::ExtendedTest))
            }
            (name, _) => match crate::commands::tools::inputs(name) {
                Some(names) => Some(Self::Named(names)),
                None => command(name).map(Self::Of),
            },
        }
    }

    /// Whether the input is among them.
    pub(super) fn takes(self, spec: &InputSpec) -> bool {
        match self {
            Self::Of(command) => spec.commands.contains(&command),
            Self::Named(names) => names.contains(&spec.name),
        }
    }

    /// The inputs, including secrets.
    pub(super) fn specs(self) -> impl Iterator<Item = &'static InputSpec> {
        SPECS.iter().filter(move |spec| self.takes(spec))
    }

    /// The flags. The short help hides those that few people need, and has no headings.
    pub(super) fn flags(self, short: bool) -> impl Iterator<Item = Arg> {
        let shown = move |spec: &'static InputSpec| {
            let arg = flag(spec)?;
            if !short {
                return Some(arg);
            }
            // With long words, clap would print each flag on two lines.
            let arg = if let InputKind::Choice(_) = spec.kind { arg.value_name("WORD") } else { arg };
            Some(arg.help(brief(spec)).help_heading(None).hide(!spec.usual))
        };
        self.specs().filter_map(shown)
    }

    /// The secrets among the inputs, as environment variables.
    pub(super) fn secrets(self) -> String {
        let secrets: Vec<_> = self.specs().filter(|spec| spec.is_secret()).map(InputSpec::variable).collect();
        secrets.join(", ")
    }
}

/// The command with this name.
fn command(name: &str) -> Option<inputs::Command> {
    <inputs::Command as inputs::Value>::parse(name).ok()
}

/// The flags of all inputs, for a command line that begins with a flag. No help lists them.
pub(super) fn anywhere() -> impl Iterator<Item = Arg> {
    SPECS.iter().filter_map(flag).map(|arg| arg.global(true).hide(true))
}

/// The flag for an input. Secrets, and inputs that are commands or arguments, have none.
pub(super) fn flag(spec: &'static InputSpec) -> Option<Arg> {
    if spec.is_secret() || matches!(spec.name, "command" | "target" | "download-base-url" | "binary-path") {
        return None;
    }
    let arg =
        Arg::new(spec.name).long(spec.name).help(with_default(spec.meaning, spec)).help_heading(spec.section);
    Some(match spec.kind {
        InputKind::Bool => {
            arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        InputKind::Choice(words) => arg.value_name(words.join("|")),
        InputKind::Words => arg.value_name("NAMES"),
        InputKind::Globs => arg.value_name("GLOBS"),
        InputKind::Duration => arg.value_name("MINUTES"),
        InputKind::Size => arg.value_name("SIZE"),
        InputKind::Text | InputKind::Secret => arg.value_name("TEXT"),
    })
}

/// The short meaning of the input, without the details.
fn brief(spec: &InputSpec) -> String {
    let end = ["; ", ": ", ". "].iter().filter_map(|end| spec.meaning.find(end)).min();
    with_default(spec.meaning.get(..end.unwrap_or(spec.meaning.len())).unwrap_or_default(), spec)
}

fn with_default(meaning: &str, spec: &InputSpec) -> String {
    let meaning = meaning.trim_end_matches('.');
    match spec.default {
        Some(default) => format!("{meaning} [default: {default}]"),
        None => meaning.to_owned(),
    }
}
