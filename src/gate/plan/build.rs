//! Makes the plan from what is known.

use std::path::PathBuf;
use std::time::Duration;

use super::assigned::assigned;
use super::images::IMAGES;
use super::{
    Access, Action, Cache, Cloud, Eligibility, Images, Job, Later, Place, Plan, PlannedVersion, Promotion,
    Step, Target, missing_app_name,
};
use crate::domain::environment::{
    BUILD, EnvVars, FUNCTIONAL, INTEGRATION, Key, NFT, Origin, Stage, StagePaths, TargetEnvironment, Value,
    Values, target_variables,
};
use crate::domain::image::{ImagePath, Tested};
use crate::edges::make::{Makefile, State};
use crate::inputs::{self, Command, History, Inputs, Integration};
use sys::error::Failure;

/// Everything that a plan is made from.
#[derive(Debug)]
pub struct Known<'a> {
    pub inputs: &'a Inputs,
    /// The command to plan: the input `command`, or the command that `plan` plans.
    pub command: Command,
    /// The targets of `run`, the stage of `promote`, or the words of another command.
    pub targets: &'a [String],
    pub place: Place,
    /// Whether the commit may be tagged and promoted.
    pub eligibility: &'a Eligibility,
    /// Whether the event is about a pull request.
    pub pull_request: bool,
    pub version: PlannedVersion,
    /// The version tag to put on a child of the commit, if a release needs one.
    pub release_tag: Option<String>,
    /// The Makefile, if the command needs one.
    pub makefile: Option<&'a Makefile>,
    /// The files with a promotion's recipe that git tracks.
    pub tracked: &'a [PathBuf],
    /// The values of the job's own environment. For a promotion, the values of its source.
    pub values: &'a Values,
    /// The values of the destination, for a command that promotes.
    pub destination: Result<Values, Failure>,
    /// The registry paths of the stages.
    pub paths: &'a StagePaths,
    /// The variables of the input `env-vars`.
    pub env_vars: &'a EnvVars,
    /// The images that an earlier job recorded.
    pub recorded: Vec<Tested>,
    /// The version and tag of a later gate.
    pub later: Option<&'a Later>,
    /// Whether a gate promotes from this environment.
    pub promotes: bool,
    /// Notes for the top of the log.
    pub notes: Vec<String>,
    /// Warnings for the top of the log.
    pub warnings: Vec<String>,
    /// The commit before the first commit of the event, if the event names one.
    pub scan_base: Option<&'a str>,
    /// Which commits are searched for secrets, unless the environment says otherwise.
    pub history: History,
    /// Whether the registry is the embedded one of a local run.
    pub embedded_registry: bool,
    /// What the job has access to.
    pub cloud: Cloud,
    /// Why everything is skipped, if that was decided before the Makefile was read.
    pub skipped: Option<&'a str>,
}

/// Makes the plan, or returns everything that prevents it. Nothing has run at that point.
pub fn plan(known: &Known<'_>) -> Result<Plan, Failure> {
    let (settled, warnings) = assigned(known);
    let warnings = known.warnings.iter().cloned().chain(warnings).collect();
    let mut planner = Planner { known, steps: Vec::new(), warnings, settled, wave: 0 };
    if let Some(reason) = known.skipped {
        return Ok(planner.nothing(reason));
    }
    match known.command {
        Command::FastFeedback | Command::Plan => planner.fast_feedback()?,
        Command::ExtendedTest => planner.later(Stage::ExtendedTest)?,
        Command::Prod => planner.later(Stage::Prod)?,
        Command::Version => {
            planner.own("version", Job::Version);
            planner.floating_tags();
        }
        Command::Latest => planner.own("version", Job::Version),
        Command::Release => planner.release(),
        Command::Run => planner.run()?,
        Command::Promote => planner.promote()?,
        Command::Scan => planner.scan()?,
    }
    let images = planner.images()?;
    let access = planner.access(&images.names)?;
    let build_cache = planner.build_cache();
    Ok(planner.finish(images, access, build_cache))
}

pub(super) struct Planner<'a> {
    pub(super) known: &'a Known<'a>,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<String>,
    /// The variables that make also gets on its command line.
    settled: Vec<String>,
    pub(super) wave: usize,
}

impl Planner<'_> {
    /// A plan that skips every target. The Makefile has not been read.
    fn nothing(mut self, reason: &str) -> Plan {
        let known = self.known;
        let targets: Vec<&str> = match known.command {
            Command::FastFeedback | Command::Plan => Stage::FastFeedback.targets().collect(),
            Command::ExtendedTest => Stage::ExtendedTest.targets().collect(),
            Command::Prod => Stage::Prod.targets().collect(),
            Command::Run => known.targets.iter().map(String::as_str).collect(),
            Command::Promote => stage(known.targets).ok().and_then(Stage::promotion).into_iter().collect(),
            Command::Version | Command::Latest | Command::Release | Command::Scan => Vec::new(),
        };
        for target in targets {
            self.target(target, None);
        }
        self.finish(Images::default(), Access::default(), Cache::default()).without_steps(reason)
    }

    fn fast_feedback(&mut self) -> Result<(), Failure> {
        let mut needed = vec![BUILD, FUNCTIONAL, NFT];
        let integration = self.integration();
        if integration == Action::Run {
            needed.push(INTEGRATION);
        }
        self.need(&needed)?;
        self.own("version", Job::Version);
        self.target(BUILD, None);
        self.record(Stage::FastFeedback, &[])?;
        let wave = self.wave;
        self.target(FUNCTIONAL, None);
        self.wave = wave;
        self.target(NFT, None);
        self.target(INTEGRATION, Some(integration));
        self.scans();
        if self.known.promotes { self.promotion(Stage::ExtendedTest) } else { Ok(()) }
    }

    /// Whether `p2p-integration` runs, regardless of its recipe.
    pub(super) fn integration(&self) -> Action {
        let skip = |reason: &str, warn| Action::Skip { reason: reason.to_owned(), warn };
        let inputs = self.known.inputs;
        if inputs.integration == Integration::Off {
            skip("`integration` is off", false)
        } else if self.known.pull_request && !inputs.integration_on_prs {
            skip("`integration-on-prs` is false and this is a pull request", false)
        } else if self.state(INTEGRATION) == State::Missing && inputs.integration == Integration::Optional {
            skip("the Makefile has no target `p2p-integration`; a later release makes it mandatory", true)
        } else {
            Action::Run
        }
    }

    /// Adds the steps of a release. Those that everybody sees, the release and its floating tags, come last.
    fn release(&mut self) {
        let known = self.known;
        self.own("version", Job::Version);
        let globs = |globs: &Option<inputs::Lines>| globs.clone().map(|globs| globs.0).unwrap_or_default();
        if let Some(tag) = &known.release_tag {
            let files = globs(&known.inputs.release_files);
            self.own("release-commit", Job::ReleaseCommit { tag: tag.clone(), files });
        }
        let (assets, notes) = (globs(&known.inputs.release_assets), known.inputs.release_notes.clone());
        self.own("release", Job::Release { assets, notes });
        self.floating_tags();
    }

    /// Adds the step that moves the floating tags, if there are any.
    fn floating_tags(&mut self) {
        let Some(tags) = &self.known.inputs.floating_tags else { return };
        let skip = |reason: String| Action::Skip { reason, warn: false };
        let action = match &self.known.eligibility.ineligible {
            _ if self.known.place == Place::Local => skip("a local run moves no tags".to_owned()),
            Some(ineligible) => skip(ineligible.to_string()),
            None => Action::Run,
        };
        self.push("floating-tags", action, Job::FloatingTags { lines: tags.0.clone() });
    }

    fn promote(&mut self) -> Result<(), Failure> {
        self.promotion(stage(self.known.targets)?)
    }

    /// Adds the promotion. It is skipped if the commit may not be promoted.
    pub(super) fn promotion(&mut self, stage: Stage) -> Result<(), Failure> {
        let known = self.known;
        let (Some(target), Some(from)) = (stage.promotion(), stage.earlier().last().copied()) else {
            return Ok(());
        };
        let by_make = self.promotes_by_make(target)?;
        if by_make {
            self.need(&[target])?;
        }
        let action = match &known.eligibility.ineligible {
            Some(ineligible) => Action::Skip { reason: ineligible.to_string(), warn: false },
            None if known.place == Place::Local && !self.stays_here() => Action::Skip {
                reason: "a local run promotes into its own registry only".to_owned(),
                warn: false,
            },
            None => Action::Run,
        };
        let path = |values: &Values, stage| {
            let registry = values.text(Key::Registry).unwrap_or("(no registry)");
            ImagePath::new(registry, &known.paths.of(stage).text)
        };
        // An unknown destination matters only if the run promotes.
        let destination = match (&known.destination, &action) {
            (Ok(destination), _) => destination,
            (Err(failure), Action::Run) => return Err(failure.clone()),
            (Err(_), _) => known.values,
        };
        if action == Action::Run {
            for values in [known.values, destination] {
                values.require(Key::Registry)?;
            }
            if !by_make && self.lacks_names() {
                return Err(missing_app_name::missing_app_name(known.place, "there is no image to promote"));
            }
            self.warn_if_names_are_missing();
        }
        let by = by_make.then(|| self.make_target(target, destination, Some(known.values)));
        let job = Job::Promote(Promotion {
            stage,
            by,
            source: path(known.values, from),
            destination: path(destination, stage),
            include_referrers: known.inputs.include_referrers,
            // A local run may promote the same version again with other bytes.
            on_existing: if known.embedded_registry {
                inputs::OnExisting::Overwrite
            } else {
                known.inputs.on_existing
            },
            record: known.inputs.promotion_record,
        });
        self.push(target, action, job);
        Ok(())
    }

    /// Whether the promotion stays in the embedded registry of this local run.
    fn stays_here(&self) -> bool {
        let registry = |values: &Values| values.text(Key::Registry).map(str::to_owned);
        let destination = self.known.destination.as_ref().ok().and_then(registry);
        self.known.embedded_registry && destination.is_some() && destination == registry(self.known.values)
    }

    /// Whether the team's own recipe promotes.
    fn promotes_by_make(&self, target: &str) -> Result<bool, Failure> {
        let found = self.known.makefile.map(|makefile| makefile.target(target));
        let (state, pattern) = found.map_or((State::Missing, None), |target| (target.state, target.pattern));
        let wrong = match (self.known.inputs.promotion, state) {
            // A catch-all such as `p2p-%` does not count as the team's own promotion.
            (inputs::Promotion::Auto, State::Defined { recipes }) => {
                return Ok(!recipes.is_empty()
                    && pattern.is_none_or(|pattern| pattern.starts_with("p2p-promote"))
                    && recipes.iter().all(|place| self.known.tracked.contains(&place.file)));
            }
            (inputs::Promotion::Make, State::Defined { .. }) => return Ok(true),
            (inputs::Promotion::Make, State::Missing) => format!("the Makefile has no target `{target}`"),
            (inputs::Promotion::Make, State::Empty) => format!("the target `{target}` does nothing"),
            (inputs::Promotion::Native, _) | (inputs::Promotion::Auto, State::Empty | State::Missing) => {
                return Ok(false);
            }
        };
        Err(Failure::usage(
            format!("`promotion` is `make` and {wrong}"),
            format!("let the target `{target}` promote, or set `promotion: auto`; nothing was run"),
        ))
    }

    /// Reports all missing targets in one error, before anything runs.
    pub(super) fn need(&self, targets: &[&str]) -> Result<(), Failure> {
        let missing: Vec<_> =
            targets.iter().copied().filter(|name| self.state(name) == State::Missing).collect();
        if !missing.is_empty() {
            let there: Vec<_> =
                self.known.makefile.iter().flat_map(|makefile| makefile.p2p_targets()).collect();
            let there = match there.as_slice() {
                [] => "it defines no target that begins with `p2p-`".to_owned(),
                there => format!("it defines {}", quoted(there)),
            };
            let place = match self.known.inputs.working_directory.as_str() {
                "." | "" => String::new(),
                directory => format!(" in `{directory}`"),
            };
            return Err(Failure::usage(
                format!("the Makefile{place} does not define {}", quoted(&missing)),
                format!("add what is missing; {there}. Nothing was run"),
            ));
        }
        let shadowed: Vec<_> = targets.iter().copied().filter(|name| self.shadowed(name)).collect();
        if !shadowed.is_empty() {
            return Err(Failure::usage(
                format!("a file or directory is named like the target {}", quoted(&shadowed)),
                format!(
                    "make would call it up to date and run nothing; declare `.PHONY: {}`. Nothing was run",
                    shadowed.join(" ")
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn state(&self, target: &str) -> State {
        self.known.makefile.map_or(State::Missing, |makefile| makefile.target(target).state)
    }

    fn shadowed(&self, target: &str) -> bool {
        self.known.makefile.is_some_and(|makefile| makefile.target(target).shadowed)
    }

    /// Adds a step that runs a make target. `action` is given if it is decided already.
    pub(super) fn target(&mut self, name: &str, action: Option<Action>) {
        let action = match action {
            Some(action @ Action::Skip { .. }) => action,
            _ if self.state(name) == State::Empty => Action::Nothing,
            _ => Action::Run,
        };
        // A test without a recipe is more often forgotten than intended. Only the optional test may be empty.
        if action == Action::Nothing && ![BUILD, INTEGRATION].contains(&name) {
            self.warnings.push(format!(
                "{name} tests nothing: the Makefile declares it and gives it neither recipe nor prerequisites"
            ));
        }
        if let Action::Skip { reason, warn: true } = &action {
            self.warnings.push(format!("{name} is skipped: {reason}"));
        }
        let target = self.make_target(name, self.known.values, None);
        let inputs = self.known.inputs;
        let reaches = inputs.kubeconfig.is_some() || inputs.kube_context.is_some();
        if reaches && action == Action::Run && target.namespace.is_none() && name != BUILD {
            self.warnings.push(format!(
                "{name} gets the namespace of the kubeconfig's own context: its own is not known without `tenant-name`"
            ));
        }
        self.push(name, action, Job::Target(target));
    }

    pub(super) fn make_target(&self, name: &str, values: &Values, source: Option<&Values>) -> Target {
        let known = self.known;
        let version = Value::new(&known.version.version, Origin::Run(known.version.because.clone()));
        let pair = name == NFT
            && !matches!(known.command, Command::Run | Command::Prod | Command::Latest)
            && self.state(FUNCTIONAL) != State::Empty;
        let in_turn = if pair { self.in_turn() } else { None };
        let namespace = values.namespace_key(name, known.command == Command::Run);
        Target {
            target: name.to_owned(),
            namespace: values.text(namespace).map(str::to_owned),
            deploys: namespace != Key::BaseNamespace,
            in_copy: pair && in_turn.is_none(),
            in_turn,
            settled: self.settled.clone(),
            time_limit: known.inputs.timeout.or_else(|| time_limit(name)),
            variables: target_variables(&TargetEnvironment {
                values,
                source,
                paths: known.paths,
                version: Some(&version),
                github_token: known.inputs.github_token.as_ref(),
                env_vars: known.env_vars,
            }),
        }
    }

    /// Why nft waits until functional has ended, if it does.
    fn in_turn(&self) -> Option<String> {
        let makefile = match self.known.inputs.parallel {
            inputs::Parallel::Always => return None,
            inputs::Parallel::Never => return Some("`parallel` is false".to_owned()),
            inputs::Parallel::Auto => self.known.makefile?,
        };
        let (functional, nft) = (makefile.target(FUNCTIONAL), makefile.target(NFT));
        let (shared, one, other) = functional.meets(&nft)?;
        Some(format!(
            "recipes of both {shared} ({one} and {other}), and a copy of the workspace does not keep them apart; \
             `parallel: true` runs them at the same time anyway"
        ))
    }

    pub(super) fn own(&mut self, name: &str, job: Job) {
        self.push(name, Action::Run, job);
    }

    pub(super) fn push(&mut self, name: &str, action: Action, job: Job) {
        self.steps.push(Step { name: name.to_owned(), wave: self.wave, action, job });
        self.wave += 1;
    }

    /// The globs of the files to keep from the targets of this plan.
    fn artifacts(&self) -> Vec<String> {
        let targets = self.steps.iter().filter_map(|step| Some(step.target()?.target.as_str()));
        self.known.inputs.artifacts.as_ref().map(|globs| globs.of(targets)).unwrap_or_default()
    }

    fn finish(self, images: Images, access: Access, build_cache: Cache) -> Plan {
        let artifacts = self.artifacts();
        let known = self.known;
        let mut notes = known.notes.clone();
        if let Some(ineligible) = &known.eligibility.ineligible
            && known.place == Place::Github
            && !matches!(known.command, Command::Run | Command::Scan)
        {
            notes.push(format!("no version tag is created and nothing is promoted: {ineligible}"));
        }
        Plan {
            command: known.command,
            place: known.place,
            notes,
            warnings: self.warnings,
            commit: known.eligibility.commit.to_string(),
            version: known.version.clone(),
            environment: known.values.clone(),
            skipped: None,
            access,
            build_cache,
            images,
            directory: known.inputs.working_directory.clone(),
            artifacts,
            known: serde_json::Map::new(),
            steps: self.steps,
        }
    }
}

/// Reads the stage that `promote` promotes to.
pub fn stage(words: &[String]) -> Result<Stage, Failure> {
    if let [word] = words
        && let Some(stage) = Stage::later(word)
    {
        return Ok(stage);
    }
    let what = match words {
        [] => "no stage is named".to_owned(),
        words => format!("`{}` is not a stage to promote to", words.join(" ")),
    };
    Err(Failure::usage(what, "expected one of `extended-test`, `prod`; nothing was run"))
}

/// The default time limit of a target. Soak tests of the later gates and unknown targets have only the limit of the
/// job.
fn time_limit(target: &str) -> Option<Duration> {
    let fast_feedback = Stage::of_target(target) == Some(Stage::FastFeedback)
        || Stage::promoted_by(target) == Some(Stage::ExtendedTest)
        || target == IMAGES;
    fast_feedback.then_some(Duration::from_hours(1))
}

pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
