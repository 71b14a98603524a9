//! The plan as text for a person.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::{Acting, Action, Job, Located, Names, Plan, Preflight, Review, ScanJob, ScanSubject, Step};
use crate::domain::environment::Variables;
use crate::inputs::{BlockingSeverity, ClusterEndpoint, History};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.command)?;
        for note in &self.notes {
            writeln!(f, "  note     {note}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning  {warning}")?;
        }
        writeln!(f, "  commit   {}", self.commit().unwrap_or("none"))?;
        match self.version.version.as_str() {
            "" => writeln!(f, "  version  none: {}", self.version.because)?,
            version => writeln!(f, "  version  {version} ({})", self.version.because)?,
        }
        if let Some(previous) = &self.version.previous {
            writeln!(f, "  previous {previous}")?;
        }
        match (&self.version.tag, self.version.create) {
            (Some(tag), true) => writeln!(f, "  tag      {tag}, to be created")?,
            (Some(tag), false) => writeln!(f, "  tag      {tag}, which exists")?,
            (None, _) => {}
        }
        write_access(f, self)?;
        match &self.images.names {
            Names::Names(names) if names.is_empty() => writeln!(f, "  images   none that is known")?,
            Names::Names(names) => writeln!(f, "  images   {}", names.join(", "))?,
            Names::PrintedBy(target) => writeln!(f, "  images   what `make {}` prints", target.target)?,
        }
        writeln!(f, "\nsteps, in order:")?;
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        for wave in self.waves() {
            let running = || wave.iter().filter(|step| step.action == Action::Run);
            let together = running().count() > 1 && running().any(in_copy);
            for step in wave {
                write_step(f, step, together, width)?;
            }
        }
        writeln!(f, "\nvalues of the environment:\n{}", indented(&self.environment.to_string()))?;
        write_variables(f, self)
    }
}

/// Writes the variables of the targets that run. Shared variables appear once.
fn write_variables(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let running = plan.steps.iter().filter(|step| step.action == Action::Run);
    let targets: Vec<_> = running.filter_map(Step::target).collect();
    let Some((first, others)) = targets.split_first() else { return Ok(()) };
    let mut shared = first.variables.clone();
    for other in others {
        shared.set.retain(|name, variable| other.variables.get(name) == Some(variable));
        shared.unset.retain(|name| other.variables.unset.contains(name));
    }
    match (others, &first.namespace) {
        ([], Some(namespace)) => writeln!(f, "\nvariables of {} (namespace {namespace}):", first.target)?,
        ([], None) => writeln!(f, "\nvariables of {}:", first.target)?,
        _ => {
            let width = targets.iter().map(|target| target.target.len()).max().unwrap_or(0);
            let known =
                targets.iter().filter_map(|target| Some((&target.target, target.namespace.as_ref()?)));
            for (position, (target, namespace)) in known.enumerate() {
                if position == 0 {
                    writeln!(f, "\nnamespaces:")?;
                }
                writeln!(f, "  {target:<width$}  {namespace}")?;
            }
            writeln!(f, "\nvariables of every target:")?;
        }
    }
    writeln!(f, "{}", indented(&shared.to_string()))?;
    for target in targets {
        let mut own = target.variables.clone();
        own.set.retain(|name, _| shared.get(name).is_none());
        own.unset.retain(|name| !shared.unset.contains(name));
        if own != Variables::default() {
            writeln!(f, "\nvariables of {} besides:", target.target)?;
            writeln!(f, "{}", indented(&own.to_string()))?;
        }
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn listed(globs: &[String]) -> String {
    if globs.is_empty() { "no files".to_owned() } else { globs.join(", ") }
}

/// Whether the step runs in a copy of the workspace.
fn in_copy(step: &Step) -> bool {
    step.target().is_some_and(|target| target.in_copy)
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step, together: bool, width: usize) -> fmt::Result {
    let mut what = match &step.action {
        Action::Run => step.job.to_string(),
        Action::Skip { reason, .. } => format!("skipped: {reason}"),
        Action::Nothing => "does nothing: it has neither recipe nor prerequisites".to_owned(),
    };
    if step.action == Action::Run {
        if together {
            what.push_str(", at the same time as its neighbour");
        }
        if let Some(why) = step.target().and_then(|target| target.in_turn.as_ref()) {
            let _ = write!(what, ", after its neighbour: {why}");
        }
        if together && in_copy(step) {
            what.push_str(", in a copy of the workspace");
        }
    }
    writeln!(f, "  {}. {:<width$}  {what}", step.wave + 1, step.name)
}

/// Writes the accounts and the cluster, each with its source.
fn write_access(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let own = &plan.access.own;
    // A value that is the same on both sides appears once.
    let other = plan.access.destination.as_ref().filter(|side| {
        side.identity != own.identity
            || side.registry != own.registry
            || side.cluster.as_ref().is_some_and(|cluster| Some(cluster) != own.cluster.as_ref())
    });
    for side in [Some(own), other].into_iter().flatten() {
        if let Some(Acting { role, provider, service_account }) = &side.identity {
            let (provider, account) = ((&provider.text, &provider.origin), service_account);
            writeln!(f, "  acts as  {} ({role} identity; {})", account.text, account.origin)?;
            writeln!(f, "           by {} ({})", provider.0, provider.1)?;
        }
        if let Some(registry) = &side.registry {
            writeln!(f, "           and logs in to {registry}")?;
        }
        if let Some(Located { project, location, name, endpoint, .. }) = &side.cluster {
            let endpoint = endpoint.map_or("the first endpoint that is open", ClusterEndpoint::word);
            writeln!(f, "  cluster  {name} ({location}, project {project}; {endpoint})")?;
        }
    }
    if let Some(assignment) = plan.build_cache.assignment {
        let builder = if plan.build_cache.builder { ", with the builder p2p" } else { "" };
        let (variable, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        let what = if value.is_empty() { "none" } else { "in the registry, beside each image" };
        writeln!(f, "  cache    {what} ({variable}){builder}")?;
    }
    Ok(())
}

/// A time limit in the form of the input.
fn limit(limit: Duration) -> String {
    match limit.as_secs() {
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

impl fmt::Display for ScanJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commits = if self.options.history == History::Full { "all commits" } else { "new commits" };
        match &self.what {
            ScanSubject::Source { secrets, dependencies } => {
                let parts = [(*dependencies, "dependencies and licences"), (*secrets, commits)];
                let parts: Vec<_> = parts.into_iter().filter(|(on, _)| *on).map(|(_, part)| part).collect();
                write!(f, "scan {}", parts.join(", and "))?;
            }
            ScanSubject::Reports(directory) => write!(f, "judge what was found, in {directory}")?,
            ScanSubject::Recorded(_) => f.write_str("scan the recorded digests, all platforms")?,
            ScanSubject::Images(images) => {
                let names: Vec<_> = images.iter().map(ToString::to_string).collect();
                write!(f, "scan {}, all platforms", names.join(", "))?;
            }
        }
        match self.options.blocking_severity {
            BlockingSeverity::Off => f.write_str("; no finding blocks")?,
            BlockingSeverity::Critical => f.write_str("; critical findings block")?,
            severity => write!(f, "; findings from {severity} on block")?,
        }
        self.beside.as_ref().map_or(Ok(()), |target| write!(f, "; begins with {target}"))
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![];
        parts.extend(self.pull.iter().map(|repository| format!("may pull from {repository}")));
        let pushes = self.push.iter().chain(&self.promote);
        parts.extend(pushes.map(|repository| format!("may push to {repository}")));
        match &self.review {
            Some(Review::Subnamespaces(parent)) => {
                parts.push(format!("may create subnamespaces of {parent}"));
            }
            Some(Review::Deploy(names)) => parts.push(format!("may deploy to {}", names.join(", "))),
            None => {}
        }
        if parts.is_empty() {
            parts.push("may act as the service account".to_owned());
        }
        write!(f, "check that the run {}", parts.join(", "))
    }
}

impl Step {
    /// The make target that the step runs, if it runs one.
    pub fn target(&self) -> Option<&super::Target> {
        match &self.job {
            Job::Target(target) => Some(target),
            Job::Promote(promotion) => promotion.by.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preflight(preflight) => write!(f, "{preflight}"),
            Self::Version => f.write_str("settle the version"),
            Self::Subnamespaces(sub) => write!(f, "create {} in {}", sub.names.join(", "), sub.parent),
            Self::Target(target) => {
                write!(f, "make {}", target.target)?;
                target.time_limit.map_or(Ok(()), |time| write!(f, ", at most {}", limit(time)))
            }
            Self::Scan(job) => write!(f, "{job}"),
            Self::Images { repository, .. } => write!(f, "record the digests under {repository}"),
            Self::ReleaseCommit { tag, files } => {
                write!(f, "put the tag {tag} on a child of the commit, with {}", listed(files))
            }
            Self::Release { assets, notes } => {
                write!(f, "publish the GitHub release (notes: {notes}), with {}", listed(assets))
            }
            Self::FloatingTags { lines } => {
                let words: Vec<_> = lines.iter().map(|line| line.word()).collect();
                write!(f, "move the floating tags ({}), never backwards", words.join(", "))
            }
            Self::Promote(promotion) => {
                match &promotion.by {
                    Some(target) => write!(f, "make {}", target.target)?,
                    None => f.write_str("copy the images")?,
                }
                write!(f, ", {} → {}", promotion.source, promotion.destination)
            }
        }
    }
}
