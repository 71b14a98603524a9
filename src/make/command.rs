//! A short make command whose output is captured.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::MakeError;
use crate::group::Group;
use crate::world::Env;

/// How long a pipe may stay open after make itself has ended: a `$(shell …)` that left
/// something running in the background holds our end of standard error.
const GRACE: Duration = Duration::from_millis(500);

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
        let mut child = Command::new(self.env.program("make".as_ref()))
            .arg0("make")
            .args(self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(self.env.iter())
            .env("PWD", self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => MakeError::NotInstalled,
                _ => self.start(source),
            })?;
        let group = Group::of(&child);
        let Ok(result) = timeout(self.limit, collect(&mut child)).await else {
            return Err(MakeError::TimedOut { command: self.line(), limit: self.limit });
        };
        let captured = result.map_err(|source| self.start(source))?;
        group.release();
        Ok(captured)
    }

    fn start(&self, source: io::Error) -> MakeError {
        MakeError::Start { command: self.line(), source }
    }
}

async fn collect(child: &mut Child) -> io::Result<Captured> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = {
        let mut streams = std::pin::pin!(async {
            tokio::try_join!(drain(out.as_mut(), &mut stdout), drain(err.as_mut(), &mut stderr))
        });
        tokio::select! {
            read = &mut streams => {
                read?;
                child.wait().await?
            }
            status = child.wait() => {
                let status = status?;
                if let Ok(read) = timeout(GRACE, &mut streams).await {
                    read?;
                }
                status
            }
        }
    };
    Ok(Captured { status, stdout, stderr })
}

/// Reads to the end. What was read is kept when this is given up.
async fn drain(stream: Option<&mut (impl AsyncRead + Unpin)>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    while stream.read_buf(into).await? > 0 {}
    Ok(())
}
