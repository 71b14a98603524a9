//! The directories of a run.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{GithubJob, Request};
use crate::domain::environment::SettingsFile;
use crate::edges::git;
use sys::error::{Failure, FileError};
use sys::removals::{Directory, Removals, Temporary};
use sys::world::{Env, World};

/// The names of log directories begin with this.
const LOGS: &str = "p2p-logs-";
/// How many local runs keep their logs.
const KEPT_RUNS: usize = 20;

#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The root of the workspace. nft gets a copy of it.
    pub workspace: PathBuf,
    /// The directory make runs in.
    pub directory: PathBuf,
    /// The directory that paths in inputs are relative to. It differs from `directory` if a later gate checked out
    /// its version elsewhere.
    pub base: PathBuf,
    /// Holds temporary files and directories.
    pub temp: PathBuf,
    /// The targets' logs and the report. It stays until the job ends.
    pub logs: PathBuf,
    /// The images of the embedded registry, in local runs.
    pub registry: PathBuf,
    /// The places where the repository may keep its settings.
    settings: [PathBuf; 2],
    /// Whether the logs are kept after the run.
    keeps_logs: bool,
    /// The parent of the logs of all local runs.
    runs: Option<PathBuf>,
    /// Removed when the last clone is dropped, however the run ends. Most runs of a single target need no such
    /// directory.
    scratch: Arc<OnceLock<Temporary>>,
    /// Removals that run in the background.
    removals: Removals,
}

impl Paths {
    /// Finds the directories, and creates those of this run.
    pub(crate) fn new(
        world: &World,
        job: Option<&GithubJob>,
        request: &Request,
        removals: &Removals,
    ) -> Result<Self, Failure> {
        let working_directory = &request.inputs.working_directory;
        let base = job.map_or(&world.directory, |job| &job.workspace);
        if job.is_some() && !base.is_dir() {
            return Err(Failure::usage(
                format!("`GITHUB_WORKSPACE` is {}, which is not a directory", base.display()),
                "check out the repository first (actions/checkout)",
            ));
        }
        let wanted = base.join(working_directory);
        let directory = wanted.canonicalize().ok().filter(|path| path.is_dir()).ok_or_else(|| {
            Failure::usage(
                format!(
                    "the input `working-directory` is {working_directory:?}, and {} is not a directory",
                    wanted.display()
                ),
                match job {
                    Some(_) => {
                        "check out the repository first (actions/checkout), and name a directory in it"
                    }
                    None => "name a directory that holds a Makefile",
                },
            )
        })?;
        let workspace = match job {
            Some(job) => job.workspace.canonicalize().unwrap_or_else(|_| job.workspace.clone()),
            None => git::toplevel(&directory).unwrap_or(&directory).to_owned(),
        };
        let workspace = if directory.starts_with(&workspace) { workspace } else { directory.clone() };
        // The settings are beside the Makefile, or at the root of the workspace.
        let settings = [directory.join(SettingsFile::NAME), workspace.join(SettingsFile::NAME)];
        let temp =
            job.map_or_else(|| world.env.path("TMPDIR").unwrap_or("/tmp".into()), |job| job.temp.clone());
        let runs = world.cache().join("runs");
        let logs = match job {
            Some(job) => logs_in(&job.temp, LOGS)?,
            // On a laptop, a plan leaves no files behind.
            None if request.dry_run => runs.clone(),
            None => local_logs(&runs, world)?,
        };
        Ok(Self {
            workspace,
            base: directory.clone(),
            directory,
            settings,
            temp,
            logs,
            registry: world.registry(),
            runs: Some(runs).filter(|_| job.is_none() && !request.dry_run),
            keeps_logs: job.is_some() || !request.dry_run,
            scratch: Arc::default(),
            removals: removals.clone(),
        })
    }

    /// The directories of another environment of the same gate: the same checkout, with separate private files and
    /// logs. Their names contain `name`.
    pub(crate) fn apart(&self, name: &str) -> Result<Self, Failure> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        let logs = self.logs.join(name.trim_start_matches('.'));
        if self.keeps_logs {
            make(&logs)?;
        }
        Ok(Self { logs, scratch: Arc::default(), ..self.clone() })
    }

    /// The directories of another checkout of the workspace, at `root`. The settings stay those of the first
    /// checkout, because they describe the current environments.
    ///
    /// # Errors
    /// The directory that is missing in that checkout.
    pub(super) fn in_checkout(&self, root: PathBuf) -> Result<Self, PathBuf> {
        let workspace = root.canonicalize().unwrap_or(root);
        let directory: PathBuf = workspace.join(self.inside()).components().collect();
        if !directory.is_dir() {
            return Err(self.inside().to_owned());
        }
        Ok(Self { workspace, directory, ..self.clone() })
    }

    /// Whether the run uses another checkout.
    pub(crate) fn elsewhere(&self) -> bool {
        self.base != self.directory
    }

    /// Whether the logs and the report are kept after the run.
    pub(crate) fn keeps_logs(&self) -> bool {
        self.keeps_logs
    }

    /// A directory for the report of a run on GitHub that failed before its directories existed.
    pub(crate) fn logs_of_failure(env: &Env) -> Option<PathBuf> {
        logs_in(&env.path("RUNNER_TEMP")?, LOGS).ok()
    }

    /// The private directory of this run (mode 0700), created on first use.
    pub(crate) fn scratch(&self) -> Result<&Path, Failure> {
        if let Some(made) = self.scratch.get() {
            return Ok(made.path());
        }
        let new = self.large()?;
        Ok(self.scratch.get_or_init(|| new).path())
    }

    /// Creates a private directory (mode 0700) for large files. When it is dropped, it is removed in the background.
    pub(crate) fn large(&self) -> Result<Temporary, Failure> {
        Ok(self.removals.in_background(self.private()?))
    }

    pub(crate) fn removals(&self) -> &Removals {
        &self.removals
    }

    /// Creates a private directory (mode 0700) that is removed when it is dropped.
    pub(crate) fn private(&self) -> Result<Directory, Failure> {
        Ok(Directory::new(&self.temp)?)
    }

    /// The settings of the repository, if there are any.
    pub(crate) fn settings(&self) -> Result<Option<String>, Failure> {
        for file in &self.settings {
            match std::fs::read_to_string(file) {
                Ok(text) => return Ok(Some(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Failure::usage(
                        format!("{} cannot be read: {error}", file.display()),
                        "make it a readable file of UTF-8 text, or remove it; nothing was run",
                    ));
                }
            }
        }
        Ok(None)
    }

    /// Removes what killed runs left behind, and the logs of all but the last local runs.
    pub(crate) fn forget_old_runs(&self) {
        self.removals.sweep(&self.temp);
        let entries = self.runs.as_ref().and_then(|runs| std::fs::read_dir(runs).ok());
        let mut runs: Vec<_> =
            entries.into_iter().flatten().filter_map(|run| Some(run.ok()?.path())).collect();
        runs.retain(|run| *run != self.logs);
        runs.sort();
        for run in runs.iter().rev().skip(KEPT_RUNS - 1) {
            // Another run may remove it at the same time.
            let _gone = std::fs::remove_dir_all(run);
        }
    }

    /// The directory make runs in, relative to the workspace.
    pub(crate) fn inside(&self) -> &Path {
        self.directory.strip_prefix(&self.workspace).unwrap_or(Path::new(""))
    }
}

/// Creates a directory for logs in `parent` that other users cannot read.
fn logs_in(parent: &Path, prefix: &str) -> Result<PathBuf, Failure> {
    let private = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(parent);
    Ok(made.map_err(FileError::at("create a directory in", parent))?.keep())
}

/// Creates a directory for the logs of this local run.
fn local_logs(runs: &Path, world: &World) -> Result<PathBuf, Failure> {
    make(runs)?;
    let stamp = world.now.strftime("%Y%m%dT%H%M%S%3fZ-").to_string();
    logs_in(runs, &stamp)
}

/// Creates a directory and its parents, closed to other users. An existing directory keeps its mode.
fn make(directory: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    Ok(made.map_err(FileError::at("create a directory in", directory))?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::inputs::Inputs;

    #[test]
    fn the_logs_of_the_last_local_runs_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let world = World {
            env: [("XDG_CACHE_HOME", directory.path()), ("TMPDIR", directory.path())].into_iter().collect(),
            reserved: sys::world::Env::default(),
            args: Vec::new(),
            directory: directory.path().to_owned(),
            now: "2026-01-02T03:04:05Z".parse().unwrap(),
            terminal: false,
            stdout_terminal: false,
        };
        let runs = directory.path().join("p2p/runs");
        // One is from a clock that was ahead.
        let names: Vec<String> =
            (1..=22).map(|day| format!("202512{day:02}T000000000Z-x")).chain(["2030-x".to_owned()]).collect();
        for name in &names {
            std::fs::create_dir_all(runs.join(name).join("below")).unwrap();
        }
        let paths = Paths::new(
            &world,
            None,
            &Request::new(Inputs::read(|_| None).unwrap()).unwrap(),
            &Removals::default(),
        )
        .unwrap();
        paths.forget_old_runs();
        assert!(paths.logs.is_dir());
        let kept: Vec<_> = names.iter().filter(|name| runs.join(name).is_dir()).collect();
        assert_eq!(kept, names.iter().skip(names.len() - (KEPT_RUNS - 1)).collect::<Vec<_>>());
    }
}
