//! Which commands read an input: the sets that the list names. `latest` is told what the gate would be,
//! and `plan` what the command that it plans would be.

use super::Command::{self, ExtendedTest, FastFeedback, Prod, Promote, Release, Run, Scan, Version};

/// All of them.
pub(super) const EVERY: &[Command] =
    &[FastFeedback, ExtendedTest, Prod, Version, Run, Promote, Release, Scan];
/// Those that start make targets, look for images, or both.
pub(super) const WORK: &[Command] = &[FastFeedback, ExtendedTest, Prod, Run, Promote, Scan];
/// Those that may have several environments.
pub(super) const GATES: &[Command] = &[FastFeedback, ExtendedTest, Prod];
/// Those that promote.
pub(super) const PROMOTING: &[Command] = &[FastFeedback, ExtendedTest, Promote];
/// The one that promotes from anywhere.
pub(super) const PROMOTE: &[Command] = &[Promote];
/// Those about the commit that is checked out.
pub(super) const COMMIT: &[Command] = &[FastFeedback, Version, Run, Promote, Release, Scan];
/// Those that may give a commit its version.
pub(super) const NUMBERING: &[Command] = &[FastFeedback, Version, Release];
/// Those that tags follow.
pub(super) const RELEASING: &[Command] = &[Version, Release];
/// The release itself.
pub(super) const RELEASE: &[Command] = &[Release];
/// Those that run the targets of the first gate, together or one by one.
pub(super) const FIRST: &[Command] = &[FastFeedback, Run];
/// The first gate as a whole.
pub(super) const FAST_FEEDBACK: &[Command] = &[FastFeedback];
/// Single targets.
pub(super) const RUN: &[Command] = &[Run];
