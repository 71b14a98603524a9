//! The steps `preflight` and `subnamespaces`: they check everything that can be checked before the build, and create
//! what targets need in the cluster.

use std::time::Duration;

use futures_util::future::join_all;

use super::accounts::Account;
use super::{Execution, Message, Progress};
use crate::domain::image::ImagePath;
use crate::edges::kube::{Api, Permission, SubnamespaceProgress as Waiting, SubnamespaceStage};
use crate::gate::outcome::Event;
use crate::gate::plan::{Preflight, Review, Subnamespaces};
use crate::gate::record::{Credential, Signing};
use crate::report::time;
use oci::OciError;
use sys::error::Failure;
use sys::retry::{Policy, Retrying};
use sys::sync::Mutex;
use workflow_commands::Level;

/// The token files of the accounts of p2p itself.
const OWN_TOKEN: &str = "own-token";
const DESTINATION_TOKEN: &str = "destination-token";

/// The checks, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    Own,
    Cluster,
    Review,
    Pull,
    Push,
    Destination,
    OtherCluster,
    Promote,
    Signing,
    Existing,
}

/// The results of the checks.
#[derive(Default)]
struct Findings(Vec<(Check, Result<Option<String>, Failure>)>);

impl Findings {
    /// Joins the results into one sentence or one failure. Each appears once, because both sides may use one
    /// account.
    fn summary(mut self) -> Message {
        self.0.sort_by_key(|(check, _)| *check);
        let (mut messages, mut failures) = (Vec::new(), Vec::new());
        for (_, found) in self.0 {
            match found {
                Ok(Some(text)) if !messages.contains(&text) => messages.push(text),
                Err(failure) if !failures.contains(&failure) => failures.push(failure),
                _ => {}
            }
        }
        match Failure::together(failures, "checks failed") {
            Some(failure) => Err(failure),
            None => Ok(Some(messages.join("; ")).filter(|messages| !messages.is_empty())),
        }
    }
}

impl Execution<'_> {
    /// Runs all checks at the same time, and reports all failures together.
    pub(super) async fn preflight(&self, preflight: &Preflight, progress: &Progress) -> Message {
        let found = Mutex::<Findings>::default();
        let add = |check, result| {
            found.lock().0.push((check, result));
        };
        let accounts = &self.edges.accounts;
        let own = async {
            if let Some(account) = &accounts.own
                && !self.enter(account, OWN_TOKEN, Check::Own, &add).await
            {
                return;
            }
            let cluster = async {
                let located = match &accounts.own {
                    Some(account) => account.locate().await,
                    None => Ok(None),
                };
                let there = located.is_ok();
                add(Check::Cluster, located);
                if let Some(review) = preflight.review.as_ref().filter(|_| there) {
                    add(Check::Review, self.review(review).await);
                }
            };
            let account = accounts.own.as_ref();
            let push = async { add(Check::Push, self.may_push(preflight.push.as_ref(), account).await) };
            let pull = async { add(Check::Pull, self.may_pull(preflight.pull.as_ref(), account).await) };
            tokio::join!(cluster, push, pull);
        };
        let destination = async {
            if let Some(account) = &accounts.destination
                && !self.enter(account, DESTINATION_TOKEN, Check::Destination, &add).await
            {
                return;
            }
            let cluster = async {
                if let Some(account) = &accounts.destination {
                    add(Check::OtherCluster, account.locate().await);
                }
            };
            let account = accounts.destination.as_ref();
            let push =
                async { add(Check::Promote, self.may_push(preflight.promote.as_ref(), account).await) };
            tokio::join!(cluster, push);
        };
        let signing = async {
            if let Some(checked) = self.may_sign().await {
                add(Check::Signing, checked);
            }
        };
        tokio::join!(own, destination, signing);
        // This check needs both accounts.
        if found.lock().0.iter().all(|(_, result)| result.is_ok()) {
            add(Check::Existing, self.conflicts(progress).await);
        }
        found.into_inner().summary()
    }

    /// Checks that the records can be signed. Where they need not be signed, a warning says why they cannot, and nothing
    /// is asked of Sigstore.
    async fn may_sign(&self) -> Option<Message> {
        let signs = |signing: &&Signing| signing.must || matches!(signing.credential, Credential::Key(_));
        let signing = self.edges.ledger.signing().filter(signs)?;
        match signing.check().await {
            Err(failure) if !signing.must => {
                let text = format!("the records of this run will not be signed: {failure}");
                self.reporter.emit(&Event::Message(Level::Warning, &text));
                None
            }
            checked => Some(checked.map(Some)),
        }
    }

    /// Gets the first token of an account. Returns whether that worked.
    async fn enter(
        &self,
        account: &Account,
        file: &str,
        check: Check,
        add: &impl Fn(Check, Result<Option<String>, Failure>),
    ) -> bool {
        let entered = match self.run_context.paths.scratch() {
            Ok(scratch) => account.enter(scratch.join(file), &self.reporter).await,
            Err(failure) => Err(failure),
        };
        let ok = entered.is_ok();
        add(check, entered.map(|()| Some(format!("acts as the {}", account.name()))));
        ok
    }

    async fn may_push(&self, repository: Option<&ImagePath>, account: Option<&Account>) -> Message {
        let Some(repository) = repository else { return Ok(None) };
        let asked = self.edges.oci.may_push(&repository.repository()?).await;
        asked.map_err(|error| refused(error, account, "push images to", repository, "writer"))?;
        Ok(Some(format!("may push to {repository}")))
    }

    async fn may_pull(&self, repository: Option<&ImagePath>, account: Option<&Account>) -> Message {
        let Some(repository) = repository else { return Ok(None) };
        let asked = self.edges.oci.may_pull(&repository.repository()?).await;
        asked.map_err(|error| refused(error, account, "pull images from", repository, "reader"))?;
        Ok(Some(format!("may pull from {repository}")))
    }

    /// Asks the cluster whether the targets have the rights that they need, and whether the namespaces exist.
    async fn review(&self, review: &Review) -> Result<Option<String>, Failure> {
        let api = self.api(self.patiently())?;
        let (names, actions) = match review {
            Review::Subnamespaces(parent) => {
                (std::slice::from_ref(parent), vec![Permission::create_subnamespaces(parent)])
            }
            Review::Deploy(names) => {
                (names.as_slice(), names.iter().map(|name| Permission::deploy(name)).collect())
            }
        };
        let (lacking, checks) = tokio::join!(
            join_all(names.iter().map(|name| api.lacks_namespace(name))),
            join_all(actions.iter().map(|action| api.check(action))),
        );
        let lacking = names.iter().zip(lacking).filter(|(_, lacking)| *lacking).map(|(name, _)| name);
        for name in lacking {
            match review {
                Review::Subnamespaces(_) => return Err(api.no_namespace(name).into()),
                // A target may create the namespace itself.
                Review::Deploy(_) => {
                    let text =
                        format!("{}; a target that deploys to it must create it", api.no_namespace(name));
                    self.reporter.emit(&Event::Message(Level::Warning, &text));
                }
            }
        }
        checks.into_iter().collect::<Result<(), _>>()?;
        let may: Vec<_> = actions.iter().map(ToString::to_string).collect();
        Ok(Some(format!("may {}", may.join(", "))))
    }

    /// The API of the targets' cluster.
    pub(super) fn api(&self, retrying: Retrying) -> Result<Api, Failure> {
        let token = self.run_context.paths.scratch()?.join(OWN_TOKEN);
        let account = self.edges.accounts.own.as_ref();
        let kubeconfig = match account.and_then(|account| account.kubeconfig(&token)) {
            Some(kubeconfig) => kubeconfig,
            None => self.run_context.kubeconfig.for_target(self.run_context.kube_context.as_deref(), None)?,
        };
        Ok(Api::new(&kubeconfig, &self.run_context.env, retrying)?)
    }

    /// Six tries of a few seconds each, so that a server that stalls delays the run by less than a minute.
    fn patiently(&self) -> Retrying {
        let policy = Policy { patience: Duration::from_secs(10), ..Policy::default() };
        Retrying { policy, watcher: self.edges.watcher.clone() }
    }

    /// Creates the subnamespaces that are missing.
    pub(super) async fn subnamespaces(&self, wanted: &Subnamespaces) -> Message {
        let api = self.api(self.patiently())?;
        let made = Mutex::new(0_usize);
        let tell = |progress: &Waiting| {
            let Waiting { name, stage, elapsed } = progress;
            let elapsed = time(elapsed.as_secs_f64());
            match stage {
                SubnamespaceStage::Created => {
                    *made.lock() += 1;
                    self.notice(&format!("created the subnamespace {name} of {}", wanted.parent));
                }
                SubnamespaceStage::Waiting(state) => {
                    let state = state.as_deref().unwrap_or("without a state");
                    self.notice(&format!("waiting for the subnamespace {name} ({state}, {elapsed})"));
                }
                SubnamespaceStage::Ready(_) => {}
            }
        };
        let limit = self.run_context.subnamespaces_limit;
        api.ensure_subnamespaces(&wanted.parent, &wanted.names, limit, &tell).await?;
        let api = &api;
        let reviews = wanted.names.iter().map(|name| async move {
            let wait = || self.notice(&format!("waiting for the roles of {} in {name}", wanted.parent));
            api.check_subnamespace(&wanted.parent, &Permission::deploy(name), &wait).await
        });
        join_all(reviews).await.into_iter().collect::<Result<(), _>>()?;
        let made = made.into_inner();
        Ok(Some(format!("{} of {} ready, {made} created", wanted.names.len(), wanted.parent)))
    }
}

/// The failure for a registry's refusal. For a service account, it names the role that is missing.
fn refused(
    error: OciError,
    account: Option<&Account>,
    what: &str,
    repository: &ImagePath,
    role: &str,
) -> Failure {
    let denied = error.is_denied();
    let mut failure = Failure::from(error);
    let who = match account.filter(|account| account.registry().is_some()) {
        Some(account) => {
            if denied {
                failure.help = Some(format!(
                    "check tenant-name and project-id, of which the registry's name is made, and grant the {} the role \
                     roles/artifactregistry.{role} there",
                    account.name()
                ));
            }
            format!("the {}", account.name())
        }
        None => "this job".to_owned(),
    };
    failure.context(if denied {
        format!("{who} may not {what} {repository}")
    } else {
        format!("it cannot be found out whether {who} may {what} {repository}")
    })
}
