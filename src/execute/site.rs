//! Where a plan runs and with what, and the private files of each target.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::target::unwritable;
use crate::context::Paths;
use crate::environment::runtime;
use crate::error::Failure;
use crate::git::Git;
use crate::github::GitHub;
use crate::kube::Kubeconfig;
use crate::logins::{Login, Logins, UserFiles};
use crate::oci::Client;
use crate::plan::{Place, Target};
use crate::private;
use crate::secret::Secret;
use crate::version::{Commit, Kind, Prefix, VersionTag};
use crate::workspace::{ArtifactGlobs, KeptFile, Snapshot, bring_back};
use crate::world::Env;

/// The outside systems.
pub struct Edges {
    /// Registries.
    pub oci: Client,
    /// The git program.
    pub git: Git,
    /// The remote repository, on GitHub.
    pub remote: Option<Remote>,
}

/// The remote repository, in which version tags are created.
pub struct Remote {
    /// Its API.
    pub github: GitHub,
    /// Where git reads it.
    pub url: String,
    /// The token for both.
    pub token: Option<Secret>,
    /// The prefix of version tags.
    pub prefix: Prefix,
    /// The commit under test.
    pub commit: Commit,
    /// What its version is made from.
    pub kind: Kind,
    /// The version tags as they were read before.
    pub tags: Vec<VersionTag>,
}

/// Where a plan runs and with what.
pub struct Site {
    /// Where we are.
    pub place: Place,
    /// The environment of this process, which targets inherit.
    pub env: Env,
    /// The directories.
    pub paths: Paths,
    /// This program.
    pub binary: PathBuf,
    /// Flags of the command that repeats a target, each with its value.
    pub flags: Vec<(&'static str, String)>,
    /// The largest workspace that is copied, in bytes.
    pub copy_limit: u64,
    /// The registries that targets are logged in to.
    pub logins: Vec<Login>,
    /// What targets get of a kubeconfig.
    pub kubeconfig: Kubeconfig,
    /// The context of it.
    pub kube_context: Option<String>,
    /// gcloud's default credentials, which each target finds as the job had them.
    pub credentials: Option<KeptFile>,
}

impl Site {
    /// Puts gcloud's default credentials back as the job had them.
    pub(super) fn keep_credentials(&self) -> Result<(), Failure> {
        match &self.credentials {
            Some(file) => Ok(file.restore()?),
            None => Ok(()),
        }
    }

    /// The files that the globs name, as absolute paths. A checkout of our own goes with the run: what
    /// was left there is copied beside the logs.
    pub(super) fn artifacts(&self, globs: &[String]) -> Result<Vec<String>, Failure> {
        let globs = ArtifactGlobs::parse(globs.iter().map(String::as_str))?;
        let mut at = self.paths.directory.clone();
        if self.paths.elsewhere() && !globs.is_empty() {
            at = self.paths.logs.join("artifacts");
            fs::create_dir_all(&at).map_err(|error| unwritable(&at, &error))?;
            bring_back(&globs, &self.paths.directory, &at, &Snapshot::default(), &at)?;
        }
        let found = globs.find(&at)?;
        Ok(found.iter().map(|file| at.join(file).display().to_string()).collect())
    }

    /// The command that repeats a target on a laptop. What a promotion needs only a gate sets up.
    pub(super) fn repeat(&self, target: &str) -> String {
        let command = match target {
            "p2p-build" => "p2p run p2p-build".to_owned(),
            target if target.starts_with("p2p-promote-") => "p2p fast-feedback".to_owned(),
            target => format!("p2p run p2p-build {target}"),
        };
        self.flags.iter().fold(command, |command, (flag, value)| format!("{command} {flag} {}", word(value)))
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

/// The private files of one target; gone when it is.
pub(super) struct Private {
    directory: tempfile::TempDir,
    logins: Logins,
    runner_files: Vec<(&'static str, PathBuf)>,
}

impl Private {
    /// Makes them, under the run's own directory.
    pub(super) fn make(site: &Site, target: &Target) -> Result<Self, Failure> {
        let scratch = &site.paths.scratch;
        let directory = tempfile::tempdir_in(scratch).map_err(|error| unwritable(scratch, &error))?;
        let at = directory.path();
        let logins = Logins::create(at, &UserFiles::of(&site.env), &site.logins)?;
        let kubeconfig =
            site.kubeconfig.for_target(site.kube_context.as_deref(), target.namespace.as_deref())?;
        kubeconfig.write(&at.join("kubeconfig"))?;
        // What a target writes for the runner dies with it, the summary excepted.
        let mut runner_files = Vec::new();
        if site.place == Place::Github {
            runner_files = private::runner_files(at).map_err(|error| unwritable(at, &error))?;
            site.keep_credentials()?;
        }
        Ok(Self { directory, logins, runner_files })
    }

    /// The variables that lead to them.
    pub(super) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let at = self.directory.path();
        let mut variables = vec![
            (runtime::KUBECONFIG, at.join("kubeconfig")),
            (runtime::KUBE_CONFIG_PATH, at.join("kubeconfig")),
            (runtime::DOCKER_CONFIG, self.logins.docker_config().to_owned()),
            (runtime::REGISTRY_AUTH_FILE, self.logins.registry_auth_file().to_owned()),
        ];
        variables.extend(self.runner_files.iter().cloned());
        variables
    }

    /// What the target wrote to its step summary, at most so many bytes.
    pub(super) fn summary(&self, most: u64) -> Option<String> {
        let path = self.directory.path().join(runtime::GITHUB_STEP_SUMMARY);
        // The target may have put anything in its place: a pipe that nobody writes to, a link.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        file.take(most).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        (!text.trim().is_empty()).then_some(text)
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
