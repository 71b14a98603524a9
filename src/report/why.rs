//! Why a step failed, for a person.

use crate::gate::outcome::FailedStep;

/// The lines that say why a step did not pass, after an empty line.
pub(crate) fn why(failed: &FailedStep) -> Vec<String> {
    let FailedStep { step, causes, help, .. } = failed;
    let mut lines = vec![format!("\n{step}: {}{}", failed.headline(), failed.place(str::to_owned))];
    lines.extend(failed.lines().map(|line| format!("  | {line}")));
    lines.extend(causes.iter().map(|cause| format!("  caused by: {cause}")));
    lines.extend(help.iter().map(|help| format!("  help: {help}")));
    lines
}
