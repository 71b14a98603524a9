//! The only list of inputs, and their parsing.
//!
//! Each input of the action is an environment variable (`INPUT_TENANT_NAME`) and, unless it is secret, a flag
//! (`--tenant-name`). Their names appear nowhere else in the crate.

mod commands;
mod globs;
mod list;
mod read;
mod registry_logins;
mod secrets;
mod types;

pub use globs::Globs;
pub use list::{Inputs, Read, SPECS};
pub use registry_logins::{RegistryLogin, RegistryLogins};
pub use secrets::{PathOrContent, VariableLines, WebhookUrl};
pub use types::{
    BlockingSeverity, BuildCache, Bump, ClusterEndpoint, Command, CommentOn, Federate, FloatingTags, History,
    IdToken, Integration, Lines, OnExisting, OnFork, OutputFormat, Parallel, Promotion, Records,
    ReleaseCommit, SigningInstance, Size, Switch, Words,
};

use crate::domain::version::{Prefix, PrefixError};
use sys::world::{Env, World};
use workflow_commands::Secret;

/// The beginning of the variables of inputs.
const PREFIX: &str = "INPUT_";

/// An input, as action.yml, `--help` and docs/inputs.md show it.
#[derive(Debug, Clone, Copy)]
pub struct InputSpec {
    /// Its name in action.yml, in kebab case.
    pub name: &'static str,
    /// The form of its text.
    pub kind: InputKind,
    /// The text that replaces a missing one.
    pub default: Option<&'static str>,
    /// Its heading in the documentation.
    pub section: &'static str,
    /// The commands that read it. Others ignore the variable and refuse the flag.
    pub commands: &'static [Command],
    /// Whether it is among the few that most people need.
    pub usual: bool,
    pub meaning: &'static str,
}

/// The form of an input's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Any text.
    Text,
    /// `true` or `false`, in any case.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Names, separated by white space or commas.
    Words,
    /// Glob patterns: one per line, or lists of them by target.
    Globs,
    /// A number of minutes, or a number with `s`, `m` or `h`.
    Duration,
    /// A number of bytes, or a number with `KiB`, `MiB` or `GiB`.
    Size,
    /// From the environment only, never a flag. Masked.
    Secret,
}

impl InputSpec {
    /// Whether the input is taken from the environment only.
    pub fn is_secret(&self) -> bool {
        self.kind == InputKind::Secret
    }

    /// The environment variable, as GitHub names it: `INPUT_TENANT_NAME`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// The text of this input: from the flag, or else from the variable. An empty text counts as missing.
    ///
    /// GitHub's runner keeps the dashes of names (`INPUT_TENANT-NAME`), so both spellings are read.
    pub fn text(&self, flag: Option<String>, env: &Env) -> Option<String> {
        // The spelling with dashes comes first in the order of names. The other one wins.
        let variable = || {
            let given = env.beginning_with(PREFIX).filter(|(_, text)| !text.is_empty());
            given.filter(|(name, _)| self.reads(name)).last().map(|(_, text)| text.to_owned())
        };
        flag.filter(|text| !text.is_empty()).or_else(variable)
    }

    /// Whether an environment variable belongs to this input, in either spelling.
    fn reads(&self, variable: &str) -> bool {
        let letters = |one: u8, other: u8| one.to_ascii_uppercase() == other || (one, other) == (b'-', b'_');
        variable.strip_prefix(PREFIX).is_some_and(|rest| {
            rest.len() == self.name.len() && self.name.bytes().zip(rest.bytes()).all(|(a, b)| letters(a, b))
        })
    }
}

/// The URL and the token for requests of id tokens. GitHub sets them for jobs with the permission `id-token: write`.
pub const ID_TOKEN: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// Whether an environment variable is an input of the action.
fn is_input(variable: &str) -> bool {
    variable.starts_with(PREFIX) && SPECS.iter().any(|spec| spec.reads(variable))
}

impl Inputs {
    /// The prefix of version tags. An empty input counts as missing, so a word means "no prefix".
    ///
    /// # Errors
    /// If it is invalid.
    pub fn prefix(&self) -> Result<Prefix, PrefixError> {
        match self.version_prefix.as_str() {
            "none" => Ok(Prefix::NONE),
            text => text.parse(),
        }
    }

    /// The main branch as a full ref.
    pub fn main_branch_ref(&self) -> String {
        let branch = &self.main_branch;
        if branch.starts_with("refs/") { branch.clone() } else { format!("refs/heads/{branch}") }
    }
}

/// Moves variables that only p2p may use out of the environment that other programs inherit: its inputs, and the two
/// for id tokens. Whoever has these two can act as the job.
pub fn reserve(mut world: World) -> World {
    world.reserved = world.env.take(|name| is_input(name) || ID_TOKEN.contains(&name));
    world
}

/// A type that an input is parsed into.
pub(crate) trait Value: Sized {
    /// The form of the text.
    const KIND: InputKind;

    /// Parses a non-empty text. The error says what was expected.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as a text, for types whose values p2p passes to a later command.
    fn text(&self) -> Option<String> {
        None
    }

    /// The parts of a secret's text that must be masked, even if the text is invalid.
    fn secrets(text: &str) -> Vec<Secret> {
        vec![Secret::new(text)]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sys::error::Failure;

    fn read(pairs: &[(&str, &str)]) -> Result<Inputs, Failure> {
        let env: Env = pairs.iter().copied().collect();
        Inputs::read(|spec| spec.text(None, &env))?.checked()
    }

    #[test]
    fn an_empty_input_is_an_absent_one() {
        let inputs = read(&[("INPUT_TENANT_NAME", ""), ("INPUT_MAIN_BRANCH", "")]).unwrap();
        assert_eq!(inputs.tenant_name, None);
        assert_eq!(inputs.main_branch, "refs/heads/main");
    }

    #[test]
    fn no_prefix_is_a_word_and_an_empty_input_is_the_default() {
        for (text, expected) in [("", "v"), ("none", ""), ("api-v", "api-v"), ("none-", "none-")] {
            let prefix = read(&[("INPUT_VERSION_PREFIX", text)]).unwrap().prefix().unwrap();
            assert_eq!(prefix.as_str(), expected, "{text}");
        }
    }

    #[test]
    fn booleans_take_any_case_and_nothing_else() {
        assert!(read(&[("INPUT_DRY_RUN", "True")]).unwrap().dry_run);
        assert!(!read(&[("INPUT_DRY_RUN", "FALSE")]).unwrap().dry_run);
        let error = read(&[("INPUT_DRY_RUN", "yes")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "error: the input `dry-run` is \"yes\"\nhelp: expected `true` or `false`; nothing was run"
        );
    }

    #[test]
    fn a_word_that_is_no_choice_lists_the_choices() {
        let error = read(&[("INPUT_INTEGRATION", "maybe")]).unwrap_err().to_string();
        assert!(error.contains("the input `integration` is \"maybe\""), "{error}");
        assert!(error.contains("expected one of `optional`, `required`, `off`"), "{error}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let inputs = read(&[("INPUT_GITHUB_TOKEN", "hunter22")]).unwrap();
        assert_eq!(format!("{:?}", inputs.github_token), "Some(***)");
    }

    #[test]
    fn what_is_wrong_is_told_at_once_and_its_secrets_are_known() {
        let env: Env = [
            ("INPUT_DRY_RUN", "yes"),
            ("INPUT_TIMEOUT", "soon"),
            ("INPUT_BUMP", "micro"),
            ("INPUT_REGISTRY-LOGINS", "r.example me pass word\nother.example hunter22"),
            ("INPUT_GITHUB_TOKEN", "hunter23"),
            ("INPUT_TENANT_NAME", "shop"),
        ]
        .into_iter()
        .collect();
        let read = Inputs::read(|spec| spec.text(None, &env)).unwrap();
        assert_eq!(read.inputs.tenant_name.as_deref(), Some("shop"));
        assert!(!read.inputs.dry_run);
        let secrets: Vec<_> = read.secrets.iter().map(Secret::expose).collect();
        for secret in ["hunter22", "hunter23", "pass", "word"] {
            assert!(secrets.contains(&secret), "{secrets:?}");
        }
        insta::assert_snapshot!(read.checked().unwrap_err(), @r#"
        error: 4 inputs are wrong
        caused by: the input `dry-run` is "yes" (expected `true` or `false`)
        caused by: the input `bump` is "micro" (expected one of `patch`, `minor`, `major`, `conventional`)
        caused by: the input `timeout` is "soon" (expected a whole number of minutes, or one with a unit: `90s`, `45m`, `2h`; more than 0)
        caused by: the input `registry-logins` cannot be read (line 1 has more than a registry, a user and a password, and a password holds no white space; line 2 lacks the registry, the user or the password; expected one `REGISTRY USER PASSWORD` per line)
        help: correct all of them; nothing was run
        "#);
    }

    #[test]
    fn inputs_and_what_asks_for_id_tokens_are_kept_from_other_programs() {
        let names = [
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "INPUT_OF_THE_TEAM",
            "INPUT_REGISTRY-LOGINS",
            "INPUT_REGISTRY_PASSWORD",
            "INPUT_TENANT_NAME",
            "PATH",
        ];
        let world = reserve(World {
            env: names.iter().map(|name| (*name, "x")).collect(),
            reserved: Env::default(),
            args: Vec::new(),
            directory: "/".into(),
            now: jiff::Timestamp::UNIX_EPOCH,
            terminal: false,
            stdout_terminal: false,
        });
        let left: Vec<_> = world.env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(left, ["INPUT_OF_THE_TEAM", "PATH"]);
        assert_eq!(world.reserved.iter().count(), 5);
    }

    #[test]
    fn both_spellings_of_the_variable_are_read() {
        assert_eq!(read(&[("INPUT_TENANT-NAME", "shop")]).unwrap().tenant_name.unwrap(), "shop");
    }

    #[test]
    fn every_default_is_accepted_by_its_own_input() {
        read(&[]).unwrap();
    }
}
