//! The accounts that a run acts as: their tokens, kept fresh, and the clusters that they reach.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::edges::google::{Cluster, ClusterName, Federation, Identity, Renewer, TOKEN_USER, Token};
use crate::edges::kube::Kubeconfig;
use crate::gate::outcome::Event;
use crate::gate::plan::{Located, Side};
use crate::report::Reporter;
use oci::logins::Login;
use oci::{Credentials, RefreshableCredentials};
use sys::error::Failure;
use sys::sync::Mutex;
use workflow_commands::Level;

/// A service account that the run acts as in one environment.
pub(crate) struct Account {
    federation: Federation,
    identity: Identity,
    registry: Option<String>,
    located: Option<Located>,
    /// What the client of registries shows; set when the account is entered.
    renewed: RefreshableCredentials,
    found: OnceLock<Cluster>,
    keeper: Mutex<Option<Renewer>>,
}

impl Account {
    /// The account of a plan's side, if it has one. Nothing is asked yet.
    ///
    /// # Errors
    /// When a name cannot be one.
    pub(crate) fn of(side: &Side, federation: &Federation) -> Result<Option<Self>, Failure> {
        let Some(acting) = &side.identity else { return Ok(None) };
        let identity = Identity::new(acting.role, &acting.provider.text, &acting.service_account.text)?;
        Ok(Some(Self {
            federation: federation.clone(),
            identity,
            registry: side.registry.clone(),
            located: side.cluster.clone(),
            renewed: RefreshableCredentials::default(),
            found: OnceLock::new(),
            keeper: Mutex::default(),
        }))
    }

    /// The registry that its token logs in to, and what to show there.
    pub(crate) fn registry(&self) -> Option<(&str, RefreshableCredentials)> {
        Some((self.registry.as_deref()?, self.renewed.clone()))
    }

    /// Who it is, for messages.
    pub(super) fn name(&self) -> String {
        self.identity.to_string()
    }

    /// Gets a first token, and renews what carries it as long as the run lasts: what registries are
    /// shown, and a file for ourselves.
    pub(crate) async fn enter(&self, file: PathBuf, reporter: &Reporter) -> Result<(), Failure> {
        let renewed = self.renewed.clone();
        let on_token = move |token: &Token| {
            renewed.set(credentials(token));
            Ok(token.write(&file)?)
        };
        let keeper = self.keep(on_token, reporter).await?;
        *self.keeper.lock() = Some(keeper);
        Ok(())
    }

    /// Hands over a token now, and each new one as long as the renewer lives.
    pub(super) async fn keep(
        &self,
        on_token: impl FnMut(&Token) -> Result<(), Failure> + Send + 'static,
        reporter: &Reporter,
    ) -> Result<Renewer, Failure> {
        let (reporter, name, warned) = (reporter.clone(), self.name(), AtomicBool::new(false));
        let on_trouble = move |failure: Failure| {
            // Once as a warning: it is tried again every half minute.
            let level = if warned.swap(true, Ordering::Relaxed) { Level::Notice } else { Level::Warning };
            let text = format!("the token of the {name} could not be renewed yet: {}", failure.what);
            reporter.emit(&Event::Message(level, &text));
        };
        self.federation.keep(self.identity.clone(), on_token, on_trouble).await
    }

    /// The current token.
    pub(super) async fn token(&self) -> Result<Token, Failure> {
        Ok(self.federation.token(&self.identity).await?)
    }

    /// Writes its credential file, with which gcloud and the client libraries federate by themselves.
    pub(super) fn write_credential_file(&self, path: &Path) -> Result<(), Failure> {
        Ok(self.federation.write_credential_file(&self.identity, path)?)
    }

    /// Looks its cluster up, where the plan names one; says what was found.
    pub(super) async fn locate(&self) -> Result<Option<String>, Failure> {
        let Some(located) = &self.located else { return Ok(None) };
        let name = ClusterName {
            project: located.project.clone(),
            location: located.location.clone(),
            cluster: located.name.clone(),
        };
        let found = self.federation.cluster(&self.identity, &name, located.endpoint).await?;
        let message = format!("the cluster {} by its {} endpoint", located.name, found.endpoint);
        // It is asked once.
        let _first = self.found.set(found);
        Ok(Some(message))
    }

    /// The kubeconfig for its cluster, once that was found; the user's token is in the file.
    pub(super) fn kubeconfig(&self, token: &Path) -> Option<Kubeconfig> {
        let (located, found) = (self.located.as_ref()?, self.found.get()?);
        let authority = found.certificate_authority.as_deref();
        Some(Kubeconfig::with_token_file(&located.context, &found.server, authority, token))
    }
}

/// What registries are shown.
fn credentials(token: &Token) -> Credentials {
    Credentials::Password { username: TOKEN_USER.to_owned(), password: token.secret().clone() }
}

/// The login to one of Google's registries with a token.
pub(super) fn login(registry: &str, token: &Token) -> Login {
    let (username, password) = (TOKEN_USER.to_owned(), token.secret().clone());
    Login { registry: registry.to_owned(), username, password }
}

/// The accounts of a run.
#[derive(Default)]
pub(crate) struct Accounts {
    /// In the environment of the targets; of `promote`, in the one that is promoted from.
    pub own: Option<Account>,
    /// In the environment that is promoted to.
    pub destination: Option<Account>,
}

/// The logins of a target that its accounts give, as they are now.
pub(super) struct Current(pub(super) Mutex<Vec<Login>>);

impl Current {
    /// Puts a new password in the place of the old one; gives all logins.
    pub(super) fn replace(&self, new: &Login) -> Vec<Login> {
        let mut logins = self.0.lock();
        for old in logins.iter_mut().filter(|old| old.registry == new.registry) {
            old.clone_from(new);
        }
        logins.clone()
    }
}
