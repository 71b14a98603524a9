//! Finds the processes of a command and sends them signals.
//!
//! A daemon leaves the process group of its command (`setsid`, a double fork). On Linux p2p can adopt daemons: a
//! process whose parent has ended then becomes a child of p2p instead of init, so p2p can find and end it.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpgrp, getpid, kill_process, kill_process_group,
    test_kill_process_group, waitid, waitpid,
};
use tokio::time::Instant;

use super::table::{self, Process};
use crate::sync::Mutex;

/// At most this many processes are named.
const NAMED: usize = 20;

/// The time between SIGTERM and SIGKILL for processes that a command left behind.
const LINGER: Duration = Duration::from_secs(1);

/// How long killed processes may take to end.
const LAST: Duration = Duration::from_secs(1);

/// The time between two looks for processes that keep forking.
const LOOK: Duration = Duration::from_millis(20);

/// Whether this process adopts daemons.
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// The leaders of the running commands.
static LEADERS: LazyLock<Mutex<BTreeSet<i32>>> = LazyLock::new(Mutex::default);

/// Adopts the daemons of all commands from now on (prctl(2), `PR_SET_CHILD_SUBREAPER`), so that they end with
/// their command, or with [`end_daemons`]. Best effort, on Linux.
pub fn adopt_daemons() {
    #[cfg(target_os = "linux")]
    ADOPTS.store(rustix::process::set_child_subreaper(Some(getpid())).is_ok(), Ordering::Relaxed);
}

/// The daemons that were found. Command lines are text of others: mask and neutralize them before printing.
#[derive(Debug, Default)]
pub struct Daemons {
    /// The command lines of daemons that were ended.
    pub ended: Vec<String>,
    /// The command lines of daemons that could not be ended, such as processes of root.
    pub left: Vec<String>,
    /// Whether a process keeps starting others and ending itself, so that no signal reaches it.
    pub forking: bool,
}

/// Ends everything that any command left behind, at once if `patient` is false.
pub async fn end_daemons(patient: bool) -> Daemons {
    if !ADOPTS.load(Ordering::Relaxed) || !has_children() {
        return Daemons::default();
    }
    let all = Members { leader: None, mark: None };
    let mut ended = all.names();
    if !ended.is_empty() {
        if patient {
            all.end().await;
        } else {
            all.kill().await;
        }
    }
    // This kills too.
    let forking = !is_quiet().await;
    let left = all.names();
    ended.retain(|name| !left.contains(name));
    Daemons { ended, left, forking }
}

/// Whether no new process appears for two looks. A process that keeps forking is hardly ever seen while it runs, but each
/// one that ends becomes a child of p2p. What cannot be ended, such as a process of root, stays the same.
async fn is_quiet() -> bool {
    let deadline = Instant::now() + LAST;
    let (mut quiet, mut known) = (0, BTreeSet::new());
    while quiet < 2 && Instant::now() < deadline {
        let table = table::all().unwrap_or_default();
        let strays = strays(&table, getpid().as_raw_pid(), &LEADERS.lock().clone());
        for id in strays.iter().filter_map(|stray| Pid::from_raw(stray.id)) {
            let _ = kill_process(id, Signal::KILL);
            let _reaped = waitpid(Some(id), WaitOptions::NOHANG);
        }
        let ids: BTreeSet<i32> = strays.iter().map(|stray| stray.id).collect();
        quiet = if ids.is_subset(&known) { quiet + 1 } else { 0 };
        known = ids;
        tokio::time::sleep(LOOK).await;
    }
    quiet == 2
}

/// The process group of a child of p2p. Dropping it kills the group.
#[derive(Debug)]
pub(super) struct Group(Members);

impl Group {
    /// The group of the child with this process id. `mark` is a text that only the environment of this command
    /// contains. It identifies the daemons of this command.
    pub(super) fn of(child: &tokio::process::Child, mark: Option<PathBuf>) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(child.id()?).ok()?)?;
        LEADERS.lock().insert(leader.as_raw_pid());
        Some(Self(Members { leader: Some(leader), mark }))
    }

    /// Its processes.
    pub(super) fn members(&self) -> &Members {
        &self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0.leader else { return };
        // An empty group is fine.
        let _gone = kill_process_group(leader, Signal::KILL);
        LEADERS.lock().remove(&leader.as_raw_pid());
    }
}

/// The processes of one command, or all that commands left behind.
#[derive(Debug)]
pub(super) struct Members {
    leader: Option<Pid>,
    mark: Option<PathBuf>,
}

impl Members {
    /// Sends a signal to all. If none is left, that is no error.
    pub(super) fn send(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, signal);
        }
        for id in self.daemons().iter().filter_map(|daemon| Pid::from_raw(daemon.id)) {
            let _ = kill_process(id, signal);
        }
    }

    /// Kills all, and waits a little until they are gone.
    pub(super) async fn kill(&self) {
        let deadline = Instant::now() + LAST;
        // They may start others before they are killed.
        while Instant::now() < deadline {
            self.send(Signal::KILL);
            if self.empty_by(Instant::now() + Duration::from_millis(50)).await {
                return;
            }
        }
    }

    /// Gives all of them time to end, and then kills them.
    pub(super) async fn end(&self) {
        self.send(Signal::TERM);
        if !self.empty_by(Instant::now() + LINGER).await {
            self.kill().await;
        }
    }

    /// Waits until no process runs any more. Returns false if one still runs at the deadline.
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

    /// The command lines of the running processes.
    pub(super) fn names(&self) -> Vec<String> {
        let mut running = self.in_group().unwrap_or_default();
        running.extend(self.daemons());
        running.iter().take(NAMED).map(Process::command_line).collect()
    }

    /// Whether any process runs, not counting zombies.
    pub(super) fn is_running(&self) -> bool {
        // A group of zombies still accepts signals.
        let group = self.leader.is_some_and(|leader| test_kill_process_group(leader).is_ok());
        group && self.in_group().is_none_or(|running| !running.is_empty()) || !self.daemons().is_empty()
    }

    /// The running processes of the group; `None` if the system does not say.
    fn in_group(&self) -> Option<Vec<Process>> {
        let Some(leader) = self.leader else { return Some(Vec::new()) };
        let leads = |process: &Process| process.runs && process.group == leader.as_raw_pid();
        Some(table::all()?.into_iter().filter(leads).collect())
    }

    /// The running processes that left their group. Reaps those that ended.
    fn daemons(&self) -> Vec<Process> {
        if !ADOPTS.load(Ordering::Relaxed) || !has_children() {
            return Vec::new();
        }
        let leaders = LEADERS.lock().clone();
        let table = table::all().unwrap_or_default();
        let (us, our_group) = (getpid().as_raw_pid(), getpgrp().as_raw_pid());
        let others = leaders.iter().any(|leader| self.leader.is_none_or(|own| own.as_raw_pid() != *leader));
        let strays = strays(&table, us, &leaders);
        for zombie in
            strays.iter().filter(|stray| stray.parent == us && !stray.runs && stray.group != our_group)
        {
            // It was adopted, so only this process can reap it.
            let _reaped = waitpid(Pid::from_raw(zombie.id), WaitOptions::NOHANG);
        }
        // Programs that p2p starts without a group of their own are in its group. A daemon may be, too: it ends at
        // the very end.
        let wanted = |stray: &&Process| match (self.leader, &self.mark) {
            _ if !stray.runs => false,
            (None, _) => true,
            _ if stray.group == our_group => false,
            (Some(_), Some(mark)) if others => stray.started_with(mark.as_os_str().as_bytes()),
            (Some(_), mark) => mark.is_some(),
        };
        strays.into_iter().filter(wanted).cloned().collect()
    }
}

/// Whether this process has any child.
fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

/// The processes below this one that belong to no running command: neither below a leader nor in its group.
fn strays<'a>(table: &'a [Process], us: i32, leaders: &BTreeSet<i32>) -> Vec<&'a Process> {
    let is_free = |process: &&Process| !leaders.contains(&process.id) && !leaders.contains(&process.group);
    let mut found: Vec<_> = table.iter().filter(|process| process.parent == us).filter(is_free).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.id) {
        found.extend(table.iter().filter(|process| process.parent == parent).filter(is_free));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_told_from_what_still_runs() {
        let process = |id, parent, group| Process { id, parent, group, ..Process::default() };
        let table = [
            process(10, 1, 10),  // p2p
            process(20, 10, 20), // a command that runs
            process(21, 20, 21), // its child in a group of its own
            process(22, 10, 20), // its orphan
            process(30, 10, 30), // a daemon
            process(31, 30, 31), // the child of a daemon
            process(40, 1, 40),  // somebody else
        ];
        let found: Vec<_> = strays(&table, 10, &[20].into()).iter().map(|stray| stray.id).collect();
        assert_eq!(found, [30, 31]);
    }
}
