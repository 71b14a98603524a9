//! A process group from outside: who is in it, and sending it signals.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::time::Instant;

use workflow_commands::cut;

/// No more than this many processes are named.
const NAMED: usize = 20;

/// No more than this many characters of a command line are shown.
const SHOWN: usize = 200;

/// The group that a child of ours leads. Dropped before [`Group::released`], it is killed.
#[derive(Debug)]
pub(super) struct Group {
    leader: Pid,
    released: bool,
}

impl Group {
    /// The group of the child with this process id.
    pub(super) fn of(child: &tokio::process::Child) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(child.id()?).ok()?)?;
        Some(Self { leader, released: false })
    }

    /// Sends a signal to all of the group. That nobody is left to get it is no error.
    pub(super) fn send(&self, signal: Signal) {
        let _ = kill_process_group(self.leader, signal);
    }

    /// Waits until nobody runs in the group any more; false where somebody still does then.
    pub(super) async fn empty_by(&self, deadline: Instant) -> bool {
        let mut pause = Duration::from_millis(2);
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep_until((Instant::now() + pause).min(deadline)).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        true
    }

    /// Nobody of it runs any more, so nobody needs to be killed.
    pub(super) fn released(mut self) {
        self.released = true;
    }

    /// The command lines of those who run in the group.
    pub(super) fn names(&self) -> Vec<String> {
        running(self.leader).unwrap_or_default().into_iter().take(NAMED).collect()
    }

    /// Whether somebody of it runs, zombies left out.
    pub(super) fn is_running(&self) -> bool {
        // A group of which only zombies are left still takes signals.
        test_kill_process_group(self.leader).is_ok()
            && running(self.leader).is_none_or(|running| !running.is_empty())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.released {
            self.send(Signal::KILL);
        }
    }
}

/// The command lines of those who run in the group, zombies left out; `None` on systems without
/// `/proc` (proc(5): `stat`, `cmdline`).
fn running(group: Pid) -> Option<Vec<String>> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let directory = entry.path();
        let is_process = entry.file_name().to_str().is_some_and(|name| name.parse::<i32>().is_ok());
        // A process that ended meanwhile has no files any more.
        let Some(stat) = is_process.then(|| std::fs::read(directory.join("stat")).ok()).flatten() else {
            continue;
        };
        let stat = String::from_utf8_lossy(&stat);
        let Some((name, true)) = parse_stat(&stat, group.as_raw_pid()) else { continue };
        let cmdline = std::fs::read(directory.join("cmdline")).unwrap_or_default();
        found.push(command_line(&cmdline).unwrap_or_else(|| name.to_owned()));
    }
    Some(found)
}

/// From `pid (name) state parent group …`: the name, and whether it runs in `group`. The name
/// itself may hold parentheses and spaces.
fn parse_stat(stat: &str, group: i32) -> Option<(&str, bool)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    let its_group: i32 = fields.nth(1)?.parse().ok()?;
    Some((name, its_group == group && !matches!(state, "Z" | "X" | "x")))
}

/// Arguments that end with NUL each, as one line.
fn command_line(cmdline: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(cmdline);
    let line = text.trim_end_matches('\0').replace('\0', " ");
    (!line.is_empty()).then(|| cut(&line, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        assert_eq!(parse_stat("12 (a) Z 7 (b) S 1 34 34 0", 34), Some(("a) Z 7 (b", true)));
        assert_eq!(parse_stat("12 (make) S 1 34 34 0", 35), Some(("make", false)));
        assert_eq!(parse_stat("12 (make) Z 1 34 34 0", 34), Some(("make", false)));
        assert_eq!(parse_stat("nonsense", 34), None);
    }

    #[test]
    fn arguments_are_joined_and_cut() {
        assert_eq!(command_line(b"sleep\x00300\x00").as_deref(), Some("sleep 300"));
        assert_eq!(command_line(b""), None);
        assert_eq!(command_line(&[b'x'; 1000]), Some("x".repeat(SHOWN) + "…"));
    }
}
