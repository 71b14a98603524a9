//! This process itself.

/// Hides the environment and the memory of this process from other processes of the same user (prctl(2),
/// `PR_SET_DUMPABLE`): they contain the secret inputs, and targets run as that user. Child processes are not
/// protected. Best effort, on Linux.
pub fn keep_to_ourselves() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
