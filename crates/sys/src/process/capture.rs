//! Runs a short command and keeps what it prints.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::error::ProcessError;
use super::pump::{PIPE, widen};
use super::spec::Spec;
use workflow_commands::{cut, plain};

/// How long the output may stay open after the command has ended.
const SETTLE: Duration = Duration::from_millis(500);

/// The interval between reads while there is output. Programs like make print line by line, and waking up for each
/// line takes longer than the program itself.
const PAUSE: Duration = Duration::from_millis(1);

/// The interval between reads while there is no output.
const LONG_PAUSE: Duration = Duration::from_millis(16);

/// This many characters of the end of standard error are shown in an error.
const SHOWN: usize = 2000;

/// The output and status of a command.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error, with replacement characters for what is not UTF-8.
    pub stderr: String,
}

impl Captured {
    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Its exit code as in a shell: 128 + n for signal n.
    pub fn shell_code(&self) -> i32 {
        self.code.unwrap_or_else(|| 128 + self.signal.unwrap_or_default())
    }
}

impl Captured {
    /// The error that says how it ended, with this part of its standard error.
    pub fn failed(&self, spec: &Spec, stderr: String) -> ProcessError {
        let ended = match self.code {
            Some(code) => format!("failed with exit code {code}"),
            None => format!("was ended by signal {}", self.signal.unwrap_or_default()),
        };
        ProcessError::Failed { command: spec.to_string(), ended, stderr }
    }
}

/// Shows sizes only, because the output may hold secrets.
impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captured")
            .field("code", &self.code)
            .field("signal", &self.signal)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish()
    }
}

/// Runs a command that must succeed.
///
/// # Errors
/// As [`capture_any`], and if it ends with a status other than 0.
pub async fn capture(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let captured = capture_any(spec, limit).await?;
    if captured.succeeded() {
        return Ok(captured);
    }
    Err(captured.failed(spec, end(&captured.stderr)))
}

/// Runs a command and returns its exit code to the caller. Its whole group is killed when it ends, at the limits,
/// and when this future is dropped.
///
/// # Errors
/// If it cannot be started, takes longer than `limit`, or prints more than [`Spec::output_limit`].
pub async fn capture_any(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let lost = |source| spec.lost(source);
    let (mut out, stdout) = Stream::new(spec).map_err(lost)?;
    let (mut err, stderr) = Stream::new(spec).map_err(lost)?;
    // The rest of the group is killed when this function ends.
    let (mut child, _group) = spec.start(stdout, stderr, None)?;
    // Boxed, so that the futures of callers stay small.
    let capturing = Box::pin(async {
        let mut pause = PAUSE;
        let status = loop {
            let ended = timeout(pause, child.wait()).await;
            let came = out.read()? | err.read()?;
            if let Ok(status) = ended {
                break status.map_err(lost)?;
            }
            pause = if came { PAUSE } else { (pause * 2).min(LONG_PAUSE) };
        };
        // A process that the command left running may hold the streams open.
        let settled = Instant::now() + SETTLE;
        while (out.open || err.open) && Instant::now() < settled {
            sleep(PAUSE).await;
            out.read()?;
            err.read()?;
        }
        Ok(status)
    });
    let ended = timeout(limit, capturing).await;
    let status = ended.map_err(|_| ProcessError::TimedOut { command: spec.to_string(), limit })??;
    let stderr = String::from_utf8(err.text);
    let stderr = stderr.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Captured { code: status.code(), signal: status.signal(), stdout: out.text, stderr })
}

/// One stream of a command.
struct Stream<'a> {
    spec: &'a Spec,
    pipe: PipeReader,
    text: Vec<u8>,
    open: bool,
}

impl<'a> Stream<'a> {
    /// A stream, and the end that the command writes to.
    fn new(spec: &'a Spec) -> io::Result<(Self, PipeWriter)> {
        let (pipe, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        widen(&pipe);
        Ok((Self { spec, pipe, text: Vec::new(), open: true }, writer))
    }

    /// Takes what is in the pipe, but no more than it holds: a command may write without end. Returns whether there
    /// was anything.
    fn read(&mut self) -> Result<bool, ProcessError> {
        if !self.open {
            return Ok(false);
        }
        let before = self.text.len();
        match (&self.pipe).take(PIPE as u64).read_to_end(&mut self.text) {
            Ok(length) => self.open = length == PIPE,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(self.spec.lost(error)),
        }
        if self.text.len() > self.spec.output_limit {
            let (command, limit) = (self.spec.to_string(), self.spec.output_limit);
            return Err(ProcessError::TooLong { command, limit });
        }
        Ok(self.text.len() > before)
    }
}

/// The last lines of a text. If the last line alone is too long, its beginning: there the masker finds a secret
/// that was cut.
fn end(text: &str) -> String {
    let text = plain(text);
    let text = text.trim();
    let last = text.ceil_char_boundary(text.len().saturating_sub(SHOWN));
    let from = match text[last..].find('\n') {
        _ if last == 0 => 0,
        Some(line) => last + line + 1,
        None => text.rfind('\n').map_or(0, |line| line + 1),
    };
    cut(&text[from..], SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_begins_with_a_line() {
        assert_eq!(end(" short\n"), "short");
        let long = format!("{}\nlast line\n", "x".repeat(5000));
        assert_eq!(end(&long), "last line");
        assert_eq!(end(&"y".repeat(5000)), "y".repeat(SHOWN) + "…");
        assert_eq!(end(&format!("first\n{}\n", "ä".repeat(5000))), "ä".repeat(SHOWN) + "…");
        let lines = "a line\n".repeat(1000);
        let shown = end(&lines);
        assert!(shown.len() <= SHOWN && shown.len() > SHOWN - 10 && shown.starts_with("a line\n"), "{shown}");
    }
}
