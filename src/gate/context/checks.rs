//! Checks that fail early. These errors would otherwise come late in a run, after a tag was created and targets ran.

use crate::edges::google::Identity;
use crate::edges::workspace::ArtifactGlobs;
use crate::gate::plan::{Action, Job, Names, Plan};
use crate::inputs::{Command, Globs, Inputs, ReleaseCommit};
use oci::check_tag;
use sys::error::Failure;

/// At most this many characters of a wrong input are quoted.
const QUOTED: usize = 100;

/// Checks inputs that are not parsed until later in the run.
pub(super) fn inputs(inputs: &Inputs, wrong: &mut Vec<Failure>) {
    let globs = inputs.artifacts.iter().flat_map(Globs::iter);
    wrong.extend(ArtifactGlobs::parse(globs).err().map(Failure::from));
    wrong.extend(names(inputs));
    if let Some(version) = &inputs.version {
        let what = || format!("the input `version` is {version:?}, and images are tagged with it");
        wrong.extend(check_tag(version).err().map(|error| Failure::from(error).context(what())));
    }
}

/// Refuses inputs that the command would ignore, because the user expects them to have an effect.
pub(super) fn release(inputs: &Inputs, command: Command) -> Result<(), Failure> {
    let version = matches!(command, Command::Version | Command::Release);
    let release = command == Command::Release;
    if command == Command::Version && inputs.floating_tags.is_some() && inputs.version.is_some() {
        return Err(Failure::usage(
            "`version` settles nothing where the input `version` is given, so `floating-tags` follow nothing",
            "use `command: release` with it, or leave `version` out; nothing was run",
        ));
    }
    let wrong = [
        ("floating-tags", inputs.floating_tags.is_some() && !version),
        ("release-commit", inputs.release_commit == ReleaseCommit::Child && !version),
        ("release-files", inputs.release_files.is_some() && !release),
        ("release-assets", inputs.release_assets.is_some() && !release),
    ];
    if let Some((input, _)) = wrong.iter().find(|(_, wrong)| *wrong) {
        return Err(Failure::usage(
            format!("the input `{input}` means nothing to `{command}`"),
            "use it with `command: release`; nothing was run",
        ));
    }
    if release && inputs.release_files.is_some() && inputs.release_commit == ReleaseCommit::Own {
        return Err(Failure::usage(
            "`release-files` are for a commit of the release's own, and `release-commit` is `own`",
            "set `release-commit: child`; nothing was run",
        ));
    }
    Ok(())
}

/// Names that p2p compares with what GitHub sends. A name with an extra space would silently match nothing.
fn names(inputs: &Inputs) -> impl Iterator<Item = Failure> {
    let named = [
        ("environment", &inputs.environment),
        ("source-environment", &inputs.source_environment),
        ("dest-environment", &inputs.dest_environment),
        ("registry-username", &inputs.registry_username),
    ];
    let odd = named.into_iter().filter_map(|(name, text)| {
        let text = text.as_deref()?;
        let odd = text.trim() != text || text.chars().any(char::is_control);
        odd.then(|| {
            let what = format!("the input `{name}` is {:?}", workflow_commands::cut(text, QUOTED));
            Failure::usage(
                what,
                "expected a name without line breaks and without blanks at its ends; nothing was run",
            )
        })
    });
    let main = &inputs.main_branch;
    let branch = main.strip_prefix("refs/heads/").unwrap_or(main);
    let wrong = (!is_branch(branch) || branch.starts_with("refs/tags/") || branch.starts_with("heads/"))
        .then(|| {
            let what = format!("the input `main-branch` is {:?}", workflow_commands::cut(main, QUOTED));
            Failure::usage(what, "expected a branch, such as `main` or `refs/heads/main`; nothing was run")
        });
    odd.chain(wrong)
}

/// Whether git accepts a text as the name of a branch (git-check-ref-format(1)).
fn is_branch(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let lock = |part: &str| part.rsplit_once('.').is_some_and(|(_, end)| end == "lock");
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !lock(part);
    !text.contains(forbidden)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.starts_with('-')
        && text != "@"
        && text.split('/').all(part)
}

/// Checks the names of the images, wherever the plan takes them from.
pub(super) fn images(plan: &Plan) -> Result<(), Failure> {
    // The target has not printed its names yet, but their place in the registry is known.
    let unknown = ["unknown".to_owned()];
    let names = match &plan.images.names {
        Names::Names(names) => names.as_slice(),
        Names::PrintedBy(_) => &unknown,
    };
    for step in plan.steps.iter().filter(|step| step.action == Action::Run) {
        let places = match &step.job {
            Job::Images { repository, .. } => vec![repository],
            Job::Promote(promotion) => vec![&promotion.source, &promotion.destination],
            _ => Vec::new(),
        };
        for place in places {
            place.repository().map_err(|error| {
                let what = format!("no image can be kept at {place}: `registry` or a stage's path is wrong");
                Failure::from(error).context(what)
            })?;
            for name in names {
                place.image(name).repository().map_err(|error| {
                    let what = format!("no image can be called {name:?}: `image-names` or `images` is wrong");
                    Failure::from(error).context(what)
                })?;
            }
        }
    }
    Ok(())
}

/// Checks the names of the service accounts and their providers.
pub(super) fn access(plan: &Plan) -> Result<(), Failure> {
    let sides = [Some(&plan.access.own), plan.access.destination.as_ref()];
    for acting in sides.into_iter().flatten().filter_map(|side| side.identity.as_ref()) {
        Identity::new(acting.role, &acting.provider.text, &acting.service_account.text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_what_git_takes_for_them() {
        for text in ["main", "release/2.x", "trunk", "Ünï", "a-b_c", "x@y"] {
            assert!(is_branch(text), "{text}");
        }
        for text in [
            "",
            " main",
            "main ",
            "ma in",
            "main\n",
            "/main",
            "main/",
            "a//b",
            ".main",
            "a/.b",
            "main.",
            "main.lock",
            "a.lock/b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "rel*",
            "a[b",
            "a\\b",
            "@",
            "a@{1}",
            "-main",
            "a\tb",
        ] {
            assert!(!is_branch(text), "{text:?}");
        }
    }
}
