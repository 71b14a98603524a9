//! Single targets, for a gate that is spread over several jobs.

use super::build::Planner;
use super::{Action, Place};
use crate::domain::environment::{BUILD, INTEGRATION, Key, Stage};
use sys::error::Failure;

impl Planner<'_> {
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let known = self.known;
        let targets: Vec<_> = known.targets.iter().map(String::as_str).collect();
        if targets.is_empty() {
            return Err(Failure::usage(
                "no target to run",
                "name one or more make targets: `p2p run p2p-build`, or the input `target`",
            ));
        }
        let promotion = |target: &&str| Some((Stage::promoted_by(target)?, (*target).to_owned()));
        // Targets of several stages may be named, so take the lowest.
        if let Some((stage, target)) = targets.iter().filter_map(promotion).min() {
            return Err(Failure::usage(
                format!("`{target}` promotes, and `run` never does"),
                format!("use `p2p promote {}`, which checks what is promoted; nothing was run", stage.word()),
            ));
        }
        // On a laptop, a person has named the target, so it runs.
        let integration = Some(self.integration()).filter(|_| known.place == Place::Github);
        let skipped =
            |target: &str| target == INTEGRATION && matches!(integration, Some(Action::Skip { .. }));
        let required = known.inputs.required_targets.iter().flat_map(|words| &words.0).map(String::as_str);
        let needed: Vec<_> =
            targets.iter().copied().filter(|target| !skipped(target)).chain(required).collect();
        self.need(&needed)?;
        let mut recorded = false;
        for name in targets {
            if !recorded && let Some(stage) = self.tests(name) {
                self.record(stage, stage.earlier())?;
                recorded = true;
            }
            self.target(name, integration.clone().filter(|_| skipped(name)));
            if !recorded && name == BUILD {
                self.record(Stage::FastFeedback, &[])?;
                recorded = true;
            }
        }
        Ok(())
    }

    /// The later stage whose images a target tests. Their digests are recorded before it runs, so that the job that
    /// promotes knows which images were tested.
    fn tests(&self, name: &str) -> Option<Stage> {
        let in_registry =
            self.known.place == Place::Github && self.known.values.text(Key::Registry).is_some();
        Stage::of_target(name).filter(|stage| in_registry && *stage != Stage::FastFeedback)
    }
}
