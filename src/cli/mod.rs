//! The command line. It is made from the list of inputs.

mod flags;
mod mistakes;

use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use self::flags::{Takes, flag};
use crate::domain::environment::Stage;
use crate::inputs::{self, InputSpec, SPECS};

/// What the command line requests.
#[derive(Debug)]
pub enum Invocation {
    /// The gate or a part of it: the texts of the inputs, the command and its arguments.
    Gate(Flags),
    /// `p2p image …`.
    Image(ArgMatches),
    /// A command such as `p2p copy`, with its name and arguments.
    Tool(String, ArgMatches),
    /// Text to print, and whether the user asked for it (`--help`) or made a mistake.
    Text(String, bool),
}

/// The given flags.
#[derive(Debug)]
pub struct Flags {
    command: Option<String>,
    targets: Vec<String>,
    matches: ArgMatches,
}

impl Flags {
    /// The text of an input from the command line, if it is there.
    pub fn text(&self, spec: &InputSpec) -> Option<String> {
        match spec.name {
            "command" => self.command.clone(),
            "target" if !self.targets.is_empty() => Some(self.targets.join("\n")),
            // clap does not know inputs without a flag.
            name => self.matches.try_get_one::<String>(name).ok().flatten().cloned(),
        }
    }

    /// The first flag that the command would ignore, if clap accepted all. For `plan`, the command is the one that
    /// is planned.
    fn superfluous(&self) -> Option<&'static InputSpec> {
        let (name, targets) = (self.command.as_deref()?, self.targets.first().map(String::as_str));
        let planned = if name == "plan" { targets.or(Some("fast-feedback")) } else { targets };
        let takes = Takes::by(name, planned)?;
        let given = |spec: &&InputSpec| {
            matches!(self.matches.try_contains_id(spec.name), Ok(true))
                && self.matches.value_source(spec.name) == Some(ValueSource::CommandLine)
        };
        SPECS.iter().filter(|spec| !takes.takes(spec)).find(given)
    }
}

/// Parses the arguments, without the program's name. `default_command` is whether the environment names a command,
/// so that the arguments need not.
pub fn parse(args: &[OsString], default_command: bool) -> Invocation {
    if let [help, asked @ ..] = args
        && help == "help"
    {
        let asked: Vec<_> = asked.iter().cloned().chain([OsString::from("--help")]).collect();
        return parse(&asked, false);
    }
    // `--version` with a value is the input of that name, so clap's own flag cannot be used.
    if matches!(args, [only] if only == "--version" || only == "-V") {
        return Invocation::Text(format!("p2p {}", crate::VERSION), true);
    }
    let (named, next) = (word(args, 0).and_then(named), word(args, 1));
    let name = named.as_ref().map(|named| named.get_name().to_owned()).unwrap_or_default();
    if let Some(message) = mistakes::no_repository(&name, next) {
        return Invocation::Text(message.to_string(), false);
    }
    let program = std::iter::once(OsString::from("p2p"));
    let command =
        known_to(args, named).subcommand_required(!default_command).arg_required_else_help(!default_command);
    let matches = match command.try_get_matches_from(program.chain(args.iter().cloned())) {
        Ok(matches) => matches,
        Err(error) => {
            let planned = next.filter(|next| name == "plan" && Takes::by(&name, Some(next)).is_some());
            let full_name = planned.map_or_else(|| name.clone(), |planned| format!("{name} {planned}"));
            return Invocation::Text(mistakes::message(&error, &full_name), !error.use_stderr());
        }
    };
    asked(args, matches)
}

/// An argument as text.
fn word(args: &[OsString], position: usize) -> Option<&str> {
    args.get(position).map(OsString::as_os_str).and_then(OsStr::to_str)
}

/// The part of the command line that these arguments need. If the first one names a command, `named`, all flags come
/// after it. Then clap need not know the flags of all other commands, which would take longer than anything else
/// here.
fn known_to(args: &[OsString], named: Option<Command>) -> Command {
    let short = args.iter().any(|word| word == "-h");
    match named {
        // `latest` of a gate has the flags of the gate.
        Some(named) if named.get_name() == "latest" && gate(args) => {
            bare().subcommand(with_flags(latest_of_gate(), word(args, 1), short))
        }
        Some(image) if image.get_name() == "image" => bare().subcommand(image),
        // If no word can be a flag, clap needs none: the action passes all inputs as variables.
        Some(named) if !args.iter().any(|word| word.as_encoded_bytes().starts_with(b"-")) => {
            bare().subcommand(named)
        }
        Some(named) => bare().subcommand(with_flags(named, word(args, 1), short)),
        None => command(),
    }
}

/// What the parsed arguments request.
fn asked(args: &[OsString], matches: ArgMatches) -> Invocation {
    match matches.subcommand() {
        Some(("image", matches)) => Invocation::Image(matches.clone()),
        Some((name, matches))
            if crate::commands::tools::inputs(name).is_some() && !(name == "latest" && gate(args)) =>
        {
            Invocation::Tool(name.to_owned(), matches.clone())
        }
        Some((name, matches)) => {
            let targets = matches.try_get_many::<String>("targets").ok().flatten();
            let flags = Flags {
                command: Some(name.to_owned()),
                targets: targets.map(|targets| targets.cloned().collect()).unwrap_or_default(),
                matches: matches.clone(),
            };
            match flags.superfluous() {
                Some(spec) => {
                    let planned = flags.targets.first().filter(|_| name == "plan");
                    let name = planned.map_or_else(|| name.to_owned(), |planned| format!("{name} {planned}"));
                    let message = mistakes::refused(&format!("--{}", spec.name), &name, None);
                    Invocation::Text(message.to_string(), false)
                }
                None => Invocation::Gate(flags),
            }
        }
        None => Invocation::Gate(Flags { command: None, targets: Vec::new(), matches }),
    }
}

/// Whether the word after the command names a gate, not a repository.
fn gate(args: &[OsString]) -> bool {
    word(args, 1).and_then(Stage::later).is_some()
}

/// The whole command line.
fn command() -> Command {
    bare().args(flags::anywhere()).subcommands(commands())
}

/// The command line without flags and commands.
fn bare() -> Command {
    Command::new("p2p")
        .disable_version_flag(true)
        .about(
            "The path-to-production gate: version, build, test and promote with make targets\n\n\
             Examples:\n  \
             p2p plan                what the gate would do, and with which variables\n  \
             p2p fast-feedback       the whole gate\n  \
             p2p run p2p-functional  a single target, as the gate runs it",
        )
        .after_help(
            "`p2p COMMAND -h` lists the usual flags of a command, `--help` (or `p2p help COMMAND`) all of them.\n\
             Every flag is also an environment variable (--tenant-name is INPUT_TENANT_NAME); secrets are nothing else.\n\
             Outside GitHub Actions nothing remote is touched unless a flag names it: p2p brings its own registry.",
        )
        .max_term_width(100)
        .disable_help_subcommand(true)
}

/// Adds the flags of the inputs that the command reads. `next` is the word after the command.
fn with_flags(command: Command, next: Option<&str>, short: bool) -> Command {
    let name = command.get_name().to_owned();
    let Some(takes) = Takes::by(&name, next) else {
        // The flags of a plan may come before the command to plan. Its help shows those of the gate.
        let gate = Takes::Of(inputs::Command::FastFeedback);
        let others = SPECS.iter().filter(|spec| !gate.takes(spec)).filter_map(flag).map(|arg| arg.hide(true));
        let command = command.args(gate.flags(short)).args(others);
        return command.after_help(epilogue(&format!("{name} fast-feedback"), gate, short));
    };
    command.args(takes.flags(short)).after_help(epilogue(&name, takes, short))
}

/// What the flags cannot express.
fn epilogue(name: &str, takes: Takes, short: bool) -> String {
    if short {
        return format!("All flags, the words that they take, and the secrets: p2p {name} --help");
    }
    let secrets = takes.secrets();
    match takes {
        Takes::Named(_) if secrets.is_empty() => String::new(),
        Takes::Named(_) => format!("Secrets are environment variables only: {secrets}."),
        Takes::Of(_) => format!(
            "Every flag is also an environment variable (--tenant-name is INPUT_TENANT_NAME).\n\
             Secrets are environment variables only: {secrets}.\n\
             Outside GitHub Actions nothing remote is touched unless a flag names it: p2p brings its own registry."
        ),
    }
}

/// `p2p latest` for a gate.
fn latest_of_gate() -> Command {
    Command::new("latest")
        .about("Print the latest version that awaits a gate")
        .arg(Arg::new("targets").value_name("GATE").num_args(1))
}

/// The commands that run the gate or a part of it, in the order of the help.
const GATE: [&str; 9] =
    ["fast-feedback", "extended-test", "prod", "version", "release", "run", "promote", "scan", "plan"];

/// The names of all commands.
fn names() -> Vec<String> {
    commands().map(|command| command.get_name().to_owned()).collect()
}

/// All commands.
fn commands() -> impl Iterator<Item = Command> {
    GATE.iter()
        .filter_map(|name| named(name))
        .chain([crate::commands::images::command()])
        .chain(crate::commands::tools::commands())
}

/// The command with this name. Only the requested one is made, because making all of them takes longer than parsing.
fn named(name: &str) -> Option<Command> {
    let targets = |help: &'static str, names: &'static str| {
        Arg::new("targets").value_name(names).help(help).num_args(1..)
    };
    let command = |name: &'static str, about: &'static str| Command::new(name).about(about);
    Some(match name {
        "fast-feedback" => command("fast-feedback", "Run the whole fast-feedback gate"),
        "extended-test" => {
            command("extended-test", "Run the gate of the long tests on the latest version that awaits it")
        }
        "prod" => command("prod", "Run the gate of production on the latest version that awaits it"),
        "version" => command("version", "Compute the version, and create its tag on the main branch"),
        "release" => command("release", "Make the GitHub release of a version, and move the floating tags"),
        "run" => command("run", "Run make targets in the prepared environment")
            .arg(targets("The make targets, in order", "TARGET")),
        "promote" => command("promote", "Promote the tested images to the next stage")
            .arg(targets("extended-test or prod", "STAGE")),
        "scan" => command("scan", "Scan source or images for vulnerabilities and secrets").arg(targets(
            "source, or image with images (registry/name:tag) or a gate; secrets and dependencies are parts of source",
            "WHAT",
        )),
        "plan" => command("plan", "Print what a command would do")
            .arg(targets("The command to plan, with its arguments; fast-feedback if none", "COMMAND")),
        "image" => crate::commands::images::command(),
        _ => return crate::commands::tools::commands().into_iter().find(|tool| tool.get_name() == name),
    })
}
