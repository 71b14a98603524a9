//! What becomes of a pull request from a fork.

use crate::error::{Exit, Failure};
use crate::inputs::OnFork;

/// In one sentence.
const FORK: &str = "this pull request comes from a fork, to which GitHub gives neither id token nor secrets, so nothing is \
built, deployed or tested";

/// The rule of the input `on-fork`: the reason for which everything is skipped, none where it is not, or
/// the failure.
///
/// # Errors
/// Where a fork is to fail.
pub fn fork(on_fork: OnFork) -> Result<Option<String>, Failure> {
    match on_fork {
        OnFork::Run => Ok(None),
        OnFork::Skipped => Ok(Some(FORK.to_owned())),
        OnFork::Failure => Err(Failure {
            what: FORK.to_owned(),
            causes: Vec::new(),
            help: Some(
                "push the branch to this repository to run the gate on it, or set `on-fork: skipped`"
                    .to_owned(),
            ),
            exit: Exit::Failed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_fails_or_is_skipped_and_says_why_in_one_sentence() {
        insta::assert_snapshot!(
            fork(OnFork::Failure).err().map(|failure| failure.to_string()).unwrap_or_default()
        );
        let skipped = fork(OnFork::Skipped).ok().flatten();
        assert!(skipped.is_some_and(|reason| reason == FORK && !reason.contains(". ")));
        assert!(fork(OnFork::Run).is_ok_and(|reason| reason.is_none()));
    }
}
