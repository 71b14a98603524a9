//! Where a plan runs and with what, and the private files of each target.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

/// The outside systems.
pub(crate) struct Edges {
    /// Registries.
    pub oci: Client,
    /// The records of images there.
    pub ledger: Ledger,
    /// The git program.
    pub git: Git,
    /// The remote repository, on GitHub.
    pub remote: Option<Allocation>,
    /// The accounts that the run acts as.
    pub accounts: Accounts,
    /// What is pushed to the registry of a local run, where it is ours.
    pub pushes: Option<Pushes>,
    /// The pull request that the run is about, where there is a token to comment with.
    pub pull_request: Option<PullRequest>,
    /// Gets each retry of a request.
    pub watcher: Watcher,
}

/// A pull request.
pub(crate) struct PullRequest {
    /// Its number.
    pub number: u64,
    /// The repository.
    pub github: GitHub,
}

/// The logins of the inputs, each for the registry that it was given for.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenLogins {
    /// To the environment's registry.
    pub own: Option<Login>,
    /// To the registry that is promoted from.
    pub source: Option<Login>,
    /// To the registry that is promoted to.
    pub destination: Option<Login>,
    /// To further ones, such as the tenant's own.
    pub further: Vec<Login>,
    /// To what only promotions need.
    pub promotions: Vec<Login>,
}

impl GivenLogins {
    /// All of them; where two are for one registry the later is the one that is meant.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Login> {
        let further = self.further.iter().chain(&self.promotions);
        further.chain([&self.own, &self.source, &self.destination].into_iter().flatten())
    }
}

/// The remote repository, in which version tags are created.
pub(crate) struct Allocation {
    /// How it is reached.
    pub repository: allocation::Remote,
    /// The commit under test.
    pub commit: Commit,
    /// What its version is made from.
    pub kind: Kind,
    /// The version tags as they were read before.
    pub listing: Listing,
    /// What a new version counts up.
    pub bump: Bump,
}

/// Where a plan runs and with what.
pub(crate) struct RunContext {
    /// Where we are.
    pub place: Place,
    /// Whether the reader of the output sees colours, and the Makefile has no setting of its own.
    pub colours: bool,
    /// The environment of this process, which targets inherit.
    pub env: Env,
    /// The directories.
    pub paths: Paths,
    /// This program.
    pub binary: PathBuf,
    /// The input `insecure-registries`.
    pub insecure_registries: Option<String>,
    /// Flags of the command that repeats a target, each with its value.
    pub flags: Vec<(&'static str, String)>,
    /// The largest workspace that is copied, in bytes.
    pub copy_limit: u64,
    /// The logins that were given.
    pub logins: GivenLogins,
    /// The kubeconfig of targets.
    pub kubeconfig: Kubeconfig,
    /// The context in that kubeconfig.
    pub kube_context: Option<String>,
    /// What a promotion gets instead, where it goes to another environment than the job's own.
    pub kubeconfig_elsewhere: Option<Kubeconfig>,
    /// gcloud's default credentials, which each target finds as the job had them.
    pub credentials: Option<RestoredFile>,
    /// The build cache that make gets.
    pub cache: Cache,
    /// The test reports that are read.
    pub test_reports: Option<TestReports>,
    /// Where scanners and their database are kept.
    pub scanner_cache: PathBuf,
    /// Who judges, for the records of the gate.
    pub by: By,
    /// Whose records count.
    pub rule: Rule,
    /// The digest of the Makefile, before any target ran.
    pub makefile: Option<String>,
    /// How long a subnamespace may take.
    pub subnamespaces_limit: Duration,
    /// The names of the logs so far.
    pub log_names: Mutex<BTreeSet<String>>,
}

impl RunContext {
    /// The digest of the Makefile in this directory.
    pub(crate) fn makefile(directory: &Path) -> Option<String> {
        make::content(directory).map(|content| Digest::of(content).to_string())
    }

    /// Puts gcloud's default credentials back as the job had them.
    pub(super) fn restore_credentials(&self) -> Result<(), Failure> {
        match &self.credentials {
            Some(file) => Ok(file.restore()?),
            None => Ok(()),
        }
    }

    /// Whether targets may have reached a cluster: a laptop's get an empty kubeconfig unless one is named.
    pub(super) fn reaches_a_cluster(&self, plan: &Plan) -> bool {
        self.place == Place::Github
            || self.kubeconfig.contexts().next().is_some()
            || plan.access.own.cluster.is_some()
    }

    /// The file of a target's log. Names that differ only in what no file's name can hold, and a
    /// target that runs twice, get a number.
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

    /// The files that the globs name, as absolute paths. A checkout of our own goes with the run: what
    /// was left there is copied beside the logs. It blocks.
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

    /// The command that repeats a target on a laptop. What a promotion needs only a gate sets up.
    pub(super) fn repeat(&self, target: &str) -> String {
        let promotes = Stage::promoted_by(target).and_then(|stage| stage.earlier().last().copied());
        let gate = promotes.or(Stage::of_target(target).filter(|stage| *stage != Stage::FastFeedback));
        let command = match target {
            BUILD => format!("p2p run {BUILD}"),
            // The registry of local runs keeps what the gate before promoted.
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

/// One word of a shell's command line.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The directory make runs in, in the workspace or in its copy at `root`. Without a slash at the
/// end: recipes see it as `PWD`.
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
