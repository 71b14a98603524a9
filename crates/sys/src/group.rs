//! The process group of a short command: what it started goes with it.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// The group that a child leads; killed when dropped, unless it was released before. Killing the
/// child alone would leave what it started: git's transport, a `$(shell …)` of make.
#[derive(Debug)]
pub struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as the leader of one.
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The child has ended by itself, and its id may soon be another's.
    pub fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that is already gone is what we want.
        let _gone = self.0.map(|leader| kill_process_group(leader, Signal::KILL));
    }
}
