//! The complete log of a target, as a file. If there is much to write, a separate thread writes it, because writing
//! takes about as long as reading and masking.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use sys::private;

/// Pieces with fewer bytes are written at once.
const MUCH: usize = 64 * 1024;

/// How many pieces may wait to be written. Beyond that, the target waits too.
const WAITING: usize = 4;

/// A log that is being written.
pub(super) struct LogFile {
    file: File,
    writer: Option<Writer>,
}

/// The writing thread, and the channels for full and for empty buffers.
struct Writer {
    full: Sender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl LogFile {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: private::create(path)?, writer: None })
    }

    /// Writes `text` now or later, and returns an empty buffer. If the disk is full, the text is dropped: the
    /// console has the output, and the gate must go on.
    pub(super) fn write(&mut self, text: Vec<u8>) -> Vec<u8> {
        if self.writer.is_none() && text.len() >= MUCH {
            // Without a thread, this thread writes.
            self.writer = self.file.try_clone().and_then(Writer::start).ok();
        }
        let Some(writer) = &self.writer else {
            let _unwritten = self.file.write_all(&text);
            return text;
        };
        if text.is_empty() {
            return text;
        }
        match writer.full.send(text) {
            Ok(()) => writer.empty.recv().unwrap_or_default(),
            Err(text) => text.0,
        }
    }

    /// Waits until everything is written.
    pub(super) fn finish(&mut self) {
        if let Some(Writer { full, empty: _, thread }) = self.writer.take() {
            drop(full);
            // The thread cannot panic.
            let _ended = thread.join();
        }
    }
}

impl Writer {
    fn start(mut file: File) -> io::Result<Self> {
        let (full, to_write) = channel::<Vec<u8>>();
        let (written, empty) = channel();
        for _ in 0..WAITING {
            // The receiver is in this function.
            let _sent = written.send(Vec::new());
        }
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            for text in to_write {
                let _unwritten = file.write_all(&text);
                // After the last text, the receiver may be gone.
                let _finished = written.send(text);
            }
        })?;
        Ok(Self { full, empty, thread })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn parts_small_and_large_are_all_there_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = LogFile::create(&path).unwrap();
        let mut expected = Vec::new();
        let mut buffer = Vec::new();
        for (byte, length) in [1, MUCH, 5, 3 * MUCH, 1, 0, MUCH, 7, 2, 9, MUCH].into_iter().enumerate() {
            buffer.clear();
            buffer.resize(length, u8::try_from(byte).unwrap());
            expected.extend_from_slice(&buffer);
            buffer = log.write(buffer);
        }
        log.finish();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[test]
    fn what_is_little_is_there_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = LogFile::create(&path).unwrap();
        log.write(b"one\n".to_vec());
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
    }
}
