//! The steps `preflight` and `subnamespaces`: what can be known is found out before anything is done,
//! and what targets need of the cluster is made.

use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;

use super::accounts::Account;
use super::images::parse;
use super::{Execution, Said};
use crate::error::Failure;
use crate::kube::{Action, Api, Progress, Stage};
use crate::plan::{Preflight, Review, Subnamespaces};
use crate::report::time;
use crate::web::Retrying;

/// The token files of the run's own accounts.
const OWN_TOKEN: &str = "own-token";
const DESTINATION_TOKEN: &str = "destination-token";

/// What checks found, in the order they ended.
#[derive(Default)]
struct Findings {
    said: Vec<String>,
    failures: Vec<Failure>,
}

impl Findings {
    fn add(&mut self, found: Result<Option<String>, Failure>) {
        match found {
            Ok(said) => self.said.extend(said),
            Err(failure) => self.failures.push(failure),
        }
    }
}

impl Execution<'_> {
    /// Everything at the same time; all that is wrong is told at once.
    pub(super) async fn preflight(&self, preflight: &Preflight) -> Said {
        let found = Mutex::<Findings>::default();
        let add = |result| found.lock().unwrap_or_else(PoisonError::into_inner).add(result);
        let accounts = &self.edges.accounts;
        let own = async {
            if let Some(account) = &accounts.own
                && !self.enter(account, OWN_TOKEN, &add).await
            {
                return;
            }
            let cluster = async {
                let located = match &accounts.own {
                    Some(account) => account.locate().await,
                    None => Ok(None),
                };
                let there = located.is_ok();
                add(located);
                if let Some(review) = preflight.review.as_ref().filter(|_| there) {
                    add(self.review(review).await);
                }
            };
            let push = async { add(self.may_push(preflight.push.as_deref()).await) };
            let pull = async { add(self.may_pull(preflight.pull.as_deref()).await) };
            tokio::join!(cluster, push, pull);
        };
        let destination = async {
            if let Some(account) = &accounts.destination
                && !self.enter(account, DESTINATION_TOKEN, &add).await
            {
                return;
            }
            let cluster = async {
                if let Some(account) = &accounts.destination {
                    add(account.locate().await);
                }
            };
            let push = async { add(self.may_push(preflight.promote.as_deref()).await) };
            tokio::join!(cluster, push);
        };
        tokio::join!(own, destination);
        let Findings { said, failures } = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        match together(failures) {
            Some(failure) => Err(failure),
            None => Ok(Some(said.join("; ")).filter(|said| !said.is_empty())),
        }
    }

    /// Becomes the account; whether that worked.
    async fn enter(
        &self,
        account: &Account,
        file: &str,
        add: &impl Fn(Result<Option<String>, Failure>),
    ) -> bool {
        let entered = account.enter(self.site.paths.scratch.join(file), &self.reporter).await;
        let ok = entered.is_ok();
        add(entered.map(|()| Some(format!("acts as the {}", account.name()))));
        ok
    }

    async fn may_push(&self, repository: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(repository) = repository else { return Ok(None) };
        self.edges.oci.may_push(&parse(repository)?).await.map_err(|error| {
            Failure::from(error).context(format!("this job may not push images to {repository}"))
        })?;
        Ok(Some(format!("may push to {repository}")))
    }

    async fn may_pull(&self, repository: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(repository) = repository else { return Ok(None) };
        self.edges.oci.may_pull(&parse(repository)?).await.map_err(|error| {
            Failure::from(error).context(format!("this job may not pull images from {repository}"))
        })?;
        Ok(Some(format!("may pull from {repository}")))
    }

    /// Asks the cluster whether the targets may do what they are about to.
    async fn review(&self, review: &Review) -> Result<Option<String>, Failure> {
        let api = self.api()?;
        let actions: Vec<_> = match review {
            Review::Subnamespaces(parent) => vec![Action::create_subnamespaces(parent)],
            Review::Deploy(names) => names.iter().map(|name| Action::deploy(name)).collect(),
        };
        let checks = join_all(actions.iter().map(|action| api.check(action))).await;
        checks.into_iter().collect::<Result<(), _>>()?;
        let may: Vec<_> = actions.iter().map(ToString::to_string).collect();
        Ok(Some(format!("may {}", may.join(", "))))
    }

    /// The cluster of the targets.
    fn api(&self) -> Result<Api, Failure> {
        let token = self.site.paths.scratch.join(OWN_TOKEN);
        let account = self.edges.accounts.own.as_ref();
        let kubeconfig = match account.and_then(|account| account.kubeconfig(&token)) {
            Some(kubeconfig) => kubeconfig,
            None => self.site.kubeconfig.for_target(self.site.kube_context.as_deref(), None)?,
        };
        let retrying = Retrying { watcher: self.edges.watcher.clone(), ..Retrying::default() };
        Ok(Api::new(&kubeconfig, &self.site.env, retrying)?)
    }

    /// Sees to it that the subnamespaces are there.
    pub(super) async fn subnamespaces(&self, wanted: &Subnamespaces) -> Said {
        let api = self.api()?;
        let made = Mutex::new(0_usize);
        let tell = |progress: &Progress| {
            let Progress { name, stage, elapsed } = progress;
            let elapsed = time(elapsed.as_secs_f64());
            match stage {
                Stage::Created => {
                    *made.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    self.notice(&format!("created the subnamespace {name} of {}", wanted.parent));
                }
                Stage::Waiting(state) => {
                    let state = state.as_deref().unwrap_or("without a state");
                    self.notice(&format!("waiting for the subnamespace {name} ({state}, {elapsed})"));
                }
                Stage::Ready(_) => {}
            }
        };
        let limit = self.site.subnamespaces_limit;
        api.ensure_subnamespaces(&wanted.parent, &wanted.names, limit, &tell).await?;
        let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(format!("{} of {} ready, {made} created", wanted.names.len(), wanted.parent)))
    }
}

/// One failure that tells all of them.
fn together(mut failures: Vec<Failure>) -> Option<Failure> {
    if failures.len() < 2 {
        return failures.pop();
    }
    // The same account may stand on both sides.
    failures.dedup_by(|one, other| {
        one.help == other.help && one.causes == other.causes && one.what == other.what
    });
    let exit = failures.first()?.exit;
    let what = format!("{} checks failed", failures.len());
    let shown = failures.iter().map(|failure| {
        let words: Vec<_> =
            std::iter::once(&failure.what).chain(&failure.causes).map(String::as_str).collect();
        words.join(": ")
    });
    let causes = shown.collect();
    let helps: Vec<_> = failures.iter().filter_map(|failure| failure.help.clone()).collect();
    let help = Some(helps.join("\n\n")).filter(|help| !help.is_empty());
    Some(Failure { what, causes, help, exit })
}
