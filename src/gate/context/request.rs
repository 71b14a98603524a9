//! The request: the inputs, and what follows from them alone. All errors in the inputs are reported together.

use std::collections::BTreeMap;

use super::checks;
use crate::domain::environment::{EnvVars, Environments, Matrix, Origin, Stage, StagePaths, Value, Vars};
use crate::domain::image::Tested;
use crate::gate::plan::{ScanSubject, scan_target, stage};
use crate::inputs::{Command, Inputs, OutputFormat, Read};
use oci::Reference;
use sys::closest;
use sys::error::Failure;

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub inputs: Inputs,
    /// The command that is planned.
    pub command: Command,
    /// The targets, the stage or the words that the command works on.
    pub targets: Vec<String>,
    /// Whether to plan only.
    pub dry_run: bool,
    pub env_vars: EnvVars,
    pub(super) vars: Vars,
    pub(super) environments: Environments,
    pub(super) recorded: Vec<Tested>,
    /// The registry paths of the stages.
    pub(super) paths: StagePaths,
    /// The job's own environment, if no input names it.
    pub own: Option<Value>,
    /// The environment that the gate runs in. `None` means the job's own.
    pub target_environment: Option<Value>,
    /// Whether the gate promotes from this environment.
    pub promotes: bool,
    /// The reason for skipping everything, if [`Host::refuse_strangers`](super::Host::refuse_strangers) found one.
    pub skipped: Option<String>,
    /// The version that the first environment of a later gate chose, for the other environments.
    pub decided: Option<String>,
    /// The embedded registry of a local run without `registry`, for its own environment.
    pub embedded_registry: Option<String>,
}

impl Request {
    /// The gate whose images `scan` scans.
    pub(super) fn scanned_stage(&self) -> Option<Stage> {
        match scan_target(&self.targets) {
            Ok(ScanSubject::Recorded(stage)) if self.command == Command::Scan => Some(stage),
            _ => None,
        }
    }

    /// Reads the request from the inputs. The command `plan` plans the command that its target names.
    ///
    /// # Errors
    /// All errors in the inputs, together.
    pub(crate) fn new(read: Read) -> Result<Self, Failure> {
        let Read { inputs, mut wrong, names, .. } = read;
        let mut targets = inputs.target.clone().map(|words| words.0).unwrap_or_default();
        let mut dry_run = inputs.dry_run;
        let mut command = inputs.command;
        // If the command is wrong, p2p does not know which inputs it reads.
        let mut known = !names.contains(&"command") && !names.contains(&"target");
        if known && command == Command::Plan {
            dry_run = true;
            match planned(&mut targets) {
                Ok(planned) => command = planned,
                Err(failure) => {
                    known = false;
                    wrong.push(failure);
                }
            }
        }
        if known {
            wrong.extend(of_command(&inputs, command, &targets, dry_run));
        }
        let env_vars = match inputs.env_vars.as_ref().map(|lines| EnvVars::parse(&lines.0)) {
            Some(Err(errors)) => {
                wrong.extend(errors.into_iter().map(Failure::from));
                EnvVars::default()
            }
            read => read.and_then(Result::ok).unwrap_or_default(),
        };
        let vars = or_default(inputs.vars.as_deref().map(Vars::parse), &mut wrong);
        let environments = or_default(inputs.environments.as_deref().map(Environments::parse), &mut wrong);
        let handed_over = or_default(inputs.images.as_deref().map(handed_over), &mut wrong);
        let paths = stage_paths(&inputs, &mut wrong);
        wrong.extend(meeting_paths(&paths));
        wrong.extend(inputs.matrix.as_deref().and_then(|text| Matrix::parse(text).err()).map(Failure::from));
        wrong.extend(inputs.prefix().err().map(Failure::from));
        checks::inputs(&inputs, &mut wrong);
        let recorded = tested(handed_over, &mut wrong);
        if let Some(failure) = Failure::wrong_inputs(wrong) {
            return Err(failure);
        }
        Ok(Self {
            inputs,
            command,
            targets,
            dry_run,
            env_vars,
            vars,
            environments,
            recorded,
            paths,
            own: None,
            target_environment: None,
            promotes: true,
            skipped: None,
            decided: None,
            embedded_registry: None,
        })
    }
}

/// Returns the value, or the default of its type if there is none. Errors go to `wrong`.
fn or_default<T: Default, E: Into<Failure>>(read: Option<Result<T, E>>, wrong: &mut Vec<Failure>) -> T {
    match read {
        Some(Ok(value)) => value,
        Some(Err(error)) => {
            wrong.push(error.into());
            T::default()
        }
        None => T::default(),
    }
}

/// Checks the inputs of a command.
fn of_command(inputs: &Inputs, command: Command, targets: &[String], dry_run: bool) -> Vec<Failure> {
    let mut wrong: Vec<_> = checks::release(inputs, command).err().into_iter().collect();
    if !dry_run && inputs.output != OutputFormat::Text {
        wrong.push(Failure::usage(
            format!("the input `output` is `{}`, and `{command}` prints no plan", inputs.output),
            format!(
                "it is for `p2p plan {command} --output {}` and `dry-run`; what a run came to is in its \
                 report.json; nothing was run",
                inputs.output
            ),
        ));
    }
    wrong.extend(of_targets(command, targets));
    wrong
}

/// Refuses targets that the command does not accept. Words that belong to another command get a message of their
/// own.
fn of_targets(command: Command, targets: &[String]) -> Option<Failure> {
    let words = targets.join(" ");
    match command {
        Command::Run => {
            let commands = PLANNED.iter().map(|command| command.word());
            let (word, _) = targets
                .iter()
                .find_map(|word| Some((word, commands.clone().find(|known| known == word)?)))?;
            Some(Failure::usage(
                format!("`{word}` is a command of p2p, not a make target"),
                format!("write `p2p {word}`, or `command: {word}` without `target`; nothing was run"),
            ))
        }
        Command::Promote | Command::Latest => {
            let failure = stage(targets).err()?;
            Some(match right_form(command, targets) {
                Some(help) => Failure { help: Some(help), ..failure },
                None => failure,
            })
        }
        Command::Scan => scan_target(targets).err(),
        _ if targets.is_empty() => None,
        _ => Some(Failure::usage(
            format!("`{command}` takes no target, and `target` is `{words}`"),
            format!("leave `target` out, or write `p2p run {words}` (`command: run`); nothing was run"),
        )),
    }
}

/// Guesses what the user meant by a target in place of a stage.
fn right_form(command: Command, targets: &[String]) -> Option<String> {
    let [word] = targets else { return None };
    let stage = Stage::promoted_by(word).or(Stage::of_target(word));
    let Some(stage) = stage.and_then(|stage| Stage::later(stage.word())).map(Stage::word) else {
        let target = word.starts_with("p2p-");
        return target.then(|| format!("write `p2p run {word}` to run a make target; nothing was run"));
    };
    Some(format!(
        "write `p2p {command} {stage}`, or `p2p run {word}` for the make target alone; nothing was run"
    ))
}

/// The commands that `plan` accepts.
const PLANNED: [Command; 9] = [
    Command::FastFeedback,
    Command::ExtendedTest,
    Command::Prod,
    Command::Version,
    Command::Run,
    Command::Promote,
    Command::Release,
    Command::Scan,
    Command::Latest,
];

/// Takes the command that `plan` plans from the front of its targets.
fn planned(targets: &mut Vec<String>) -> Result<Command, Failure> {
    if targets.is_empty() {
        return Ok(Command::FastFeedback);
    }
    let word = targets.remove(0);
    PLANNED.into_iter().find(|command| command.word() == word).ok_or_else(|| {
        let words: Vec<_> = PLANNED.iter().map(|command| command.word()).collect();
        let expected = format!("expected one of `{}`; nothing was run", words.join("`, `"));
        let help = match closest(&word, words) {
            Some(meant) => format!("did you mean `p2p plan {meant}`? {expected}"),
            None if word.starts_with("p2p-") => {
                format!("write `p2p plan run {word}` for a make target; {expected}")
            }
            None => expected,
        };
        Failure::usage(format!("`{word}` cannot be planned"), help)
    })
}

fn stage_paths(inputs: &Inputs, wrong: &mut Vec<Failure>) -> StagePaths {
    StagePaths::new(|stage| {
        let name = stage.path_input();
        let text = inputs.text(name).unwrap_or_default();
        if text == stage.default_path() {
            // action.yml passes the default as well.
            return Value::new(text, Origin::Default);
        }
        if !text.split('/').all(is_path_part) {
            wrong.push(Failure::usage(
                format!("the input `{name}` is {text:?}"),
                "expected a registry path of lower-case letters, digits, `.`, `_`, `-` and `/`, with a letter or digit at \
                 both ends of each part; nothing was run",
            ));
        }
        Value::new(text, Origin::Input(name.to_owned()))
    })
}

/// Whether a text is a component of a repository's name (OCI distribution specification, "Pulling manifests").
fn is_path_part(part: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let bytes = part.as_bytes();
    end(bytes.first()) && end(bytes.last()) && bytes.iter().all(|b| inner(*b)) && !part.contains("..")
}

/// Refuses two stages with the same path, or with one path inside the other. Otherwise an image would be in a later
/// stage before it passed the earlier one.
fn meeting_paths(paths: &StagePaths) -> Option<Failure> {
    let within = |inner: Stage, outer: Stage| {
        let (inner, outer) = (&paths.of(inner).text, &paths.of(outer).text);
        inner.strip_prefix(outer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let pairs = Stage::ALL.into_iter().flat_map(|one| Stage::ALL.map(|other| (one, other)));
    let (one, other) = pairs.into_iter().find(|(one, other)| one != other && within(*one, *other))?;
    let [text, outer] = [one, other].map(|stage| &paths.of(stage).text);
    Some(Failure::usage(
        format!("the input `{}` is {text:?}, and `{}` is {outer:?}", one.path_input(), other.path_input()),
        "expected a path of its own for each stage, none within another; nothing was run",
    ))
}

/// An entry of the input `images`, before its digest is checked.
#[derive(serde::Deserialize)]
struct HandedOver {
    name: String,
    reference: Option<Reference>,
    digest: String,
}

/// Reads the input `images`: the output `images` or `digests` of an earlier job.
fn handed_over(text: &str) -> Result<Vec<HandedOver>, Failure> {
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map(|digests: BTreeMap<String, String>| {
            digests.into_iter().map(|(name, digest)| HandedOver { name, reference: None, digest }).collect()
        })
    } else {
        serde_json::from_str(text)
    };
    read.map_err(|error| {
        Failure::usage(
            format!("the input `images` cannot be read: {error}"),
            "give the output `digests` of the job that built them, {\"<name>\": \"sha256:…\"}, or its output `images`, \
             [{\"name\": …, \"reference\": …, \"digest\": \"sha256:…\"}]; nothing was run",
        )
    })
}

/// Keeps the images with valid digests. The others become errors.
fn tested(handed_over: Vec<HandedOver>, wrong: &mut Vec<Failure>) -> Vec<Tested> {
    let mut images = Vec::new();
    for HandedOver { name, reference, digest } in handed_over {
        match digest.parse() {
            Ok(digest) => images.push(Tested { name, reference, digest }),
            Err(error) => {
                let what = format!("the input `images` has no digest of {name}");
                wrong.push(Failure::from(error).context(what));
            }
        }
    }
    images
}
