//! A client with the logins that inputs give.

use clap::ArgMatches;

use crate::error::Failure;
use crate::google::TOKEN_USER;
use crate::inputs::{Inputs, Spec};
use crate::oci::{Client, Credentials, Keyring, Repository, Settings};
use crate::report::Console;
use crate::retry::Watcher;
use crate::secret::Secret;
use crate::world::World;

/// The inputs that commands about one repository read: see [`own`].
pub(super) const OWN: [&str; 2] = ["registry-username", "registry-password"];

/// The inputs, from flags and environment.
pub(super) fn inputs(world: &World, matches: &ArgMatches) -> Result<Inputs, Failure> {
    let flag = |spec: &Spec| matches.try_get_one::<String>(spec.name).ok().flatten().cloned();
    Inputs::read(|spec| spec.text(flag(spec), &world.env))
}

/// A login for a repository; one without a user's name is that of Google's registries.
pub(super) struct Login<'a> {
    pub(super) repository: &'a Repository,
    pub(super) username: Option<&'a String>,
    pub(super) password: Option<&'a Secret>,
}

/// A client; the logins go before those that Docker's configuration holds. Repeated requests are
/// told on standard error.
pub(super) fn client(world: &World, console: &Console, logins: &[Login<'_>]) -> Result<Client, Failure> {
    let mut keyring = Keyring::from_env(&world.env)?;
    for Login { repository, username, password } in logins {
        let Some(password) = password else { continue };
        console.masker().add([*password]);
        let username = username.map_or(TOKEN_USER, String::as_str).to_owned();
        let credentials = Credentials::Password { username, password: (*password).clone() };
        keyring = keyring.with(&repository.to_string(), credentials);
    }
    let told = console.clone();
    let watcher = Watcher::new(move |again| {
        told.complain(&format!(
            "try {} of {} failed ({}: {}); next in {:.1} s",
            again.attempt,
            again.of,
            again.what,
            again.why,
            again.wait.as_secs_f64()
        ));
    });
    Ok(Client::new(Settings { keyring, watcher, ..Settings::default() }))
}

/// The login that the plain inputs give, for commands about one repository.
pub(super) fn own<'a>(inputs: &'a Inputs, repository: &'a Repository) -> Login<'a> {
    Login {
        repository,
        username: inputs.registry_username.as_ref(),
        password: inputs.registry_password.as_ref(),
    }
}
