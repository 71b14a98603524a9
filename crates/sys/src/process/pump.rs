//! Reads a pipe on its own thread and passes the bytes on.
//!
//! It needs a thread because the sink may block (a slow console) while signals and time limits must still work.
//! Unread bytes stay in the pipe, so the child waits too.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// The most bytes of one read.
const CHUNK: usize = 256 * 1024;

/// The size of the pipe in bytes, if the system allows it.
pub(super) const PIPE: usize = 1024 * 1024;

/// A running reader.
pub(super) struct Pump {
    /// Dropping it ends the reading.
    go_on: Option<PipeWriter>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Pump {
    /// Starts to read.
    pub(super) fn start(reader: PipeReader, sink: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let (quit, go_on) = io::pipe()?;
        widen(&reader);
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            // The receiver may be gone.
            let _ = tell.send(pump(&reader, &quit, sink));
        })?;
        Ok(Self { go_on: Some(go_on), ended })
    }

    /// Reads what is in the pipe now and then ends, even if a process still holds the other end.
    pub(super) fn finish(&mut self) {
        self.go_on = None;
    }

    /// Waits until the sink has got everything.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        // The sender disappears only if the sink panicked.
        (&mut self.ended).await.unwrap_or_else(|_| Err(io::Error::other("the reader of the output died")))
    }
}

fn pump(reader: &PipeReader, quit: &PipeReader, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
    // Not filled with zeros, because most targets print little.
    let mut buffer = Vec::with_capacity(CHUNK);
    // After the request to finish: at most the size of a pipe, in case a process still prints.
    let mut left = None;
    while left != Some(0) {
        let mut watched = [PollFd::new(reader, PollFlags::IN), PollFd::new(quit, PollFlags::IN)];
        let limit = left.is_some().then(rustix::event::Timespec::default);
        match poll(&mut watched, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let [readable, message] = watched.map(|fd| !fd.revents().is_empty());
        if message && left.is_none() {
            left = Some(PIPE);
            continue;
        }
        if !readable {
            // The pipe is empty, after the request to finish.
            return Ok(());
        }
        buffer.clear();
        let length = match rustix::io::read(reader, spare_capacity(&mut buffer)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if length == 0 {
            return Ok(());
        }
        left = left.map(|left| left.saturating_sub(length));
        sink(&buffer);
    }
    Ok(())
}

/// Widens a pipe, so that its two ends switch less often. Best effort: anything else stays as it is.
pub fn widen(pipe: impl AsFd) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}
