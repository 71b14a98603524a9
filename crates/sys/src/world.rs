//! The environment, arguments and clock of the process, read once at the start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// A path without a program, because a bare name would be looked up again.
const NOWHERE: &str = "/nonexistent";

/// Whether a program is named by a path.
fn is_file_name(program: &OsStr) -> bool {
    program.as_encoded_bytes().contains(&b'/')
}

/// The first program with this name in the directories.
fn first(mut directories: impl Iterator<Item = PathBuf>, name: &OsStr) -> Option<PathBuf> {
    directories.find_map(|directory| {
        let file = directory.join(name);
        is_program(&file).then_some(file)
    })
}

/// Whether this user may execute a file.
pub fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The environment of the process as a value. Nothing else reads `std::env::var`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env {
    variables: BTreeMap<OsString, OsString>,
    /// The resolved files of programs; `None` for a program that was not found.
    held: BTreeMap<OsString, Option<PathBuf>>,
}

impl Env {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable. An empty value counts as absent, as everywhere in GitHub Actions, and so does text that
    /// is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name))?.to_str().filter(|text| !text.is_empty())
    }

    /// A variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Looks up programs now. Later look-ups return the same files, even if the directories of `PATH` have changed:
    /// reading a Makefile runs its `$(shell …)`. Skips directories that depend on where a program is started.
    pub fn hold<N: AsRef<OsStr>>(&mut self, names: impl IntoIterator<Item = N>) {
        for name in names {
            let name = name.as_ref();
            if self.path("PATH").is_some() && !is_file_name(name) && !self.held.contains_key(name) {
                let file = first(self.search_path().filter(|path| path.is_absolute()), name);
                self.held.insert(name.to_owned(), file);
            }
        }
    }

    /// The file of a program, if it is named by a path, was looked up before, or is in `PATH` before any directory that
    /// depends on where the program is started.
    pub fn find_program(&self, name: &OsStr) -> Option<PathBuf> {
        if is_file_name(name) {
            return Some(name.into());
        }
        let found = || first(self.search_path().take_while(|path| path.is_absolute()), name);
        self.held.get(name).cloned().unwrap_or_else(found)
    }

    /// The path to start a program by. With a path, the system does not copy this process (`posix_spawn(3)`), which is
    /// much faster. If there is no file, or `PATH` depends on the directory, this is the name itself: starting it works
    /// or fails with the right error.
    pub fn program(&self, name: &OsStr) -> OsString {
        let absent = || match self.held.get(name) {
            Some(_) => Path::new(NOWHERE).join(name),
            None => name.into(),
        };
        self.find_program(name).unwrap_or_else(absent).into_os_string()
    }

    fn search_path(&self) -> std::env::SplitPaths<'_> {
        std::env::split_paths(
            self.variables.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default(),
        )
    }

    /// Keeps the variables that are `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&OsStr, &OsStr) -> bool) {
        self.variables.retain(|name, value| wanted(name, value));
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.variables.remove(OsStr::new(name));
    }

    /// Removes and returns the variables whose names are `wanted`.
    #[must_use]
    pub fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = |name: &OsStr| name.to_str().is_some_and(&wanted);
        let all = std::mem::take(&mut self.variables);
        let (taken, kept) = all.into_iter().partition(|(name, _)| wanted(name));
        self.variables = kept;
        Self { variables: taken, held: BTreeMap::new() }
    }

    /// The variables whose names begin with `prefix`, in order, without those that are not UTF-8.
    pub fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let from = (Bound::Included(OsStr::new(prefix)), Bound::Unbounded);
        let all = self.variables.range::<OsStr, _>(from).map(|(name, value)| (name.to_str(), value.to_str()));
        all.take_while(move |(name, _)| name.is_none_or(|name| name.starts_with(prefix)))
            .filter_map(|(name, value)| Some((name?, value?)))
    }

    /// All variables, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// Shows names only, because values may be secret.
impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let variables = items.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, held: BTreeMap::new() }
    }
}

impl World {
    /// The world of this process.
    ///
    /// # Errors
    ///
    /// If the working directory does not exist.
    pub fn of_process() -> Result<Self, Failure> {
        Ok(Self {
            env: Env::of_process(),
            reserved: Env::default(),
            args: std::env::args_os().skip(1).collect(),
            directory: std::env::current_dir()?,
            now: jiff::Timestamp::now(),
            terminal: std::io::stderr().is_terminal(),
            stdout_terminal: std::io::stdout().is_terminal(),
        })
    }

    /// Where local runs keep images and logs (XDG Base Directory Specification).
    pub fn cache(&self) -> PathBuf {
        let home = || self.env.path("HOME").map(|home| home.join(".cache"));
        let base = self.env.path("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(home);
        base.unwrap_or_else(|| "/tmp".into()).join("p2p")
    }

    /// Where the registry of local runs keeps its images.
    pub fn registry(&self) -> PathBuf {
        self.cache().join("registry")
    }
}

/// The input of a run. Tests build their own.
#[derive(Debug, Clone)]
pub struct World {
    /// The process environment, which child processes inherit.
    pub env: Env,
    /// The variables that child processes do not get: the inputs, and those of the job's id token.
    pub reserved: Env,
    /// The arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The directory the process was started in.
    pub directory: PathBuf,
    /// When the run started.
    pub now: jiff::Timestamp,
    /// Whether a person watches standard error.
    pub terminal: bool,
    /// Whether a person watches standard output.
    pub stdout_terminal: bool,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_the_first_that_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second, third] = ["first", "second", "third"].map(|name| directory.path().join(name));
        fs::create_dir_all(first.join("tool")).unwrap();
        for (at, mode) in [(&second, 0o644), (&third, 0o755)] {
            fs::create_dir(at).unwrap();
            fs::write(at.join("tool"), "").unwrap();
            fs::set_permissions(at.join("tool"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = |path: &[&OsStr]| {
            let env: Env = [("PATH", std::env::join_paths(path).unwrap())].into_iter().collect();
            env.program(OsStr::new("tool"))
        };
        let (first, second) = (first.as_os_str(), second.as_os_str());
        assert_eq!(found(&[first, second, third.as_os_str()]), third.join("tool"));
        assert_eq!(found(&[first, second]), "tool");
        // What a relative directory is depends on where the program is started.
        assert_eq!(found(&[OsStr::new("bin"), third.as_os_str()]), "tool");
        assert_eq!(Env::default().program(OsStr::new("tool")), "tool");
        let env: Env = [("PATH", &third)].into_iter().collect();
        assert_eq!(env.program(OsStr::new("../third/tool")), "../third/tool");
    }

    #[test]
    fn a_held_program_stays_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        let plant = |at: &Path| {
            fs::write(at, "").unwrap();
            fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        };
        for at in [&first, &second] {
            fs::create_dir(at).unwrap();
        }
        plant(&second.join("tool"));
        let path = std::env::join_paths([Path::new("bin"), &first, &second]).unwrap();
        let mut env: Env = [("PATH", path)].into_iter().collect();
        env.hold(["tool", "absent", "./file"]);
        plant(&first.join("tool"));
        plant(&first.join("absent"));
        assert_eq!(env.program(OsStr::new("tool")), second.join("tool"));
        assert_eq!(env.find_program(OsStr::new("absent")), None);
        assert_eq!(env.program(OsStr::new("absent")), "/nonexistent/absent");
        assert_eq!(env.program(OsStr::new("./file")), "./file");
        env.retain(|name, _| name != "PATH");
        assert_eq!(env.program(OsStr::new("tool")), second.join("tool"));
    }
}
