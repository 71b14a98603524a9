//! Finds the latest version that waits for a later gate, in the registry path of the gate.

use super::{Asking, Host, Paths, Request, makefile};
use crate::domain::environment::{Key, Sources, Stage, Values};
use crate::domain::version;
use crate::edges::make::{self, Makefile};
use crate::gate::plan::{AccessRules, Naming, missing_app_name};
use crate::gate::record::{Finding, Kept, Ledger, Rule, SigningSettings};
use crate::inputs::{Command, Records};
use oci::{Client, Repository};
use sys::error::Failure;

/// The chosen version, if there is one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) version: Option<String>,
    /// Why this version was chosen, or why there is none.
    pub(super) because: String,
    /// The versions that were skipped, each with the reason.
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Chosen {
    fn none(because: impl Into<String>) -> Self {
        Self { because: because.into(), ..Self::default() }
    }
}

/// An image with its tags in the registry path of the gate.
type Tagged = (Repository, Vec<String>);

pub(super) struct Search<'a> {
    pub(super) host: &'a Host<'a>,
    pub(super) request: &'a Request,
    pub(super) stage: Stage,
    pub(super) paths: &'a Paths,
}

impl Search<'_> {
    /// Finds the latest version. Also returns the Makefile if the search had to read it.
    pub(super) async fn latest(
        &self,
        mut sources: Sources,
        connect: impl AsyncFnOnce(Asking<'_>) -> Result<Client, Failure>,
    ) -> Result<(Chosen, Option<Makefile>), Failure> {
        let Self { host, request, stage, paths } = *self;
        if let Some(reason) = &request.skipped {
            return Ok((Chosen::none(reason), None));
        }
        let mut makefile = None;
        if !is_enough(request, &sources.target_values(request)?) {
            let read = makefile::read(host, request, paths, &sources, None).await?;
            sources.add(&read);
            makefile = Some(read);
        }
        let (own, values) = (sources.own()?, sources.target_values(request)?);
        let at = format!("{}/{}", values.require(Key::Registry)?.text, request.paths.of(stage).text);
        let naming = Naming::of(&request.inputs, &request.recorded, makefile.as_ref(), &values);
        let names = match &naming {
            Naming::Known(names) => names.clone(),
            Naming::Printed => {
                let env = makefile::environment(host, request, paths, &values, None)?;
                make::images(&paths.directory, &env, &[], &paths.temp).await?
            }
        };
        // The first image says which version is scanned, as in coreeng/p2p.
        let most = if request.command == Command::Scan { 1 } else { names.len() };
        let repositories = names.iter().take(most).map(|name| {
            format!("{at}/{name}").parse::<Repository>().map_err(|error| {
                Failure::from(error).context(format!("no image can be called {name:?} at {at}"))
            })
        });
        let repositories = repositories.collect::<Result<Vec<_>, _>>()?;
        if repositories.is_empty() {
            return match naming {
                Naming::Known(_) => Err(missing_app_name(host.place(), "there is no image to look for")),
                Naming::Printed => Ok((
                    Chosen::none(
                        "`p2p-images` names no image, so no version awaits this gate; the input `version` names one",
                    ),
                    makefile,
                )),
            };
        }
        let rules = AccessRules { inputs: &request.inputs, place: host.place(), command: Command::Latest };
        let side = &rules.own(&values, true)?;
        let client =
            connect(Asking { inputs: &request.inputs, own: &own, values: &values, side, paths }).await?;
        let mut found = Vec::new();
        for repository in repositories {
            let tags = client.tags(&repository).await?.unwrap_or_default();
            found.push((repository, tags));
        }
        let settings = SigningSettings::of(&values)?;
        let rule = (request.inputs.promotion_record != Records::Off)
            .then(|| host.rule(request, &settings))
            .transpose()?;
        let ledger = Ledger::new(client.clone(), settings.trust(), None);
        Ok((choose((&client, &ledger), rule.as_ref(), stage, &found).await?, makefile))
    }
}

/// Chooses the latest version that no earlier gate rejected. Without a rule, records are not read.
async fn choose(
    (client, ledger): (&Client, &Ledger),
    rule: Option<&Rule>,
    stage: Stage,
    found: &[Tagged],
) -> Result<Chosen, Failure> {
    let (mut passed_over, mut notes, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let chosen = common(found, &passed_over);
        let rejected = match (&chosen.version, rule) {
            (Some(version), Some(rule)) => {
                let tagged = found.iter().filter(|(_, tags)| tags.contains(version));
                let repositories = tagged.map(|(repository, _)| repository);
                rejected((client, ledger), (rule, stage), repositories, version, &mut warnings).await?
            }
            _ => None,
        };
        let (Some(version), Some(why)) = (&chosen.version, rejected) else {
            warnings.extend(chosen.warnings);
            return Ok(Chosen { notes, warnings, ..chosen });
        };
        notes.push(format!("the version {version} is skipped: {why}"));
        passed_over.push(version.clone());
    }
}

/// Why no gate accepts a version: an earlier gate rejected one of its images, or somebody withdrew it. Unreadable
/// records cause only a warning here, because the gate itself reads them again.
async fn rejected(
    (client, ledger): (&Client, &Ledger),
    (rule, stage): (&Rule, Stage),
    repositories: impl Iterator<Item = &Repository>,
    version: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    for repository in repositories {
        let tag = repository.tag(version)?;
        let read = async {
            match client.resolve(repository, &tag.which()).await? {
                Some(image) => Ok(ledger.read(repository, &image.digest).await?),
                None => Ok::<_, Failure>(Vec::new()),
            }
        };
        let found = match read.await {
            Ok(kept) => Kept::records(&kept),
            Err(error) => {
                warnings.push(format!("the records of {tag} cannot be read: {}", error.what));
                continue;
            }
        };
        let gates = stage.earlier().iter().map(|gate| rule.judge(&found, gate.word()));
        let rejection = gates.into_iter().find_map(|finding| match finding {
            Finding::Rejected(why) => Some(format!("{tag}: {why}")),
            Finding::Passed | Finding::Missing(_) => None,
        });
        if rejection.is_some() {
            return Ok(rejection);
        }
    }
    Ok(None)
}

/// The latest version that all images have, because a promotion may have stopped halfway. An image without any
/// version was never promoted; it does not block the others. Skipped versions do not count.
fn common(found: &[Tagged], passed_over: &[String]) -> Chosen {
    let highest = |tags: &[String]| version::latest(tags.iter().map(String::as_str)).map(str::to_owned);
    let (there, new): (Vec<_>, Vec<_>) = found.iter().partition(|(_, tags)| highest(tags).is_some());
    let places = |images: &[&Tagged]| {
        images.iter().map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let Some(((_, first), others)) = there.split_first() else {
        return Chosen::none(format!("no version awaits this gate at {}", places(&new)));
    };
    let mut warnings = Vec::new();
    if !new.is_empty() {
        warnings.push(format!("no version awaits this gate at {}, which is left out", places(&new)));
    }
    let everywhere = |tag: &String| others.iter().all(|(_, tags)| tags.contains(tag));
    let (over, tags): (Vec<_>, Vec<_>) =
        first.iter().filter(|tag| everywhere(tag)).cloned().partition(|tag| passed_over.contains(tag));
    let version = highest(&tags);
    if version.is_none() && !over.is_empty() {
        return Chosen::none(format!("each version at {} is skipped", places(&there)));
    }
    let because = match version {
        Some(_) => format!("the latest at {}", places(&there)),
        None => format!("no version is at {} alike", places(&there)),
    };
    if version.is_none() {
        let each = there.iter().filter_map(|(place, tags)| Some(format!("{} at {place}", highest(tags)?)));
        warnings.push(format!(
            "nothing is tested, although versions await this gate: no version has all images (the highest are {}); \
             run the gate before again, or name the images in `image-names`",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    Chosen { version, because, notes: Vec::new(), warnings }
}

/// Whether the inputs contain everything that the search needs, so that the Makefile need not be read.
pub(super) fn is_enough(request: &Request, values: &Values) -> bool {
    request.inputs.image_names.is_some() && values.get(Key::Registry).is_some()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn images_without_a_version_keep_nobody_waiting() {
        let found = |images: &[(&str, &[&str])], over: &[&str]| {
            let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
            let images: Vec<_> =
                images.iter().map(|(at, of)| (format!("r.io/{at}").parse().unwrap(), tags(of))).collect();
            let over: Vec<String> = over.iter().map(ToString::to_string).collect();
            let Chosen { version, because, warnings, .. } = common(&images, &over);
            format!("{}: {because}; {}", version.as_deref().unwrap_or("none"), warnings.join("; "))
                .trim_end()
                .to_owned()
        };
        let texts = [
            found(&[("r/a", &["1.0.0", "1.1.0"])], &[]),
            found(&[("r/a", &["1.0.0", "1.1.0", "latest"]), ("r/b", &["0.9.0", "1.0.0", "latest"])], &[]),
            found(&[("r/new", &["latest"]), ("r/a", &["1.0.0", "1.1.0"])], &[]),
            found(&[("r/a", &["1.0.0"]), ("r/b", &["2.0.0"]), ("r/new", &[])], &[]),
            found(&[("r/a", &["latest"]), ("r/new", &[])], &[]),
            found(&[("r/a", &["1.0.0", "1.1.0"]), ("r/b", &["1.1.0"])], &["1.1.0"]),
            found(&[("r/a", &["1.0.0", "1.1.0"]), ("r/b", &["1.0.0", "1.1.0"])], &["1.1.0"]),
        ];
        insta::assert_snapshot!(texts.join("\n").replace("r.io/", ""), @r"
        1.1.0: the latest at r/a;
        1.0.0: the latest at r/a and r/b;
        1.1.0: the latest at r/a; no version awaits this gate at r/new, which is left out
        none: no version is at r/a and r/b alike; no version awaits this gate at r/new, which is left out; nothing is tested, although versions await this gate: no version has all images (the highest are 1.0.0 at r/a, 2.0.0 at r/b); run the gate before again, or name the images in `image-names`
        none: no version awaits this gate at r/a and r/new;
        none: each version at r/a and r/b is skipped;
        1.0.0: the latest at r/a and r/b;
        ");
    }
}
