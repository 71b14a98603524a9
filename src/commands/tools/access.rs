//! A registry client with the logins from the inputs.

use clap::ArgMatches;

use crate::edges::google::TOKEN_USER;
use crate::gate::plan::EVENTS;
use crate::gate::record::Refs;
use crate::inputs::{InputSpec, Inputs, OutputFormat, RegistryLogin, RegistryLogins};
use crate::report::Console;
use oci::{Client, Credentials, Insecure, Keyring, Repository, Settings};
use sys::error::Failure;
use sys::retry::Watcher;
use sys::world::World;

/// The inputs for commands about one repository: see [`client`].
pub(super) const OWN: [&str; 4] =
    ["registry-username", "registry-password", "registry-logins", "insecure-registries"];

/// Reads the inputs from flags and environment, and masks their secrets.
pub(super) fn inputs(world: &World, matches: &ArgMatches, console: &Console) -> Result<Inputs, Failure> {
    let flag = |spec: &InputSpec| matches.try_get_one::<String>(spec.name).ok().flatten().cloned();
    let read = Inputs::read(|spec| spec.text(flag(spec), &world.reserved))?;
    console.masker().add(&read.secrets);
    read.checked()
}

/// How the answer is printed.
pub(super) fn text_or_json(inputs: &Inputs) -> Result<OutputFormat, Failure> {
    if inputs.output == OutputFormat::Matrix {
        let what = "`--output` is `matrix`, which only plans can be printed as";
        return Err(Failure::usage(what, "expected: text, json"));
    }
    Ok(inputs.output)
}

/// The refs whose records count, according to the inputs.
///
/// # Errors
/// If `version-prefix` is invalid.
pub(super) fn refs(inputs: &Inputs) -> Result<Refs, Failure> {
    Ok(Refs {
        main_branch: inputs.main_branch_ref(),
        release_branches: inputs.release_branches.clone().map(|words| words.0).unwrap_or_default(),
        prefix: Some(inputs.prefix()?),
        events: &EVENTS,
    })
}

/// A client for these repositories. The logins of the inputs win over those in Docker's configuration.
/// `registry-password` applies to repositories that match no line of `registry-logins`. Without a user name, it is a
/// token for Google's registries. Retries are reported on standard error.
pub(super) fn client(
    world: &World,
    console: &Console,
    inputs: &Inputs,
    repositories: &[&Repository],
) -> Result<Client, Failure> {
    console.only_answers();
    let mut keyring = Keyring::from_env(&world.env)?;
    for RegistryLogin { registry, username, password } in
        inputs.registry_logins.iter().flat_map(RegistryLogins::iter)
    {
        let (username, password) = (username.clone(), password.clone());
        keyring = keyring.with(registry, Credentials::Password { username, password });
    }
    if let Some(password) = &inputs.registry_password {
        for repository in repositories.iter().map(ToString::to_string) {
            if inputs.registry_logins.as_ref().is_some_and(|logins| logins.of(&repository).is_some()) {
                continue;
            }
            let username = inputs.registry_username.as_deref().unwrap_or(TOKEN_USER).to_owned();
            let password = password.clone();
            keyring = keyring.with(&repository, Credentials::Password { username, password });
        }
    }
    let named = inputs.insecure_registries.as_ref().map_or(&[][..], |names| &names.0);
    let (insecure, warnings) = Insecure::read(named)?;
    for warning in warnings {
        console.complain(&format!("warning: {warning}"));
    }
    let message = console.clone();
    let watcher = Watcher::new(move |again| {
        message.complain(&format!(
            "try {} of {} failed ({}: {}); next in {:.1} s",
            again.attempt,
            again.of,
            again.what,
            again.why,
            again.wait.as_secs_f64()
        ));
    });
    Ok(Client::new(Settings {
        keyring,
        insecure,
        watcher,
        secrets: console.secrets(),
        ..Settings::default()
    }))
}
