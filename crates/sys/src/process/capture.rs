//! Runs a short command and keeps what it prints.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::time::{sleep, timeout};

use super::error::ProcessError;
use super::pump::{PIPE, widen};
use super::spec::Spec;
use workflow_commands::{cut, plain};

/// How long the output may stay open when the command has ended.
const SETTLE: Duration = Duration::from_millis(500);

/// The pause before output is read that has come. Programs like make print line by line, and reading each
/// line as it comes takes longer than the program itself.
const PAUSE: Duration = Duration::from_millis(1);

/// This many characters of the end of standard error are shown in an error.
const SHOWN: usize = 2000;

/// How much room there is for the next read, in bytes.
const CHUNK: usize = 64 * 1024;

/// What a command printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit code; `None` where a signal ended it.
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

    /// Its exit code as a shell gives it: 128 + n for signal n.
    pub fn shell_code(&self) -> i32 {
        self.code.unwrap_or_else(|| 128 + self.signal.unwrap_or_default())
    }
}

/// Sizes only: the output of others may hold secrets.
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
/// As [`capture_any`], and when it ends with a status other than 0.
pub async fn capture(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let captured = capture_any(spec, limit).await?;
    if captured.succeeded() {
        return Ok(captured);
    }
    Err(ProcessError::Failed {
        command: spec.to_string(),
        ended: match captured.code {
            Some(code) => format!("failed with exit code {code}"),
            None => format!("was ended by signal {}", captured.signal.unwrap_or_default()),
        },
        stderr: end(&captured.stderr),
    })
}

/// Runs a command whose exit code the caller looks at. Its whole group is killed when it ends, at the limits,
/// and when this future is dropped.
///
/// # Errors
/// When it cannot be started, takes longer than `limit`, or prints more than [`Spec::output_limit`].
pub async fn capture_any(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let lost = |source| spec.lost(source);
    let (mut out, stdout) = Stream::new(spec).map_err(lost)?;
    let (mut err, stderr) = Stream::new(spec).map_err(lost)?;
    // Whatever is left of the group is killed when this function ends.
    let (mut child, _group) = spec.start(stdout, stderr, None)?;
    // Boxed, so that the futures of callers stay small.
    let capturing = Box::pin(async {
        let status = loop {
            let status = tokio::select! {
                biased;
                status = child.wait() => Some(status.map_err(lost)?),
                () = async { more(&out, &err).await; sleep(PAUSE).await } => None,
            };
            out.read()?;
            err.read()?;
            if let Some(status) = status {
                break status;
            }
        };
        let rest = async {
            while out.open || err.open {
                more(&out, &err).await;
                out.read()?;
                err.read()?;
            }
            Ok(())
        };
        // A process that the command left running may hold the streams open.
        timeout(SETTLE, rest).await.unwrap_or(Ok(()))?;
        Ok(status)
    });
    let ended = timeout(limit, capturing).await;
    let status = ended.map_err(|_| ProcessError::TimedOut { command: spec.to_string(), limit })??;
    let stderr = String::from_utf8(err.text);
    let stderr = stderr.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Captured { code: status.code(), signal: status.signal(), stdout: out.text, stderr })
}

/// Waits until one of the streams can be read.
async fn more(out: &Stream<'_>, err: &Stream<'_>) {
    tokio::select! {
        () = out.readable() => {}
        () = err.readable() => {}
    }
}

/// One stream of a command.
struct Stream<'a> {
    spec: &'a Spec,
    pipe: Receiver,
    text: Vec<u8>,
    open: bool,
}

impl<'a> Stream<'a> {
    /// A stream, and the end that the command writes to.
    fn new(spec: &'a Spec) -> io::Result<(Self, io::PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        widen(&reader);
        let pipe = Receiver::from_owned_fd(reader.into())?;
        Ok((Self { spec, pipe, text: Vec::new(), open: true }, writer))
    }

    async fn readable(&self) {
        if !self.open || self.pipe.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes what is in the pipe, but no more than it holds: a command may write without end.
    fn read(&mut self) -> Result<(), ProcessError> {
        let before = self.text.len();
        while self.open && self.text.len() - before < PIPE {
            self.text.reserve(CHUNK);
            match self.pipe.try_read_buf(&mut self.text) {
                Ok(0) => self.open = false,
                Ok(_) if self.text.len() > self.spec.output_limit => {
                    let (command, limit) = (self.spec.to_string(), self.spec.output_limit);
                    return Err(ProcessError::TooLong { command, limit });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.spec.lost(error)),
            }
        }
        Ok(())
    }
}

/// The end of a text, from the start of a line on. Of a last line that is too long itself its beginning:
/// there the masker knows a secret that was cut.
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
