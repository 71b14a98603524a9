//! A terminal on which a program runs: a pseudo-terminal, whose screen is interpreted.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);
/// The rows that may be scrolled away and still be looked at.
const SCROLLBACK: usize = 10_000;

/// A program on a terminal; killed when dropped.
pub(crate) struct Terminal {
    master: File,
    child: Child,
    parser: vt100::Parser,
    /// All that was written to the terminal, as it came.
    pub(crate) raw: Vec<u8>,
}

fn winsize((columns, rows): (u16, u16)) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// Starts a command with all of its streams on a terminal of this many columns and rows.
    pub(crate) fn start(mut command: Command, size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, winsize(size)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let stream = || Stdio::from(OwnedFd::from(slave.try_clone().unwrap()));
        command.stdin(stream()).stdout(stream()).stderr(stream()).process_group(0);
        let child = command.spawn().unwrap();
        drop(command);
        drop(slave);
        let parser = vt100::Parser::new(size.1, size.0, SCROLLBACK);
        Self { master: File::from(master), child, parser, raw: Vec::new() }
    }

    /// The rows that are on the screen, without the empty ones below.
    pub(crate) fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// The last row that is not empty.
    pub(crate) fn last_row(&self) -> String {
        self.screen().lines().rfind(|row| !row.trim().is_empty()).unwrap_or_default().to_owned()
    }

    /// The rows of the screen and those that were scrolled away.
    pub(crate) fn all_rows(&mut self) -> Vec<String> {
        let (rows, columns) = self.parser.screen().size();
        self.parser.screen_mut().set_scrollback(SCROLLBACK);
        let above = self.parser.screen().scrollback();
        let mut all: Vec<String> = Vec::new();
        for back in (1..=above).rev() {
            self.parser.screen_mut().set_scrollback(back);
            all.extend(self.parser.screen().rows(0, columns).next());
        }
        self.parser.screen_mut().set_scrollback(0);
        all.extend(self.parser.screen().rows(0, columns).take(rows.into()));
        all
    }

    /// Waits until the screen is so.
    pub(crate) fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(start.elapsed() < LONG, "waited in vain until {what}:\n{}", self.screen());
            assert!(self.read() || is(self), "it ended before {what}:\n{}", self.screen());
        }
    }

    /// Sends the program a signal, and nobody else.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        tcsetwinsize(&self.master, winsize(size)).unwrap();
        self.parser.screen_mut().set_size(size.1, size.0);
    }

    /// Waits for the end of the program, and gives its exit code; negative for a signal.
    pub(crate) fn end(&mut self) -> i32 {
        let start = Instant::now();
        while self.read() {
            assert!(start.elapsed() < LONG, "it does not end:\n{}", self.screen());
        }
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    /// Reads what the program writes next, if it does so soon; false once it has ended.
    fn read(&mut self) -> bool {
        let soon = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&soon)).unwrap() == 0 {
            return true;
        }
        let mut bytes = [0; 8 * 1024];
        // The last program that had the terminal open is gone: EIO.
        let Ok(length @ 1..) = self.master.read(&mut bytes) else { return false };
        self.raw.extend_from_slice(&bytes[..length]);
        self.parser.process(&bytes[..length]);
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
