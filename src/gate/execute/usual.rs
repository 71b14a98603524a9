//! The usual times of targets, from the records of earlier versions.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::record::judged;
use super::{Execution, Progress};
use crate::domain::version::Version;
use crate::gate::plan::Place;
use crate::gate::record::Kept;
use crate::inputs::Records;
use oci::{Repository, TagOrDigest};

/// The most earlier versions whose records are read.
const VERSIONS: usize = 5;
/// The time limit. Nothing depends on the result.
const LIMIT: Duration = Duration::from_secs(2);

impl Execution<'_> {
    /// The median time of each target in the last versions, in seconds, by target name. Empty if nothing is known.
    /// Errors are ignored.
    pub(super) async fn usual(&self, progress: &Progress) -> BTreeMap<String, f64> {
        let Some((stage, records)) = judged(progress) else { return BTreeMap::new() };
        let Some(image) = progress.images.first() else { return BTreeMap::new() };
        if records == Records::Off || self.run_context.place != Place::Github || progress.cancelled {
            return BTreeMap::new();
        }
        let environment = progress.plan.environment.environment.as_ref().map(|name| &name.text);
        let mut stop = self.stop.clone();
        let read = async {
            let repository = &image.reference.repository;
            let tags = self.edges.oci.tags(repository).await.ok().flatten().unwrap_or_default();
            let earlier = earlier(&tags, &progress.plan.version.version);
            let kept = stream::iter(earlier).map(|tag| self.records_at(repository, tag));
            kept.buffered(VERSIONS).concat().await
        };
        let kept = tokio::select! {
            kept = tokio::time::timeout(LIMIT, read) => kept.unwrap_or_default(),
            _ = stop.wait() => Vec::new(),
        };
        let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let records = Kept::records(&kept).into_iter().flatten();
        for record in records.filter(|record| record.stage.as_deref() == Some(stage)) {
            let ran = record.targets.into_iter().filter(|ran| ran.result == "passed");
            for ran in ran.filter(|_| record.by.environment.as_ref() == environment) {
                times.entry(ran.name).or_default().push(ran.milliseconds);
            }
        }
        times.into_iter().map(|(name, times)| (name, median(times))).collect()
    }

    async fn records_at(&self, repository: &Repository, tag: String) -> Vec<Kept> {
        match self.edges.oci.resolve(repository, &TagOrDigest::Tag(tag)).await {
            Ok(Some(found)) => self.edges.ledger.read(repository, &found.digest).await.unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// The tags of the highest released versions other than this one, the highest first.
fn earlier(tags: &[String], version: &str) -> Vec<String> {
    let mut released: Vec<(Version, &String)> =
        tags.iter().filter(|tag| *tag != version).filter_map(|tag| Some((tag.parse().ok()?, tag))).collect();
    released.sort_by(|one, other| other.cmp(one));
    released.into_iter().take(VERSIONS).map(|(_, tag)| tag.clone()).collect()
}

/// The median of times in milliseconds, in seconds.
fn median(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    Duration::from_millis(middle).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_released_versions_count() {
        let tags = [
            "1.2.9",
            "1.2.10",
            "1.2.10-abc",
            "latest",
            "1.10.0",
            "0.9.0",
            "1.2.8",
            "1.2.7",
            "1.2.6",
            "1.2.11",
        ]
        .map(str::to_owned);
        assert_eq!(earlier(&tags, "1.2.11"), ["1.10.0", "1.2.10", "1.2.9", "1.2.8", "1.2.7"]);
        assert!((median(vec![3000, 1000, 2000]) - 2.0).abs() < f64::EPSILON);
    }
}
