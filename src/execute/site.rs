//! Where a plan runs and with what, and the private files of each target.

use std::fs;
use std::path::{Path, PathBuf};

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
use crate::secret::Secret;
use crate::version::{Commit, Kind, Prefix, VersionTag};
use crate::workspace::{ArtifactGlobs, KeptFile};
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
    /// The input `working-directory`, for the command that repeats a target.
    pub working_directory: String,
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

    /// The files that the globs name, as absolute paths.
    pub(super) fn artifacts(&self, globs: &[String]) -> Result<Vec<String>, Failure> {
        let globs = ArtifactGlobs::parse(globs.iter().map(String::as_str))?;
        let found = globs.find(&self.paths.directory)?;
        Ok(found.iter().map(|file| self.paths.directory.join(file).display().to_string()).collect())
    }

    /// The command that repeats a target on a laptop.
    pub(super) fn repeat(&self, target: &str) -> String {
        let build = if target == "p2p-build" { "" } else { "p2p-build " };
        let directory = match self.working_directory.as_str() {
            "." | "" => String::new(),
            directory => format!(" --working-directory {directory}"),
        };
        format!("p2p run {build}{target}{directory}")
    }
}

/// The private files of one target; gone when it is.
pub(super) struct Private {
    directory: tempfile::TempDir,
    logins: Logins,
    on_github: bool,
}

/// What a target writes for the runner dies with it, the summary excepted.
const FILES: [&str; 6] = [
    runtime::GITHUB_OUTPUT,
    runtime::GITHUB_ENV,
    runtime::GITHUB_PATH,
    runtime::GITHUB_STATE,
    runtime::GITHUB_STEP_SUMMARY,
    runtime::GITHUB_ARTIFACTS,
];

impl Private {
    /// Makes them, under the run's own directory.
    pub(super) fn make(site: &Site, target: &Target) -> Result<Self, Failure> {
        let scratch = &site.paths.scratch;
        let directory =
            tempfile::tempdir_in(scratch).map_err(|error| unwritable(scratch, &error))?;
        let at = directory.path();
        let logins = Logins::create(at, &UserFiles::of(&site.env), &site.logins)?;
        let kubeconfig =
            site.kubeconfig.for_target(site.kube_context.as_deref(), target.namespace.as_deref())?;
        kubeconfig.write(&at.join("kubeconfig"))?;
        let on_github = site.place == Place::Github;
        if on_github {
            for name in FILES {
                let file = at.join(name);
                fs::write(&file, "").map_err(|error| unwritable(&file, &error))?;
            }
            site.keep_credentials()?;
        }
        Ok(Self { directory, logins, on_github })
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
        if self.on_github {
            variables.extend(FILES.map(|name| (name, at.join(name))));
        }
        variables
    }

    /// What the target wrote to its step summary, at most so many bytes.
    pub(super) fn summary(&self, most: u64) -> Option<String> {
        use std::io::Read;
        let file = self.directory.path().join(runtime::GITHUB_STEP_SUMMARY);
        let mut text = Vec::new();
        fs::File::open(file).ok()?.take(most).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        (!text.trim().is_empty()).then_some(text)
    }
}

/// The directory make runs in, in the workspace or its copy.
pub(super) fn inside(root: &Path, paths: &Paths) -> PathBuf {
    match paths.inside() {
        // Joined with nothing, a path ends with a slash.
        below if below.as_os_str().is_empty() => root.to_owned(),
        below => root.join(below),
    }
}
