//! What would fail only late in a run, when a tag is created and targets have run, is refused
//! before anything is done.

use crate::edges::google::Identity;
use crate::edges::workspace::ArtifactGlobs;
use crate::gate::plan::{Action, Job, Names, Plan};
use crate::inputs::{Globs, Inputs};
use oci::check_tag;
use sys::error::Failure;

/// The inputs that are read late.
pub(super) fn inputs(inputs: &Inputs, wrong: &mut Vec<Failure>) {
    let globs = inputs.artifacts.iter().flat_map(Globs::iter);
    wrong.extend(ArtifactGlobs::parse(globs).err().map(Failure::from));
    if let Some(version) = &inputs.version {
        let what = || format!("the input `version` is {version:?}, and images are tagged with it");
        wrong.extend(check_tag(version).err().map(|error| Failure::from(error).context(what())));
    }
}

/// The names of the images, wherever the plan looks for them.
pub(super) fn images(plan: &Plan) -> Result<(), Failure> {
    // What a target will print is not known yet; the place is.
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

/// The names of the accounts and their providers.
pub(super) fn access(plan: &Plan) -> Result<(), Failure> {
    let sides = [Some(&plan.access.own), plan.access.destination.as_ref()];
    for acting in sides.into_iter().flatten().filter_map(|side| side.identity.as_ref()) {
        Identity::new(acting.role, &acting.provider.text, &acting.service_account.text)?;
    }
    Ok(())
}
