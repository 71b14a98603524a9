//! The command line, made from the list of inputs.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

use crate::inputs::{Kind, SPECS, Spec};

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// The gate or a part of it: the inputs' texts by flag, the command, its arguments.
    Gate(Flags),
    /// `p2p image …`.
    Image(ArgMatches),
    /// `p2p copy`, `latest` or `verify`: the name of the command, and its arguments.
    Tool(String, ArgMatches),
    /// Text to print, and whether it is the answer to a question (`--help`) or to a mistake.
    Said(String, bool),
}

/// The flags that were given.
#[derive(Debug)]
pub struct Flags {
    command: Option<String>,
    targets: Vec<String>,
    matches: ArgMatches,
}

impl Flags {
    /// The text that the command line gives an input, if it does.
    pub fn text(&self, spec: &Spec) -> Option<String> {
        match spec.name {
            "command" => self.command.clone(),
            "target" if !self.targets.is_empty() => Some(self.targets.join("\n")),
            // Inputs without a flag are unknown to clap.
            name => self.matches.try_get_one::<String>(name).ok().flatten().cloned(),
        }
    }
}

/// Parses the arguments (without the program's name). `default_command`: the environment names a
/// command, so the arguments need not.
pub fn parse(args: &[OsString], default_command: bool) -> Asked {
    // With a value it is the input of that name, so clap's own flag cannot be.
    if matches!(args, [only] if only == "--version" || only == "-V") {
        return Asked::Said(format!("p2p {}", crate::VERSION), true);
    }
    let name = std::iter::once(OsString::from("p2p"));
    // Where the first word names a command, all flags come after it: so clap need not know them of
    // every other command too, which takes it longer than anything else here.
    let first = args.first();
    let named = commands().into_iter().find(|command| first.is_some_and(|word| word == command.get_name()));
    let command = match named {
        // What awaits a gate is asked with everything that the gate itself would be told.
        Some(latest) if latest.get_name() == "latest" && gate(args) => {
            let gate = Arg::new("targets").value_name("GATE").num_args(1);
            bare().subcommand(
                Command::new("latest")
                    .about("Find the latest version that awaits a gate")
                    .arg(gate)
                    .args(flags()),
            )
        }
        Some(image) if image.get_name() == "image" => bare().subcommand(image),
        Some(named) => bare().subcommand(with_flags(named)),
        None => command(),
    };
    let command = command.subcommand_required(!default_command).arg_required_else_help(!default_command);
    let matches = match command.try_get_matches_from(name.chain(args.iter().cloned())) {
        Ok(matches) => matches,
        Err(error) => return Asked::Said(error.to_string(), !error.use_stderr()),
    };
    match matches.subcommand() {
        Some(("image", matches)) => Asked::Image(matches.clone()),
        Some((name, matches))
            if crate::tools::inputs(name).is_some() && !(name == "latest" && gate(args)) =>
        {
            Asked::Tool(name.to_owned(), matches.clone())
        }
        Some((name, matches)) => Asked::Gate(Flags {
            command: Some(name.to_owned()),
            targets: matches
                .try_get_many::<String>("targets")
                .ok()
                .flatten()
                .map(|targets| targets.cloned().collect())
                .unwrap_or_default(),
            matches: matches.clone(),
        }),
        None => Asked::Gate(Flags { command: None, targets: Vec::new(), matches }),
    }
}

/// Whether the word after the command names a gate, and no repository.
fn gate(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| word == "extended-test" || word == "prod")
}

/// The whole command line.
pub fn command() -> Command {
    bare().args(flags()).subcommands(commands())
}

/// The command line without flags and commands.
fn bare() -> Command {
    Command::new("p2p")
        .disable_version_flag(true)
        .about("The path-to-production gate: version, build, test and promote with make targets")
        .after_help(after_help())
        .max_term_width(100)
        .disable_help_subcommand(true)
}

/// A command with the flags of the inputs that concern it; any other flag is a mistake there.
fn with_flags(command: Command) -> Command {
    let Some(inputs) = crate::tools::inputs(command.get_name()) else { return command.args(flags()) };
    let specs = || SPECS.iter().filter(|spec| inputs.contains(&spec.name));
    let secrets: Vec<_> = specs().filter(|spec| spec.is_secret()).map(Spec::variable).collect();
    command
        .args(specs().filter_map(flag))
        .after_help(format!("Secrets are environment variables only: {}.", secrets.join(", ")))
}

/// The flags for the inputs.
fn flags() -> impl Iterator<Item = Arg> {
    SPECS.iter().filter_map(flag)
}

/// All commands.
fn commands() -> Vec<Command> {
    let targets = |help: &'static str, names: &'static str| {
        Arg::new("targets").value_name(names).help(help).num_args(1..)
    };
    let mut commands = vec![
        Command::new("fast-feedback").about("Run the whole fast-feedback gate"),
        Command::new("extended-test")
            .about("Run the gate of the long tests on the latest version that awaits it"),
        Command::new("prod").about("Run the gate of production on the latest version that awaits it"),
        Command::new("version").about("Compute the version, and create its tag on the main branch"),
        Command::new("release").about("Make the GitHub release of a version, and move the floating tags"),
        Command::new("run")
            .about("Run make targets in the prepared environment")
            .arg(targets("The make targets, in order", "TARGET")),
        Command::new("promote")
            .about("Promote the tested images to the next stage")
            .arg(targets("extended-test or prod", "STAGE")),
        Command::new("plan")
            .about("Print what a command would do")
            .arg(targets("The command to plan, with its arguments; fast-feedback if none", "COMMAND")),
        crate::images::command(),
    ];
    commands.extend(crate::tools::commands());
    commands
}

/// What flags cannot say: the secrets, and the inputs of the download script.
fn after_help() -> String {
    let secrets: Vec<_> = SPECS.iter().filter(|spec| spec.is_secret()).map(Spec::variable).collect();
    format!(
        "Every flag is also an environment variable (--tenant-name is INPUT_TENANT_NAME).\n\
         Secrets are environment variables only: {}.\n\
         The inputs binary-path and download-base-url are read by the action's download script alone.\n\
         Outside GitHub Actions nothing remote is touched unless a flag names it: p2p brings its own registry.",
        secrets.join(", ")
    )
}

/// The flag for an input; secrets, and what commands and arguments say already, have none.
fn flag(spec: &'static Spec) -> Option<Arg> {
    if spec.is_secret() || matches!(spec.name, "command" | "target" | "download-base-url" | "binary-path") {
        return None;
    }
    let help = match spec.default {
        Some(default) => format!("{} [default: {default}]", spec.meaning),
        None => spec.meaning.to_owned(),
    };
    let arg = Arg::new(spec.name).long(spec.name).help(help).help_heading(spec.section).global(true);
    Some(match spec.kind {
        Kind::Bool => {
            arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Kind::Choice(words) => arg.value_name(words.join("|")),
        Kind::Words => arg.value_name("NAMES"),
        Kind::Globs => arg.value_name("GLOBS"),
        Kind::Duration => arg.value_name("MINUTES"),
        Kind::Size => arg.value_name("SIZE"),
        Kind::Text | Kind::Secret => arg.value_name("TEXT"),
    })
}
