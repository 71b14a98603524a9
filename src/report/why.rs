//! Why a step failed, for a person.

use crate::gate::outcome::FailedStep;

/// The lines that say why a step did not pass, after an empty line.
pub(crate) fn why(failed: &FailedStep<'_>) -> Vec<String> {
    let FailedStep { step, what, causes, help, cause } = failed;
    let mut lines = match cause {
        Some(cause) => {
            let place = cause.place.as_ref().map(|place| format!(" ({}:{})", place.file, place.line));
            let mut lines = vec![format!("\n{step}: {}{}", cause.headline, place.unwrap_or_default())];
            if cause.lines.len() > 1 {
                lines.extend(cause.lines.iter().map(|line| format!("  | {line}")));
            }
            lines
        }
        None => vec![format!("\n{step}: {what}")],
    };
    lines.extend(causes.iter().map(|cause| format!("  caused by: {cause}")));
    lines.extend(help.iter().map(|help| format!("  help: {help}")));
    lines
}
