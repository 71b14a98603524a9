//! The private files of each target: logins, kubeconfig, credential files, and the files of the runner. While the
//! target runs, p2p renews those that contain tokens.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Execution;
use super::accounts::{Account, Current};
use crate::domain::environment::{Stage, runtime};
use crate::edges::google::{Renewer, Token};
use crate::edges::kube::Kubeconfig;
use crate::gate::plan::{Place, Target};
use oci::logins::{Login, Logins, UserFiles};
use sys::error::Failure;
use sys::private::{self, Links};
use sys::removals::Directory;
use sys::sync::Mutex;

/// The files of one target. They are removed when this is dropped.
pub(super) struct Private {
    /// The first field, so that it is dropped first: the thread that renews tokens must not write into a removed
    /// directory.
    _renewers: Vec<Renewer>,
    directory: Directory,
    logins: Arc<Logins>,
    runner_files: Vec<(&'static str, PathBuf)>,
    of_accounts: Vec<(&'static str, OsString)>,
}

impl Private {
    /// Creates the files in the run's own directory. A target that promotes works on the destination, and may read
    /// from the source.
    pub(super) async fn make(run: &Execution<'_>, target: &Target, promotes: bool) -> Result<Self, Failure> {
        let run_context = run.run_context;
        let directory = run_context.paths.private()?;
        let at = directory.path();
        let current = run.logins(&target.target, promotes).await?;
        let logins = Arc::new(Logins::create(at, &UserFiles::of(&run_context.env), &current)?);
        let current = Arc::new(Current(Mutex::new(current)));
        let token = at.join("token");
        let accounts = &run.edges.accounts;
        let facing = if promotes { &accounts.destination } else { &accounts.own };
        let mut renewers = Vec::new();
        for account in accounts.own.iter().chain(accounts.destination.iter().filter(|_| promotes)) {
            let faced = facing.as_ref().is_some_and(|facing| std::ptr::eq(facing, account));
            let token = Some(token.clone()).filter(|_| faced);
            let (logins, current) = (Arc::clone(&logins), Arc::clone(&current));
            let registry = account.registry().map(|(registry, _)| registry.to_owned());
            let on_token = move |new: &Token| {
                if let Some(file) = &token {
                    new.write(file)?;
                }
                if let Some(registry) = &registry {
                    logins.renew(&current.replace(&super::accounts::login(registry, new)))?;
                }
                Ok(())
            };
            renewers.push(account.keep(on_token, &run.reporter).await?);
        }
        kubeconfig(run, target, promotes, &token)?.write(&at.join("kubeconfig"))?;
        let of_accounts = run.of_accounts(at, promotes).await?;
        // What a target writes to the runner's files is discarded, except for the summary.
        let mut runner_files = Vec::new();
        if run_context.place == Place::Github {
            runner_files = private::runner_files(at)?;
        }
        Ok(Self { _renewers: renewers, directory, logins, runner_files, of_accounts })
    }

    /// The directory of the files. No other target knows it.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The variables with the paths of the files.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let at = self.directory.path();
        let mut variables = vec![
            (runtime::KUBECONFIG, at.join("kubeconfig").into()),
            (runtime::KUBE_CONFIG_PATH, at.join("kubeconfig").into()),
            (runtime::DOCKER_CONFIG, self.logins.docker_config().into()),
            (runtime::REGISTRY_AUTH_FILE, self.logins.registry_auth_file().into()),
        ];
        variables.extend(self.runner_files.iter().map(|(name, path)| (*name, path.clone().into())));
        variables.extend(self.of_accounts.iter().cloned());
        variables
    }

    /// The step summary of the target, up to `most` bytes.
    pub(super) fn summary(&self, most: u64) -> Option<String> {
        let path = self.directory.path().join(runtime::GITHUB_STEP_SUMMARY);
        let file = private::open(&path, Links::Refuse).ok()?;
        let mut text = Vec::new();
        file.take(most).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        (!text.trim().is_empty()).then_some(text)
    }
}

/// The kubeconfig for the target's cluster.
fn kubeconfig(
    run: &Execution<'_>,
    target: &Target,
    promotes: bool,
    token: &Path,
) -> Result<Kubeconfig, Failure> {
    let run_context = run.run_context;
    let accounts = &run.edges.accounts;
    let facing = if promotes { &accounts.destination } else { &accounts.own };
    let namespace = target.namespace.as_deref();
    if let Some(found) = facing.as_ref().and_then(|account| account.kubeconfig(token)) {
        return Ok(found.for_target(None, namespace)?);
    }
    // The cluster of another environment must not replace this one.
    if promotes && accounts.own.as_ref().is_some_and(|account| account.kubeconfig(token).is_some()) {
        return Ok(Kubeconfig::empty());
    }
    Ok(match run_context.kubeconfig_elsewhere.as_ref().filter(|_| promotes) {
        Some(elsewhere) => elsewhere.for_target(None, namespace)?,
        None => run_context.kubeconfig.for_target(run_context.kube_context.as_deref(), namespace)?,
    })
}

impl Execution<'_> {
    /// The logins of a target, those of its own gate. The one for its `REGISTRY` comes first. A promotion has logins for
    /// both sides.
    async fn logins(&self, target: &str, promotes: bool) -> Result<Vec<Login>, Failure> {
        let (run, accounts) = (self.run_context, &self.edges.accounts);
        let of_stage = Stage::of_target(target).and_then(|stage| run.stage_logins.get(&stage));
        let given = of_stage.unwrap_or(&run.logins);
        let mut logins: Vec<Login> = Vec::new();
        if promotes {
            logins.extend(given.destination.clone());
            logins.extend(of_account(accounts.destination.as_ref()).await?);
            logins.extend(given.source.clone());
        }
        logins.extend(given.own.clone());
        logins.extend(of_account(accounts.own.as_ref()).await?);
        logins.extend(given.further.iter().cloned());
        logins.extend(given.promotions.iter().filter(|_| promotes).cloned());
        let mut known: Vec<String> = Vec::new();
        logins.retain(|login| {
            let first = !known.contains(&login.registry);
            known.push(login.registry.clone());
            first
        });
        Ok(logins)
    }

    /// The variables that the accounts add, with their credential files.
    async fn of_accounts(&self, at: &Path, promotes: bool) -> Result<Vec<(&'static str, OsString)>, Failure> {
        let accounts = &self.edges.accounts;
        let mut variables = Vec::new();
        let facing = if promotes { &accounts.destination } else { &accounts.own };
        if let Some(account) = facing {
            let file = at.join("credentials.json");
            account.write_credential_file(&file)?;
            variables.extend(
                [
                    runtime::GOOGLE_APPLICATION_CREDENTIALS,
                    runtime::CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE,
                    runtime::GOOGLE_GHA_CREDS_PATH,
                ]
                .map(|name| (name, file.clone().into())),
            );
            if promotes {
                variables.push((runtime::DEST_AUTH_OVERRIDE, file.into()));
                variables.push((runtime::DEST_ACCESS_TOKEN, account.token().await?.secret().expose().into()));
            }
        }
        if let Some(account) = accounts.own.as_ref().filter(|_| promotes) {
            let file = at.join("source-credentials.json");
            account.write_credential_file(&file)?;
            variables.push((runtime::SOURCE_AUTH_OVERRIDE, file.into()));
            variables.push((runtime::SOURCE_ACCESS_TOKEN, account.token().await?.secret().expose().into()));
        }
        Ok(variables)
    }
}

async fn of_account(account: Option<&Account>) -> Result<Option<Login>, Failure> {
    let Some((account, (registry, _))) = account.and_then(|account| Some((account, account.registry()?)))
    else {
        return Ok(None);
    };
    Ok(Some(super::accounts::login(registry, &account.token().await?)))
}
