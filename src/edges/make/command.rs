//! A short make command whose output is captured.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::error::MakeError;
use sys::group::Group;
use sys::world::Env;

/// How often the output is read. make writes a database line by line: whoever reads each as it
/// comes takes longer than make.
const PAUSE: Duration = Duration::from_millis(1);

/// How much a pipe holds where the system lets us, in bytes.
const PIPE: usize = 1024 * 1024;

/// What to run.
pub(super) struct Call<'a> {
    /// Where; becomes `PWD` too, as make does not set it.
    pub(super) directory: &'a Path,
    /// The whole environment of the command.
    pub(super) env: &'a Env,
    /// The arguments of make.
    pub(super) arguments: &'a [&'a OsStr],
    /// When to give up.
    pub(super) limit: Duration,
}

/// What came out.
pub(super) struct Captured {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Call<'_> {
    /// The command line, for messages.
    pub(super) fn line(&self) -> String {
        let mut line = "make".to_owned();
        for argument in self.arguments {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }

    /// Runs it to its end, in its own process group, which dies with the time limit or when this is given up.
    pub(super) async fn capture(&self) -> Result<Captured, MakeError> {
        if !self.directory.is_dir() {
            return Err(MakeError::NoDirectory { directory: self.directory.to_owned() });
        }
        let (mut out, stdout) = self.pipe()?;
        let (mut err, stderr) = self.pipe()?;
        let mut child = Command::new(self.env.program("make".as_ref()))
            .arg0("make")
            .args(self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(self.env.iter())
            .env("PWD", self.directory)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => MakeError::NotInstalled,
                _ => self.start(source),
            })?;
        let group = Group::of(&child);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let collect = async {
            loop {
                let ended = timeout(PAUSE, child.wait()).await;
                drain(&mut out, &mut stdout)?;
                drain(&mut err, &mut stderr)?;
                if let Ok(status) = ended {
                    return status;
                }
            }
        };
        let Ok(status) = timeout(self.limit, collect).await else {
            return Err(MakeError::TimedOut { command: self.line(), limit: self.limit });
        };
        let status = status.map_err(|source| self.start(source))?;
        group.release();
        Ok(Captured { status, stdout, stderr })
    }

    /// A pipe that never keeps its reader waiting.
    fn pipe(&self) -> Result<(PipeReader, PipeWriter), MakeError> {
        let pipe = || {
            let (reader, writer) = io::pipe()?;
            rustix::io::ioctl_fionbio(&reader, true)?;
            // A help: where it stays small, make waits for a pause more often.
            #[cfg(target_os = "linux")]
            let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIPE);
            Ok((reader, writer))
        };
        pipe().map_err(|source| self.start(source))
    }

    fn start(&self, source: io::Error) -> MakeError {
        MakeError::Start { command: self.line(), source }
    }
}

/// Reads what is in a pipe by now. What a `$(shell …)` left running may go on writing for ever, so
/// no more than a pipe holds.
fn drain(pipe: &mut PipeReader, into: &mut Vec<u8>) -> io::Result<()> {
    match pipe.take(PIPE as u64).read_to_end(into) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}
