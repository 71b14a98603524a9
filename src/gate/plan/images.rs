//! Which images a plan works on, and whether a missing image is an error.

use super::build::{Known, Planner, quoted};
use super::{Action, Images, Job, Names, missing_app_name};
use crate::domain::environment::{Key, Stage, Values};
use crate::domain::image::{ImagePath, Tested};
use crate::edges::make::{Makefile, State};
use crate::inputs::{Command, Inputs, Records};
use sys::error::Failure;

/// The target that prints the names of images.
pub const IMAGES: &str = "p2p-images";

/// Where the names of the images come from.
pub enum Naming {
    /// The names are known.
    Known(Vec<String>),
    /// The target [`IMAGES`] prints them after the build.
    Printed,
}

impl Naming {
    /// The first of: the input `image-names`, the images that an earlier job recorded, the names that the Makefile
    /// prints, the app's name.
    pub fn of(inputs: &Inputs, recorded: &[Tested], makefile: Option<&Makefile>, values: &Values) -> Self {
        if let Some(names) = &inputs.image_names {
            Self::Known(names.0.clone())
        } else if !recorded.is_empty() {
            Self::Known(recorded.iter().map(|image| image.name.clone()).collect())
        } else if makefile.is_some_and(|makefile| makefile.target(IMAGES).state != State::Missing) {
            Self::Printed
        } else {
            Self::Known(values.text(Key::AppName).map(str::to_owned).into_iter().collect())
        }
    }
}

impl Planner<'_> {
    /// Adds the step that records the digests of a stage's images: those that the build pushed, or those that passed
    /// the gates in `earlier`.
    pub(super) fn record(&mut self, stage: Stage, earlier: &[Stage]) -> Result<(), Failure> {
        let known = self.known;
        let registry = match known.values.text(Key::Registry) {
            Some(registry) => registry,
            // A later gate needs a registry.
            None if stage != Stage::FastFeedback => &known.values.require(Key::Registry)?.text,
            None => {
                self.warnings
                    .push("no registry is known, so the images of the build are not recorded".to_owned());
                return Ok(());
            }
        };
        self.warn_if_names_are_missing();
        let repository = ImagePath::new(registry, &known.paths.of(stage).text);
        // A scan of the latest version may run many times. It is not a gate.
        let again = known.command == Command::Scan && known.later.is_some();
        let records = if again { Records::Off } else { known.inputs.promotion_record };
        self.own("images", Job::Images { repository, stage, earlier: earlier.to_vec(), records });
        Ok(())
    }

    fn image_names(&self) -> Names {
        let Known { inputs, recorded, makefile, values, .. } = self.known;
        match Naming::of(inputs, recorded, *makefile, values) {
            Naming::Known(names) => Names::Names(names),
            Naming::Printed => Names::PrintedBy(Box::new(self.make_target(IMAGES, values, None))),
        }
    }

    /// Whether nothing names the images.
    pub(super) fn lacks_names(&self) -> bool {
        self.image_names() == Names::Names(Vec::new())
    }

    /// Warns once that the names of the images are unknown.
    pub(super) fn warn_if_names_are_missing(&mut self) {
        let warning = missing_app_name::warning(self.known.place);
        if self.lacks_names() && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Whether a downloaded include defines `p2p-images`, and not the team.
    fn listed_by_default(&self) -> bool {
        match self.state(IMAGES) {
            State::Defined { recipes } => {
                !recipes.iter().all(|place| self.known.tracked.contains(&place.file))
            }
            State::Empty | State::Missing => false,
        }
    }

    /// An image that is missing after the build is an error if the team listed it or if p2p promotes it.
    pub(super) fn images(&self) -> Result<Images, Failure> {
        let printed = matches!(self.image_names(), Names::PrintedBy(_));
        let by_default = printed && self.listed_by_default();
        let listed =
            self.known.inputs.image_names.is_some() || self.state(IMAGES) != State::Missing && !by_default;
        let (command, scans) = (self.known.command, self.known.command == Command::Scan);
        let later = matches!(command, Command::ExtendedTest | Command::Prod);
        // A scan of the latest version ignores images without any version.
        let latest = scans && self.known.later.is_some();
        let native = self.steps.iter().any(|step| {
            step.action == Action::Run
                && matches!(&step.job, Job::Promote(promotion) if promotion.by.is_none())
        });
        let names = self.image_names();
        let mut recorded = self.known.recorded.clone();
        if let (Names::Names(names), false) = (&names, recorded.is_empty()) {
            let lost: Vec<_> = names
                .iter()
                .map(String::as_str)
                .filter(|name| !recorded.iter().any(|image| image.name == *name))
                .collect();
            if !lost.is_empty() {
                return Err(Failure::usage(
                    format!("the input `images` holds no digest of {}", quoted(&lost)),
                    "give the output `images` of the job that built them, or leave them out of `image-names`; \
                     nothing was run",
                ));
            }
            recorded.retain(|image| names.contains(&image.name));
        }
        let handed_over = self.known.inputs.images.is_some();
        let required = !latest && (listed || native || later);
        Ok(Images { names, required, by_default, handed_over, recorded })
    }
}
