//! The logins from the inputs, and which targets get them. A target that does not promote gets the login for the
//! path of its own gate, and the logins that belong to no gate's path. So a team can have a separate login for each
//! path.

use std::cmp::Reverse;

use crate::domain::environment::{Key, Stage, StagePaths, Values};
use crate::edges::google::TOKEN_USER;
use crate::gate::execute::GivenLogins;
use crate::inputs::{Inputs, RegistryLogin, RegistryLogins};
use oci::logins::{Login, longest_prefix};
use sys::error::Failure;

/// The environments of a run, and its gate.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) own: &'a Values,
    /// The environment to read images from.
    pub(super) source: &'a Values,
    /// The environment to promote to.
    pub(super) destination: Option<&'a Values>,
    /// The registries of all environments.
    pub(super) registries: &'a [String],
    /// The gate whose path is read, if there is one.
    pub(super) stage: Option<(Stage, &'a StagePaths)>,
}

impl Sides<'_> {
    /// The logins from `registry-username`, `registry-password` and `registry-logins`.
    pub(super) fn logins(&self, inputs: &Inputs) -> Result<GivenLogins, Failure> {
        let own = own_login(inputs, self.own)?;
        let lines = inputs.registry_logins.iter().flat_map(RegistryLogins::iter).map(login);
        let lines = lines.filter(|line| own.as_ref().is_none_or(|own| own.registry != line.registry));
        let all: Vec<Login> = own.iter().cloned().chain(lines).collect();
        let of = |logins: &[Login], values: &Values, stage: Option<Stage>| {
            longest(logins, &self.repository(values, stage)?)
        };
        let reading = self.stage.map(|(stage, _)| stage);
        let destination = self.destination.and_then(|values| of(&all, values, reading.and_then(Stage::next)));
        let given = inputs.text("registry").unwrap_or_default();
        let is_later = |login: &Login| own.as_ref() != Some(login) && self.is_later(&login.registry, &given);
        let (mut promotions, usual): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_later);
        let (needed, gates) = (of(&usual, self.source, reading), self.gates());
        let own = of(&usual, self.own, reading);
        let leads = |login: &Login| {
            needed.as_ref() != Some(login) && gates.iter().any(|there| meet(&login.registry, there))
        };
        let (withheld, further): (Vec<_>, Vec<_>) = usual.into_iter().partition(leads);
        promotions.extend(withheld);
        Ok(GivenLogins { own, destination, source: needed, further, promotions })
    }

    /// Whether a line of `registry-logins` names the path of a later gate, on any host. Registries that the commit
    /// under test configures do not count. `given` is the input `registry`, whose own path does not belong to a
    /// gate.
    fn is_later(&self, line: &str, given: &str) -> bool {
        let Some((reading, paths)) = self.stage else { return false };
        if within(line, given) {
            return false;
        }
        let path = line.strip_prefix(given).unwrap_or(line).to_ascii_lowercase();
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let named = |stage: Stage| {
            let wanted: Vec<_> = paths.of(stage).text.split('/').collect();
            let at = parts.windows(wanted.len()).rposition(|some| some == wanted)?;
            Some((at + wanted.len(), wanted.len(), Reverse(stage)))
        };
        // If several match, the last one counts: `…/prod/test` is the test path.
        let last = Stage::ALL.into_iter().filter_map(named).max();
        last.is_some_and(|(.., Reverse(stage))| stage > reading)
    }

    /// The registry paths of all gates in all environments, and the whole registry of the destination.
    fn gates(&self) -> Vec<String> {
        let Some((_, paths)) = self.stage else { return Vec::new() };
        let here = self.source.text(Key::Registry);
        let there = self.destination.and_then(|values| values.text(Key::Registry));
        let registries = self.registries.iter().map(String::as_str).chain(here).chain(there);
        let gates = registries
            .flat_map(|registry| Stage::ALL.map(|stage| format!("{registry}/{}", paths.of(stage).text)));
        gates.chain(there.filter(|there| Some(*there) != here).map(str::to_owned)).collect()
    }

    /// The registry of an environment, with the path of a gate.
    fn repository(&self, values: &Values, stage: Option<Stage>) -> Option<String> {
        let registry = values.text(Key::Registry)?;
        Some(match (stage, self.stage) {
            (Some(stage), Some((_, paths))) => format!("{registry}/{}", paths.of(stage).text),
            _ => registry.to_owned(),
        })
    }
}

/// The login with the longest matching path.
fn longest(all: &[Login], repository: &str) -> Option<Login> {
    longest_prefix(all.iter().map(|login| (login.registry.as_str(), login)), repository).cloned()
}

/// Whether one registry path is inside the other.
fn meet(one: &str, other: &str) -> bool {
    within(one, other) || within(other, one)
}

/// Whether `name` equals the registry path `key` or is inside it.
fn within(key: &str, name: &str) -> bool {
    longest_prefix(std::iter::once((key, ())), name).is_some()
}

fn login(line: &RegistryLogin) -> Login {
    let RegistryLogin { registry, username, password } = line.clone();
    Login { registry, username, password }
}

/// The login from `registry-username` and `registry-password`, for the registry of the job's own environment.
fn own_login(inputs: &Inputs, values: &Values) -> Result<Option<Login>, Failure> {
    let (Some(registry), Some(password)) = (values.text(Key::Registry), &inputs.registry_password) else {
        return Ok(None);
    };
    let username = match &inputs.registry_username {
        Some(username) => username.clone(),
        None if values.is_google(registry) => TOKEN_USER.to_owned(),
        None => {
            return Err(Failure::usage(
                "the input `registry-password` is set and `registry-username` is not",
                format!(
                    "give the user of {registry}: `registry-username: ${{{{ github.actor }}}}`; nothing was run"
                ),
            ));
        }
    };
    let login = Login { registry: registry.to_owned(), username, password: password.clone() };
    login.check()?;
    Ok(Some(login))
}
