//! The service accounts that a run acts as: their tokens, which p2p renews, and their clusters.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::edges::google::{
    Cluster, ClusterName, Federation, Identity, KeyVersion, Renewer, SigningKey, TOKEN_USER, Token,
};
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
    /// What the registry client sends. Set when p2p gets the first token.
    renewed: RefreshableCredentials,
    found: OnceLock<Cluster>,
    keeper: Mutex<Option<Renewer>>,
}

impl Account {
    /// The account of a side of the plan, if it has one. Sends no request yet.
    ///
    /// # Errors
    /// If a name is invalid.
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

    /// The registry that the account's token logs in to, with the credentials.
    pub(crate) fn registry(&self) -> Option<(&str, RefreshableCredentials)> {
        Some((self.registry.as_deref()?, self.renewed.clone()))
    }

    /// The account's name, for messages.
    pub(super) fn name(&self) -> String {
        self.identity.to_string()
    }

    /// Gets the first token. Until the run ends, p2p then renews the credentials for registries and a token file for
    /// itself.
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

    /// Passes on a token now, and each new token while the renewer lives.
    pub(super) async fn keep(
        &self,
        on_token: impl FnMut(&Token) -> Result<(), Failure> + Send + 'static,
        reporter: &Reporter,
    ) -> Result<Renewer, Failure> {
        let (reporter, name, warned) = (reporter.clone(), self.name(), AtomicBool::new(false));
        let on_trouble = move |failure: Failure| {
            // Warns only once, because p2p tries again every half minute.
            let level = if warned.swap(true, Ordering::Relaxed) { Level::Notice } else { Level::Warning };
            let text = format!("the token of the {name} could not be renewed yet: {}", failure.what);
            reporter.emit(&Event::Message(level, &text));
        };
        self.federation.keep(self.identity.clone(), on_token, on_trouble).await
    }

    /// A key that the account signs with.
    pub(crate) fn signing_key(&self, version: KeyVersion) -> SigningKey {
        SigningKey { federation: self.federation.clone(), identity: self.identity.clone(), version }
    }

    /// The current token.
    pub(super) async fn token(&self) -> Result<Token, Failure> {
        Ok(self.federation.token(&self.identity).await?)
    }

    /// Writes the credential file with which gcloud and the client libraries get tokens themselves.
    pub(super) fn write_credential_file(&self, path: &Path) -> Result<(), Failure> {
        Ok(self.federation.write_credential_file(&self.identity, path)?)
    }

    /// Looks up the cluster if the plan names one. Returns a message.
    pub(super) async fn locate(&self) -> Result<Option<String>, Failure> {
        let Some(located) = &self.located else { return Ok(None) };
        let name = ClusterName {
            project: located.project.clone(),
            location: located.location.clone(),
            cluster: located.name.clone(),
        };
        let found = self.federation.cluster(&self.identity, &name, located.endpoint).await?;
        let message = format!("the cluster {} by its {} endpoint", located.name, found.endpoint);
        // The lookup happens once.
        let _first = self.found.set(found);
        Ok(Some(message))
    }

    /// The kubeconfig for the cluster, once it has been looked up. The token is in a separate file.
    pub(super) fn kubeconfig(&self, token: &Path) -> Option<Kubeconfig> {
        let (located, found) = (self.located.as_ref()?, self.found.get()?);
        let authority = found.certificate_authority.as_deref();
        Some(Kubeconfig::with_token_file(&located.context, &found.server, authority, token))
    }
}

/// The credentials for registries.
fn credentials(token: &Token) -> Credentials {
    Credentials::Password { username: TOKEN_USER.to_owned(), password: token.secret().clone() }
}

/// The login to a registry of Google's with a token.
pub(super) fn login(registry: &str, token: &Token) -> Login {
    let (username, password) = (TOKEN_USER.to_owned(), token.secret().clone());
    Login { registry: registry.to_owned(), username, password }
}

#[derive(Default)]
pub(crate) struct Accounts {
    /// The account in the environment of the targets. For `promote`, in the environment to promote from.
    pub own: Option<Account>,
    /// The account in the environment to promote to.
    pub destination: Option<Account>,
}

/// The current logins of a target from its accounts.
pub(super) struct Current(pub(super) Mutex<Vec<Login>>);

impl Current {
    /// Replaces the password of a login. Returns all logins.
    pub(super) fn replace(&self, new: &Login) -> Vec<Login> {
        let mut logins = self.0.lock();
        for old in logins.iter_mut().filter(|old| old.registry == new.registry) {
            old.clone_from(new);
        }
        logins.clone()
    }
}
