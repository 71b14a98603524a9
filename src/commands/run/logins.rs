//! The logins of the inputs, and who gets which. A target that does not promote gets the login that the path of its own
//! gate needs, and no other that reaches a later gate: a team can give each path a login of its own.

use crate::domain::environment::{Key, Stage, StagePaths, Values};
use crate::edges::google::TOKEN_USER;
use crate::gate::execute::GivenLogins;
use crate::inputs::{Inputs, RegistryLogin, RegistryLogins};
use oci::logins::{Login, longest_prefix};
use sys::error::Failure;

/// The environments of a run, and its gate.
pub(super) struct Sides<'a> {
    pub(super) own: &'a Values,
    /// The one that images are read from.
    pub(super) source: &'a Values,
    /// The one that is promoted to.
    pub(super) destination: Option<&'a Values>,
    /// The gate whose path is read, where there is one.
    pub(super) stage: Option<(Stage, &'a StagePaths)>,
}

impl Sides<'_> {
    /// The logins of `registry-username` and `registry-password` and of `registry-logins`.
    pub(super) fn logins(&self, inputs: &Inputs) -> Result<GivenLogins, Failure> {
        let own = own_login(inputs, self.own)?;
        let lines = inputs.registry_logins.iter().flat_map(RegistryLogins::iter).map(login);
        let lines = lines.filter(|line| own.as_ref().is_none_or(|own| own.registry != line.registry));
        let all: Vec<Login> = own.iter().cloned().chain(lines).collect();
        let of = |values: &Values, stage: Option<Stage>| longest(&all, &self.repository(values, stage)?);
        let reading = self.stage.map(|(stage, _)| stage);
        let (needed, later) = (of(self.source, reading), self.later());
        let promotes = |login: &Login| {
            needed.as_ref() != Some(login)
                && (self.names_later(&login.registry)
                    || later.iter().any(|there| meet(&login.registry, there)))
        };
        let (promotions, further) = all.iter().cloned().partition(promotes);
        let next = reading.and_then(Stage::next);
        Ok(GivenLogins {
            own: of(self.own, reading),
            destination: self.destination.and_then(|values| of(values, next)),
            source: needed,
            further,
            promotions,
        })
    }

    /// The registry paths that only promotions and later gates need.
    fn later(&self) -> Vec<String> {
        let Some((reading, _)) = self.stage else { return Vec::new() };
        let later = after(reading).filter_map(|stage| self.repository(self.source, Some(stage)));
        let here = self.source.text(Key::Registry);
        let there = self.destination.and_then(|values| values.text(Key::Registry));
        later.chain(there.filter(|there| Some(*there) != here).map(str::to_owned)).collect()
    }

    /// Whether a key has the path of a later gate, at any registry: a pull request may change the registry in
    /// `.p2p.yaml`, and with it what the other rule compares.
    fn names_later(&self, key: &str) -> bool {
        let Some((reading, paths)) = self.stage else { return false };
        let parts: Vec<&str> = key.split('/').skip(1).filter(|part| !part.is_empty()).collect();
        after(reading).any(|stage| {
            let path: Vec<&str> = paths.of(stage).text.split('/').collect();
            parts.windows(path.len()).any(|window| window == path)
        })
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

/// The gates after one.
fn after(stage: Stage) -> impl Iterator<Item = Stage> {
    Stage::ALL.into_iter().filter(move |other| *other > stage)
}

/// The login that fits a repository best.
fn longest(all: &[Login], repository: &str) -> Option<Login> {
    longest_prefix(all.iter().map(|login| (login.registry.as_str(), login)), repository).cloned()
}

/// Whether one of two registry paths is within the other.
fn meet(one: &str, other: &str) -> bool {
    let within = |key: &str, name: &str| longest_prefix(std::iter::once((key, ())), name).is_some();
    within(one, other) || within(other, one)
}

fn login(line: &RegistryLogin) -> Login {
    let RegistryLogin { registry, username, password } = line.clone();
    Login { registry, username, password }
}

/// The login that `registry-username` and `registry-password` give to the registry of the job's own
/// environment.
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
