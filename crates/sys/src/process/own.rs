//! This process itself.

/// Keeps the environment and the memory of this process from others of the same user: targets run as that
/// user, and the inputs' secrets are in there (prctl(2), `PR_SET_DUMPABLE`). What it starts is as open as
/// ever. Best effort, on Linux.
pub fn keep_to_ourselves() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
