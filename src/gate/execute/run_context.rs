//! What a plan needs to run, and the private files of each target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::accounts::Accounts;
use super::report_globs::TestReports;
use crate::domain::environment::{BUILD, Stage};
use crate::domain::version::{Commit, Kind};
use crate::edges::git::Git;
use crate::edges::github::GitHub;
use crate::edges::kube::Kubeconfig;
use crate::edges::make;
use crate::edges::workspace::{ArtifactGlobs, Listed, RestoredFile, Snapshot, bring_back, list};
use crate::gate::allocation::{self, Listing};
use crate::gate::context::Paths;
use crate::gate::plan::{Cache, Place, Plan};
use crate::gate::record::{By, Ledger, Rule};
use crate::inputs::Bump;
use oci::logins::Login;
use oci::{Client, Digest};
use registry::Pushes;
use sys::error::{Failure, FileError};
use sys::retry::Watcher;
use sys::sync::Mutex;
use sys::world::Env;

pub(crate) struct Edges {
    pub oci: Client,
    /// The records of images in the registries.
    pub ledger: Arc<Ledger>,
    pub git: Git,
    /// The remote repository, on GitHub.
    pub remote: Option<Allocation>,
    /// The accounts of the run.
    pub accounts: Accounts,
    /// The pushes to the embedded registry, in a local run that uses it.
    pub pushes: Option<Pushes>,
    /// The pull request of the event, if there is a token for comments.
    pub pull_request: Option<PullRequest>,
    /// GitHub, if it gets the signed records.
    pub attestations: Option<GitHub>,
    /// GitHub, if its linked artifacts show where images are.
    pub linked: Option<GitHub>,
    /// Gets each retry of a request.
    pub watcher: Watcher,
}

/// A pull request.
pub(crate) struct PullRequest {
    pub number: u64,
    pub github: GitHub,
}

/// The logins from the inputs, each for its registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenLogins {
    /// For the environment's registry.
    pub own: Option<Login>,
    /// For the registry to promote from.
    pub source: Option<Login>,
    /// For the registry to promote to.
    pub destination: Option<Login>,
    /// For further registries, such as the tenant's own.
    pub further: Vec<Login>,
    /// For registries that only promotions need.
    pub promotions: Vec<Login>,
}

impl GivenLogins {
    /// All logins. If two are for the same registry, the later one counts.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Login> {
        let further = self.further.iter().chain(&self.promotions);
        further.chain([&self.own, &self.source, &self.destination].into_iter().flatten())
    }
}

/// What the allocation of a version needs.
pub(crate) struct Allocation {
    pub repository: allocation::Remote,
    /// The commit under test.
    pub commit: Commit,
    /// What its version is computed from.
    pub kind: Kind,
    /// The version tags that were read before.
    pub listing: Listing,
    /// The part of the version that increases.
    pub bump: Bump,
}

/// What a plan needs to run.
pub(crate) struct RunContext {
    pub place: Place,
    /// Whether recipes should use colours: the reader can see them, and the Makefile has no setting of its own.
    pub colours: bool,
    /// The environment of this process, which targets inherit.
    pub env: Env,
    pub paths: Paths,
    /// The path of this program.
    pub binary: PathBuf,
    /// The input `insecure-registries`.
    pub insecure_registries: Option<String>,
    /// The flags of the command that repeats a target, with their values.
    pub flags: Vec<(&'static str, String)>,
    /// The largest workspace to copy, in bytes.
    pub copy_limit: u64,
    /// The logins of p2p, and of targets whose gate has none of its own.
    pub logins: GivenLogins,
    /// The logins of the targets of `run`, by their gates.
    pub stage_logins: BTreeMap<Stage, GivenLogins>,
    /// The kubeconfig of targets.
    pub kubeconfig: Kubeconfig,
    /// The context to use in that kubeconfig.
    pub kube_context: Option<String>,
    /// The kubeconfig for a promotion to another environment than the job's own.
    pub kubeconfig_elsewhere: Option<Kubeconfig>,
    /// gcloud's default credentials. Each target finds them as the job had them.
    pub credentials: Option<RestoredFile>,
    /// The build cache that make gets.
    pub cache: Cache,
    /// The test reports to read.
    pub test_reports: Option<TestReports>,
    /// The directory for scanners and their databases.
    pub scanner_cache: PathBuf,
    /// Who judges, for the records of the gate.
    pub by: By,
    /// The rule for the records that count.
    pub rule: Rule,
    /// The digest of the Makefile before any target ran.
    pub makefile: Option<String>,
    /// How long p2p waits for a subnamespace.
    pub subnamespaces_limit: Duration,
    /// The names of the logs so far.
    pub log_names: Mutex<BTreeSet<String>>,
}

impl RunContext {
    /// The digest of the Makefile in this directory.
    pub(crate) fn makefile(directory: &Path) -> Option<String> {
        make::content(directory).map(|content| Digest::of(content).to_string())
    }

    /// Restores gcloud's default credentials.
    pub(super) fn restore_credentials(&self) -> Result<(), Failure> {
        match &self.credentials {
            Some(file) => Ok(file.restore()?),
            None => Ok(()),
        }
    }

    /// Whether targets may have used a cluster. On a laptop they get an empty kubeconfig unless the user names one.
    pub(super) fn reaches_a_cluster(&self, plan: &Plan) -> bool {
        self.place == Place::Github
            || self.kubeconfig.contexts().next().is_some()
            || plan.access.own.cluster.is_some()
    }

    /// The log file of a target. A number makes the name unique if a target runs twice, or if two names differ only
    /// in characters that file names cannot contain.
    pub(super) fn log_of(&self, target: &str) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = target.chars().map(plain).collect();
        let mut taken = self.log_names.lock();
        let mut file = name.clone();
        let mut number = 1;
        while !taken.insert(file.clone()) {
            number += 1;
            file = format!("{name}-{number}");
        }
        self.paths.logs.join(format!("{file}.log"))
    }

    /// The files of the globs, as absolute paths. Files in a checkout of p2p's own are copied beside the logs,
    /// because the checkout is removed. Blocks.
    pub(super) fn artifacts(
        &self,
        globs: &[String],
    ) -> impl FnOnce() -> Result<Listed, Failure> + Send + use<> {
        let globs = globs.to_vec();
        let (directory, workspace) = (self.paths.directory.clone(), self.paths.workspace.clone());
        let apart = self.paths.elsewhere().then(|| self.paths.logs.join("artifacts"));
        move || {
            let globs = ArtifactGlobs::parse(globs.iter().map(String::as_str))?;
            let (mut at, mut root) = (directory, workspace);
            if let Some(apart) = apart.filter(|_| !globs.is_empty()) {
                std::fs::create_dir_all(&apart).map_err(FileError::at("create a directory in", &apart))?;
                bring_back(&globs, &at, &apart, &Snapshot::default(), &apart)?;
                (at, root) = (apart.clone(), apart);
            }
            Ok(list(&globs, &at, &root)?)
        }
    }

    /// The command that repeats a target on a laptop. Only a gate can set up what a promotion needs.
    pub(super) fn repeat(&self, target: &str) -> String {
        let promotes = Stage::promoted_by(target).and_then(|stage| stage.earlier().last().copied());
        let gate = promotes.or(Stage::of_target(target).filter(|stage| *stage != Stage::FastFeedback));
        let command = match target {
            BUILD => format!("p2p run {BUILD}"),
            // The registry of local runs keeps the images that the previous gate promoted.
            target => match gate {
                Some(gate) => format!("p2p {}", gate.word()),
                None => format!("p2p run {BUILD} {target}"),
            },
        };
        self.flags
            .iter()
            .fold(command, |command, (flag, value)| format!("{command} --{flag} {}", word(value)))
    }
}

/// Quotes a text as one word for a shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The directory that make runs in, in the workspace or in its copy at `root`. It has no slash at the end, because
/// recipes see it as `PWD`.
pub(super) fn inside(root: &Path, paths: &Paths) -> PathBuf {
    root.join(paths.inside()).components().collect()
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_word_stays_one_word_for_the_shell() {
        assert_eq!(word("apps/web-1.2"), "apps/web-1.2");
        assert_eq!(word("my app's"), "'my app'\\''s'");
        assert_eq!(word(""), "''");
    }
}
