//! The sets of commands that read an input. `latest` has the inputs of its gate, and `plan` those of the command
//! that it plans.

use super::Command::{self, ExtendedTest, FastFeedback, Prod, Promote, Release, Run, Scan, Version};

/// All commands.
pub(super) const EVERY: &[Command] =
    &[FastFeedback, ExtendedTest, Prod, Version, Run, Promote, Release, Scan];
/// Commands that run make targets or read images.
pub(super) const WORK: &[Command] = &[FastFeedback, ExtendedTest, Prod, Run, Promote, Scan];
/// Commands that may run in several environments.
pub(super) const GATES: &[Command] = &[FastFeedback, ExtendedTest, Prod];
/// Commands that promote.
pub(super) const PROMOTING: &[Command] = &[FastFeedback, ExtendedTest, Promote];
/// The command that promotes from anywhere.
pub(super) const PROMOTE: &[Command] = &[Promote];
/// Commands about the commit that is checked out.
pub(super) const COMMIT: &[Command] = &[FastFeedback, Version, Run, Promote, Release, Scan];
/// Commands that may create a version.
pub(super) const NUMBERING: &[Command] = &[FastFeedback, Version, Release];
/// Commands that move floating tags.
pub(super) const RELEASING: &[Command] = &[Version, Release];
/// The release itself.
pub(super) const RELEASE: &[Command] = &[Release];
/// Commands that run the targets of the first gate, together or one by one.
pub(super) const FIRST: &[Command] = &[FastFeedback, Run];
/// The complete first gate.
pub(super) const FAST_FEEDBACK: &[Command] = &[FastFeedback];
/// Single targets.
pub(super) const RUN: &[Command] = &[Run];
