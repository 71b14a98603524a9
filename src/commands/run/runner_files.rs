//! The runner's own command files. The runner reads them after the step, and the content of `GITHUB_ENV` and
//! `GITHUB_PATH` then affects later steps of the job. Targets get files of their own, but they run as the same user,
//! so they can find the real ones.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::domain::environment::runtime;
use sys::error::{Exit, Failure};
use sys::private::{self, Links};
use sys::process::end_daemons;
use sys::world::Env;

/// The variables with the files of this step.
const NAMES: [&str; 6] = [
    runtime::GITHUB_OUTPUT,
    runtime::GITHUB_ENV,
    runtime::GITHUB_PATH,
    runtime::GITHUB_STATE,
    runtime::GITHUB_STEP_SUMMARY,
    runtime::GITHUB_ARTIFACTS,
];

/// Where the runner keeps the files of all steps, below `RUNNER_TEMP`.
const DIRECTORY: &str = "_runner_file_commands";

/// The longest file whose text is kept, in bytes. The runner limits the files to 1 MiB.
const LONGEST: u64 = 16 << 20;

/// The files as they were before any code of the repository ran.
pub(super) struct RunnerFiles(Vec<(PathBuf, Vec<u8>)>);

impl RunnerFiles {
    /// Reads the files that the environment names, as far as they exist.
    pub(super) fn read(env: &Env) -> Self {
        let named = NAMES.iter().filter_map(|name| env.path(name));
        let directory = env.path("RUNNER_TEMP").map(|temp| temp.join(DIRECTORY));
        let listed =
            directory.iter().flat_map(std::fs::read_dir).flatten().flatten().map(|entry| entry.path());
        let files: BTreeSet<_> = named.chain(listed).collect();
        let read = |file: PathBuf| Some((private::read(&file, Links::Refuse, LONGEST).ok()?, file));
        Self(files.into_iter().filter_map(read).map(|(text, file)| (file, text)).collect())
    }

    /// Ends everything that commands left running, and restores the text of the files. p2p has not written to them
    /// so far. Returns a warning for every change. `clean` masks texts of others and makes them printable.
    ///
    /// # Errors
    /// If a process cannot be ended because it keeps forking. It could change the outputs of the step at any time.
    pub(super) async fn close(
        &self,
        patient: bool,
        clean: impl Fn(&str) -> String,
    ) -> Result<Vec<String>, Failure> {
        let daemons = end_daemons(patient).await;
        let mut warnings = Vec::new();
        let list = |names: &[String]| names.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
        if !daemons.ended.is_empty() {
            warnings.push(format!(
                "processes were still running at the end; p2p ended them: {}",
                list(&daemons.ended)
            ));
        }
        if !daemons.left.is_empty() {
            warnings.push(format!(
                "these processes could not be ended and may change the outputs of this step: {}",
                list(&daemons.left)
            ));
        }
        for (file, text) in &self.0 {
            if let Some(warning) = restored(file, text) {
                warnings.push(warning);
            }
        }
        if daemons.forking {
            return Err(Failure {
                what: "a program of this run keeps starting others and cannot be ended; it may forge the outputs of this step"
                    .to_owned(),
                causes: warnings,
                help: Some(
                    "find the target that starts it, and let it end with its target; do not use the outputs of this run"
                        .to_owned(),
                ),
                exit: Exit::Failed,
            });
        }
        Ok(warnings)
    }
}

/// The first bytes of a regular file, and the number of further bytes.
fn beginning(file: &Path, length: usize) -> io::Result<(Vec<u8>, u64)> {
    let file = private::open(file, Links::Refuse)?;
    let (length, mut begins) = (length as u64, Vec::new());
    let more = file.metadata()?.len().saturating_sub(length);
    file.take(length).read_to_end(&mut begins)?;
    Ok((begins, more))
}

/// Restores the text of a file if it has changed. Returns a warning then.
fn restored(file: &Path, text: &[u8]) -> Option<String> {
    let now = beginning(file, text.len());
    let what = match &now {
        Ok((begins, 0)) if begins == text => return None,
        Ok((begins, more)) if begins == text => format!("{more} bytes were added"),
        Ok(_) => "its text was replaced".to_owned(),
        Err(_) => "the file was replaced".to_owned(),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(match restore(file, text, now.is_ok()) {
        Ok(()) => format!(
            "a program of this run wrote to the runner's file {name}: {what}, which would have changed later steps of the job; p2p \
             restored it. Targets get files of their own: use the variables, not the paths"
        ),
        Err(error) => format!(
            "a program of this run wrote to the runner's file {name}: {what}, and it cannot be restored: {error}"
        ),
    })
}

/// Writes to the existing file, if there is one, because the runner may be another user that can read only that
/// file.
fn restore(file: &Path, text: &[u8], in_place: bool) -> io::Result<()> {
    if in_place {
        return OpenOptions::new().write(true).truncate(true).open(file)?.write_all(text);
    }
    // It is a link, a pipe or a directory, or it is missing.
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => std::fs::remove_dir_all(file)?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(file)?.write_all(text)
}
