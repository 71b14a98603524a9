//! Decides which records count, and what they say about an image. Gates and `p2p verify` use this rule. Pure.

use attestation::AllowedSigner;

use super::refs::Refs;
use super::value::{Judgement, Record, RecordedScan};

/// Whose records count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The repository, `owner/name`. `None` accepts the records of any repository, and those of laptops.
    pub repository: Option<String>,
    /// Its id on GitHub, if it is known.
    pub repository_id: Option<String>,
    /// The commit of the version's tag, which must have passed. `None` accepts any commit.
    pub commit: Option<String>,
    /// The version that must have passed: a record of the same bytes under an older version must not count. `None`
    /// accepts any.
    pub version: Option<String>,
    /// The name of the image below the stage's path, because a record of the same bytes as another app must not
    /// count. `None` accepts any.
    pub image: Option<String>,
    pub refs: Refs,
    /// Who must have signed. `None` also accepts records that are not signed.
    pub signed: Option<AllowedSigner>,
}

/// What the records of an image say about one gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The image passed the gate.
    Passed,
    /// No record says that it passed. Names the closest record and what is wrong with it.
    Missing(String),
    /// The gate failed after its last pass, or somebody withdrew the image.
    Rejected(String),
}

impl Rule {
    /// Judges the image by its records of the gate `stage`.
    pub fn judge(&self, records: &[Result<Record, String>], stage: &str) -> Finding {
        if let Some(yanked) = yanked(records) {
            return Finding::Rejected(yanked);
        }
        let mut closest: Option<(usize, String)> = None;
        let mut newest: Option<&Record> = None;
        let mut passed = false;
        for record in records {
            let found = match record {
                Ok(record) => match self.counts(record, stage) {
                    Ok(()) => {
                        let signature = self.signature(record);
                        // A rejection needs no signature, and an unsigned pass cannot revoke it.
                        if signature.is_ok() || record.result != Judgement::Passed {
                            newest = Some(newer(newest, record));
                        }
                        self.of_commit(record)
                            .and(self.of_image(record))
                            .and(signature)
                            .map_err(|why| (record, why))
                    }
                    Err(why) => Err((record, why)),
                },
                Err(reason) => {
                    let unread = (0, format!("a record does not count: {reason}"));
                    closest = closest.max_by_rank(unread);
                    continue;
                }
            };
            match found {
                Ok(()) => passed |= record.as_ref().is_ok_and(|record| record.result == Judgement::Passed),
                Err((record, (rank, why))) => {
                    closest = closest.max_by_rank((rank, format!("the record {} {why}", named(record))));
                }
            }
        }
        match newest.filter(|newest| newest.result == Judgement::Failed) {
            Some(failed) => Finding::Rejected(format!("it failed {stage}: {}", rejection(failed))),
            None if passed => Finding::Passed,
            None => Finding::Missing(
                closest.map_or_else(|| "it has no record of any gate".to_owned(), |(_, closest)| closest),
            ),
        }
    }

    /// The scans of this image that let it pass, by the records that count.
    pub fn scans<'a>(&self, records: &'a [Result<Record, String>]) -> impl Iterator<Item = &'a RecordedScan> {
        let counting = records.iter().flatten().filter(|record| {
            let own = [self.of_commit(record), self.of_image(record), self.signature(record)];
            record.result == Judgement::Passed && self.accepts(record) && own.iter().all(Result::is_ok)
        });
        counting.flat_map(|record| &record.scans).filter(|scan| scan.is_of_image())
    }

    /// Whether a record comes from this repository, and from a run that may promote.
    pub fn accepts(&self, record: &Record) -> bool {
        record.stage.as_deref().is_some_and(|stage| self.counts(record, stage).is_ok())
    }

    /// Whether a record of this gate counts. Otherwise returns how many checks it passed, and what is wrong with it.
    fn counts(&self, record: &Record, stage: &str) -> Result<(), (usize, String)> {
        let by = &record.by;
        if record.stage.as_deref() != Some(stage) {
            let other = record.stage.as_deref().unwrap_or("no gate");
            return Err((1, format!("is of {other}")));
        }
        let Some(repository) = &self.repository else { return self.promotes(record) };
        let Some(theirs) = &by.repository else {
            return Err((2, format!("is of a laptop, not of the repository {repository}")));
        };
        let same = match (&self.repository_id, &by.repository_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => repository.eq_ignore_ascii_case(theirs),
        };
        if !same {
            let id = by.repository_id.as_deref().map(|id| format!(" (id {id})")).unwrap_or_default();
            return Err((2, format!("is of the repository {theirs}{id}, not of {repository}")));
        }
        self.promotes(record)
    }

    /// Whether the run that left the record may tag and promote. A laptop has neither event nor ref; the check of
    /// the repository decides whether its records count.
    fn promotes(&self, record: &Record) -> Result<(), (usize, String)> {
        let (event, git_ref) = (record.by.event.as_deref(), record.by.git_ref.as_deref());
        if self.repository.is_none() && event.is_none() && git_ref.is_none() {
            return Ok(());
        }
        let (event, git_ref) = (event.unwrap_or("(none)"), git_ref.unwrap_or("(none)"));
        if !self.refs.events.contains(&event) {
            return Err((3, format!("is of the event `{event}`, which never promotes")));
        }
        if !self.refs.trusted(git_ref) {
            return Err((
                4,
                format!("is of `{git_ref}`, which is neither the main branch nor a version tag"),
            ));
        }
        Ok(())
    }

    /// Whether the record is about the commit of the version's tag. The caller checks that this commit is in the
    /// history of the main branch.
    fn of_commit(&self, record: &Record) -> Result<(), (usize, String)> {
        let theirs = record.by.commit.as_deref().unwrap_or("(none)");
        match self.commit.as_deref().filter(|commit| *commit != theirs) {
            Some(commit) => Err((5, format!("is of the commit {theirs}, and the version's is {commit}"))),
            None => Ok(()),
        }
    }

    /// Whether the record is about this version of this image.
    fn of_image(&self, record: &Record) -> Result<(), (usize, String)> {
        let theirs = record.version.clone().unwrap_or_else(|| record.image.which().to_string());
        if let Some(version) = self.version.as_ref().filter(|version| **version != theirs) {
            return Err((5, format!("is of the version {theirs}, not of {version}")));
        }
        let repository = record.image.repository.to_string();
        match self.image.as_ref().filter(|name| !repository.ends_with(&format!("/{name}"))) {
            Some(name) => Err((5, format!("is of the image {repository}, not of {name}"))),
            None => Ok(()),
        }
    }

    /// Whether the record is signed by an allowed signer.
    fn signature(&self, record: &Record) -> Result<(), (usize, String)> {
        let Some(allowed) = &self.signed else { return Ok(()) };
        let Some(signer) = &record.signer else { return Err((6, record.unsigned().to_owned())) };
        allowed.check(signer).map_err(|mismatch| (7, format!("is signed, but {mismatch}")))?;
        // Whoever can push a tag can put it on a commit that nobody reviewed, with a workflow of their own.
        let of_tag = signer.git_ref.starts_with("refs/tags/");
        if of_tag && record.by.commit.as_deref() != Some(&signer.commit) {
            return Err((
                7,
                format!("was signed on {}, a tag of the commit {}", signer.git_ref, signer.commit),
            ));
        }
        Ok(())
    }
}

/// The reason why somebody withdrew an image, if somebody did.
pub fn yanked(records: &[Result<Record, String>]) -> Option<String> {
    let yanks = records.iter().flatten().filter(|record| record.result == Judgement::Yanked);
    let newest = yanks.fold(None, |newest, record| Some(newer(newest, record)))?;
    Some(format!("it was yanked: {}", rejection(newest)))
}

/// The later of two records. If the times are equal, the one that did not pass.
fn newer<'a>(one: Option<&'a Record>, other: &'a Record) -> &'a Record {
    let rank = |record: &Record| (record.time(), record.result != Judgement::Passed);
    match one {
        Some(one) if rank(one) >= rank(other) => one,
        _ => other,
    }
}

/// Why, when and by whom an image was rejected.
fn rejection(record: &Record) -> String {
    let reason = record.reason.as_deref().unwrap_or("no reason was given");
    format!("{reason} ({})", named(record))
}

/// A short description of a record.
fn named(record: &Record) -> String {
    let by = record.by.run.as_deref().or(record.by.actor.as_deref()).unwrap_or("a laptop");
    format!("by {by} at {}", record.judged)
}

/// Keeps the closest record.
trait Closest {
    fn max_by_rank(self, other: (usize, String)) -> Self;
}

impl Closest for Option<(usize, String)> {
    fn max_by_rank(self, other: (usize, String)) -> Self {
        match self {
            Some(one) if one.0 > other.0 => Some(one),
            _ => Some(other),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::panic, reason = "a test fails by panicking")]
    use attestation::Workload;

    use super::super::value::{Basis, By, Ran, UNSIGNED};
    use super::*;
    use crate::domain::version::Prefix;

    const EVENTS: &[&str] = &["push", "schedule"];
    const COMMIT: &str = "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff";

    /// A record that counts.
    pub(in crate::gate::record) fn record(stage: &str, judged: &str) -> Record {
        let ran = Ran { name: "p2p-build".into(), result: "passed".into(), milliseconds: 1500 };
        Record {
            trust: UNSIGNED.to_owned(),
            stage: Some(stage.to_owned()),
            result: Judgement::Passed,
            reason: None,
            judged: judged.to_owned(),
            version: Some("1.2.3".to_owned()),
            image: "r.example/test/app:1.2.3".parse().unwrap_or_else(|error| panic!("{error}")),
            by: By {
                repository: Some("acme/shop".to_owned()),
                repository_id: Some("17".to_owned()),
                commit: Some(COMMIT.to_owned()),
                git_ref: Some("refs/heads/main".to_owned()),
                event: Some("push".to_owned()),
                run: Some("https://github.com/acme/shop/actions/runs/7".to_owned()),
                ..By::default()
            },
            targets: vec![ran],
            scans: Vec::new(),
            basis: Basis::default(),
            handed_over: false,
            signer: None,
        }
    }

    fn rule() -> Rule {
        Rule {
            repository: Some("Acme/Shop".to_owned()),
            repository_id: Some("17".to_owned()),
            commit: Some(COMMIT.to_owned()),
            version: None,
            image: None,
            refs: Refs {
                main_branch: "refs/heads/main".to_owned(),
                release_branches: vec!["release/*".to_owned()],
                prefix: Some(Prefix::default()),
                events: EVENTS,
            },
            signed: None,
        }
    }

    fn first() -> Record {
        record("fast-feedback", "2026-01-02T03:04:05Z")
    }

    fn found(records: &[Record]) -> Finding {
        let records: Vec<_> = records.iter().cloned().map(Ok).collect();
        rule().judge(&records, "fast-feedback")
    }

    fn by(change: impl FnOnce(&mut By)) -> Record {
        let mut record = first();
        change(&mut record.by);
        record
    }

    #[test]
    fn only_a_record_of_this_gate_repository_commit_and_ref_counts() {
        assert_eq!(found(&[first()]), Finding::Passed);
        let text = |text: &str| Some(text.to_owned());
        for (record, message) in [
            (record("extended-test", "2026-01-02T03:04:05Z"), "is of extended-test"),
            (by(|by| by.repository_id = text("18")), "is of the repository acme/shop (id 18)"),
            (by(|by| by.repository = None), "is of a laptop"),
            (by(|by| by.event = text("pull_request")), "`pull_request`, which never promotes"),
            (by(|by| by.event = None), "`(none)`, which never promotes"),
            (by(|by| by.git_ref = text("refs/heads/topic")), "`refs/heads/topic`"),
            (by(|by| by.git_ref = text("refs/heads/release/1/evil")), "`refs/heads/release/1/evil`"),
            (by(|by| by.git_ref = text("refs/tags/web")), "`refs/tags/web`"),
            (by(|by| by.git_ref = text("refs/pull/7/merge")), "`refs/pull/7/merge`"),
            (by(|by| by.commit = text("beef")), "is of the commit beef"),
        ] {
            let Finding::Missing(why) = found(&[record]) else { panic!("{message} passed") };
            assert!(why.contains(message), "{message}: {why}");
            assert!(why.contains("actions/runs/7"), "{why}");
        }
        // A renamed repository keeps its id. A record without an id is compared by name.
        assert_eq!(found(&[by(|by| by.repository = text("acme/store"))]), Finding::Passed);
        assert_eq!(found(&[by(|by| by.repository_id = None)]), Finding::Passed);
        for good in ["refs/tags/v1.2.3", "refs/heads/release/1"] {
            assert_eq!(found(&[by(|by| by.git_ref = text(good))]), Finding::Passed, "{good}");
        }
    }

    fn signed(rule: &Rule) -> Rule {
        let signed = AllowedSigner {
            issuer: "https://issuer.example".to_owned(),
            repository: "acme/shop".to_owned(),
            repository_id: Some("17".to_owned()),
            workflows: vec!["acme/shop/.github/workflows/*".to_owned()],
        };
        Rule { signed: Some(signed), ..rule.clone() }
    }

    fn signer() -> Workload {
        let workflow = "https://github.com/acme/shop/.github/workflows/gate.yaml@refs/heads/main";
        Workload {
            issuer: "https://issuer.example".to_owned(),
            repository: "https://github.com/acme/shop".to_owned(),
            repository_id: "17".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            commit: COMMIT.to_owned(),
            workflow: workflow.to_owned(),
            job_workflow: workflow.to_owned(),
            ..Workload::default()
        }
    }

    #[test]
    fn only_signed_records_count_where_signatures_are_required() {
        let judge = |records: &[Record]| {
            let records: Vec<_> = records.iter().cloned().map(Ok).collect();
            signed(&rule()).judge(&records, "fast-feedback")
        };
        let by = |change: fn(&mut Workload)| {
            let mut signer = signer();
            change(&mut signer);
            Record { signer: Some(signer), ..first() }
        };
        let good = by(|_| {});
        assert_eq!(judge(std::slice::from_ref(&good)), Finding::Passed);
        for (record, message) in [
            (first(), "is not signed"),
            (by(|it| it.issuer = "https://other.example".to_owned()), "is signed, but its issuer is"),
            (by(|it| it.repository_id = "18".to_owned()), "is signed, but its repository id is"),
            (by(|it| it.job_workflow = it.job_workflow.replace("acme", "mallory")), "its workflow is"),
        ] {
            let Finding::Missing(why) = judge(std::slice::from_ref(&record)) else {
                panic!("{message} passed")
            };
            assert!(why.contains(message), "{message}: {why}");
            assert_eq!(judge(&[record, good.clone()]), Finding::Passed, "{message}");
        }
        // A tag can be on any commit, so the record must name the tag's own commit.
        let mut tagged = by(|it| it.git_ref = "refs/tags/v1.2.3".to_owned());
        tagged.by.git_ref = Some("refs/tags/v1.2.3".to_owned());
        assert_eq!(judge(std::slice::from_ref(&tagged)), Finding::Passed);
        tagged.signer = tagged.signer.map(|signer| Workload { commit: "beef".to_owned(), ..signer });
        assert!(
            matches!(judge(&[tagged]), Finding::Missing(why) if why.contains("a tag of the commit beef"))
        );
    }

    #[test]
    fn a_rejection_needs_no_signature_and_is_taken_back_only_with_one() {
        let at = |judged: &str, result, signer: Option<Workload>| {
            Ok(Record { signer, result, ..record("fast-feedback", judged) })
        };
        let passed = at("2026-01-01T00:00:00Z", Judgement::Passed, Some(signer()));
        let failed = at("2026-01-02T00:00:00Z", Judgement::Failed, None);
        let plain = at("2026-01-03T00:00:00Z", Judgement::Passed, None);
        let again = at("2026-01-04T00:00:00Z", Judgement::Passed, Some(signer()));
        let judge = |records: &[&Result<Record, String>]| {
            let records: Vec<_> = records.iter().copied().cloned().collect();
            signed(&rule()).judge(&records, "fast-feedback")
        };
        assert!(matches!(judge(&[&passed, &failed]), Finding::Rejected(_)));
        assert!(matches!(judge(&[&passed, &failed, &plain]), Finding::Rejected(_)));
        assert_eq!(judge(&[&passed, &failed, &plain, &again]), Finding::Passed);
    }

    #[test]
    fn the_closest_record_is_named() {
        let stranger = by(|by| by.repository_id = Some("18".to_owned()));
        let branch = by(|by| by.git_ref = Some("refs/heads/topic".to_owned()));
        let Finding::Missing(why) = found(&[branch.clone(), stranger.clone()]) else { panic!() };
        assert!(why.contains("refs/heads/topic"), "{why}");
        let unread = rule().judge(&[Err("it is about another image".to_owned())], "fast-feedback");
        assert_eq!(unread, Finding::Missing("a record does not count: it is about another image".to_owned()));
        assert_eq!(found(&[]), Finding::Missing("it has no record of any gate".to_owned()));
    }

    #[test]
    fn the_newest_judgement_of_a_gate_decides() {
        let failed = |judged: &str| Record {
            result: Judgement::Failed,
            reason: Some("p2p-nft failed".to_owned()),
            ..record("fast-feedback", judged)
        };
        let earlier = failed("2026-01-01T03:04:05Z");
        // It is later, although its text sorts first.
        let later = failed("2026-01-02T02:04:06-02:00");
        assert_eq!(found(&[earlier.clone(), first()]), Finding::Passed);
        let Finding::Rejected(why) = found(&[first(), later.clone()]) else { panic!() };
        assert!(why.contains("it failed fast-feedback: p2p-nft failed (by https://"), "{why}");
        // At the same time, a failure wins in either order.
        let same = failed(&first().judged);
        assert!(matches!(found(&[same.clone(), first()]), Finding::Rejected(_)));
        assert!(matches!(found(&[first(), same]), Finding::Rejected(_)));
        // Whoever may not pass an image may not reject it either.
        let strange = Record { by: by(|by| by.event = Some("pull_request".to_owned())).by, ..later.clone() };
        assert_eq!(found(&[first(), strange]), Finding::Passed);
        // The bytes failed, whatever the commit is.
        let other = Record { by: by(|by| by.commit = Some("beef".to_owned())).by, ..later };
        assert!(matches!(found(&[first(), other]), Finding::Rejected(_)));
        let yank = Record { result: Judgement::Yanked, stage: None, ..earlier };
        assert!(
            matches!(found(&[yank, first()]), Finding::Rejected(why) if why.starts_with("it was yanked"))
        );
    }

    #[test]
    fn a_laptop_counts_what_it_finds() {
        let rule = Rule { repository: None, repository_id: None, ..rule() };
        let judge = |record: Record| rule.judge(&[Ok(record)], "fast-feedback");
        let local = By { commit: Some(COMMIT.to_owned()), ..By::default() };
        assert_eq!(judge(Record { by: local, ..first() }), Finding::Passed);
        assert_eq!(judge(first()), Finding::Passed);
        let of_a_pull_request = by(|by| by.event = Some("pull_request".to_owned()));
        assert!(matches!(judge(of_a_pull_request), Finding::Missing(_)));
    }

    #[test]
    fn a_record_is_of_one_version_of_one_image() {
        let of = |version: &str, image: &str| {
            let rule = Rule { version: Some(version.to_owned()), image: Some(image.to_owned()), ..rule() };
            rule.judge(&[Ok(first())], "fast-feedback")
        };
        let (version, image) = (first().version.unwrap_or_default(), first().image.repository.to_string());
        let name = image.rsplit('/').next().unwrap_or_default();
        assert_eq!(of(&version, name), Finding::Passed);
        for (version, name, why) in
            [("9.9.9", name, "is of the version"), (&version, "payments", "is of the image")]
        {
            let Finding::Missing(message) = of(version, name) else { panic!("{version} {name}") };
            assert!(message.contains(why), "{message}");
        }
    }
}
