//! Runs a short command and keeps what it prints.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::error::ProcessError;
use super::members::Group;
use super::spec::Spec;
use workflow_commands::{cut, plain};

/// How long the output may stay open when the command has ended.
const SETTLE: Duration = Duration::from_millis(500);

/// This many characters of the end of standard error are shown in an error.
const SHOWN: usize = 2000;

/// What a command printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Sizes only: the output of others may hold secrets.
impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captured")
            .field("code", &self.code)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish()
    }
}

/// Runs a command that must succeed.
///
/// # Errors
/// When it cannot be started, takes longer than `limit` (then its whole group is killed), or ends
/// with a status other than 0.
pub async fn capture(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let captured = capture_any(spec, limit).await?;
    if captured.code == Some(0) {
        return Ok(captured);
    }
    Err(ProcessError::Failed {
        command: spec.to_string(),
        code: captured.code,
        ended: match captured.code {
            Some(code) => format!("failed with exit code {code}"),
            None => "was ended by a signal".to_owned(),
        },
        stderr: end(&captured.stderr),
    })
}

/// Runs a command whose exit code the caller looks at.
///
/// # Errors
/// When it cannot be started or takes longer than `limit` (then its whole group is killed).
pub async fn capture_any(spec: &Spec, limit: Duration) -> Result<Captured, ProcessError> {
    let lost = |source| ProcessError::Lost { command: spec.to_string(), source };
    let mut command = spec.command();
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().map_err(|source| ProcessError::Start {
        command: spec.to_string(),
        directory: spec.cwd.display().to_string(),
        source,
    })?;
    // Whatever is left of it goes when this function ends.
    let _group = Group::of(&child);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let reading = async { tokio::try_join!(read(out, &mut stdout), read(err, &mut stderr)) };
        let waiting = async {
            tokio::pin!(reading);
            let mut open = true;
            loop {
                tokio::select! {
                    read = &mut reading, if open => {
                        read?;
                        open = false;
                    }
                    status = child.wait() => {
                        if open && let Ok(read) = timeout(SETTLE, &mut reading).await {
                            read?;
                        }
                        return status;
                    }
                }
            }
        };
        match timeout(limit, waiting).await {
            Ok(status) => status.map_err(lost)?,
            Err(_) => return Err(ProcessError::TimedOut { command: spec.to_string(), limit }),
        }
    };
    Ok(Captured { code: status.code(), stdout, stderr })
}

async fn read(from: Option<impl AsyncRead + Unpin>, to: &mut Vec<u8>) -> std::io::Result<()> {
    if let Some(mut from) = from {
        from.read_to_end(to).await?;
    }
    Ok(())
}

/// The end of a text, from the start of a line on. Of a last line that is too long itself its beginning:
/// there the masker knows a secret that was cut.
fn end(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = plain(&text);
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
        assert_eq!(end(b" short\n"), "short");
        let long = format!("{}\nlast line\n", "x".repeat(5000));
        assert_eq!(end(long.as_bytes()), "last line");
        assert_eq!(end("y".repeat(5000).as_bytes()), "y".repeat(SHOWN) + "…");
        assert_eq!(end(format!("first\n{}\n", "ä".repeat(5000)).as_bytes()), "ä".repeat(SHOWN) + "…");
        let lines = "a line\n".repeat(1000);
        let shown = end(lines.as_bytes());
        assert!(shown.len() <= SHOWN && shown.len() > SHOWN - 10 && shown.starts_with("a line\n"), "{shown}");
    }
}
