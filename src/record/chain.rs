//! Pure: several records as the chain that they are.

use std::collections::BTreeSet;
use std::fmt;

use super::statement::{Record, UNSIGNED};

/// The records of one image, the oldest promotion first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(Vec<Record>);

impl Chain {
    /// Puts records in order.
    pub fn new(mut records: Vec<Record>) -> Self {
        records.sort_by(|one, other| {
            let time = |record: &Record| record.promoted.parse::<jiff::Timestamp>().ok();
            time(one).cmp(&time(other)).then_with(|| one.destination.cmp(&other.destination))
        });
        Self(records)
    }

    /// The records of one version, and how many there are of others: the same bytes may have been promoted as
    /// several. All where none is of that version.
    pub fn of_version(self, version: &str) -> (Self, usize) {
        let (own, others): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|record| record.version == version);
        if own.is_empty() { (Self(others), 0) } else { (Self(own), others.len()) }
    }

    /// The records in order.
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// Those of `required` that no record says were passed.
    pub fn missing(&self, required: &[String]) -> Vec<String> {
        missing(&self.0, required)
    }
}

/// Those of `required` that no record says were passed.
pub fn missing(records: &[Record], required: &[String]) -> Vec<String> {
    let passed: BTreeSet<&str> =
        records.iter().flat_map(|record| &record.stages).map(|stage| stage.name.as_str()).collect();
    required.iter().filter(|stage| !passed.contains(stage.as_str())).cloned().collect()
}

/// For a person; it says that nothing of it is signed.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for record in &self.0 {
            writeln!(f, "{} promoted {}", record.promoted, record.version)?;
            writeln!(f, "  from   {}", record.source)?;
            writeln!(f, "  to     {}", record.destination)?;
            let repository = record.repository.as_deref().unwrap_or("(no repository)");
            writeln!(f, "  commit {} of {repository}", record.commit)?;
            if let Some(run) = &record.run {
                writeln!(f, "  run    {run}")?;
            }
            if record.stages.is_empty() {
                writeln!(f, "  by hand: of no gate is it known here that it was passed")?;
            }
            for stage in &record.stages {
                let told = if stage.steps.is_empty() { ", as an earlier job told" } else { "" };
                writeln!(f, "  passed {} at {}{told}", stage.name, stage.passed)?;
                for step in &stage.steps {
                    let (seconds, rest) = (step.milliseconds / 1000, step.milliseconds % 1000);
                    writeln!(f, "         {} {} in {seconds}.{rest:03} s", step.name, step.result)?;
                }
            }
        }
        match self.0.len() {
            0 => f.write_str("no promotion record is attached"),
            1 => write!(f, "this record is {UNSIGNED}"),
            _ => write!(f, "these records are {UNSIGNED}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::tests::record;
    use super::*;

    #[test]
    fn the_oldest_comes_first_and_what_is_missing_is_named() {
        let first = record("fast-feedback", "2026-01-02T03:04:05Z");
        // Later, though its text sorts before.
        let second = record("extended-test", "2026-01-02T02:04:06-02:00");
        let chain = Chain::new(vec![second.clone(), first.clone()]);
        assert_eq!(chain.records(), [first, second]);
        let required = ["fast-feedback", "extended-test", "prod"].map(str::to_owned);
        assert_eq!(chain.missing(&required), ["prod"]);
        assert_eq!(Chain::new(Vec::new()).missing(&required), required);
        let (of_version, others) = chain.clone().of_version("1.2.3");
        assert_eq!((of_version.records().len(), others), (2, 0));
        let other = Record { version: "1.2.4".to_owned(), ..record("fast-feedback", "2026-01-03T03:04:05Z") };
        let both = Chain::new([chain.records(), std::slice::from_ref(&other)].concat());
        assert_eq!(both.clone().of_version("1.2.4"), (Chain(vec![other]), 2));
        assert_eq!(both.clone().of_version("9.9.9"), (both, 0));
        let text = chain.to_string();
        assert!(text.contains("  passed fast-feedback at 2026-01-02T03:04:05Z\n"), "{text}");
        assert!(text.contains("         p2p-build passed in 1.500 s\n"), "{text}");
        assert!(text.ends_with("these records are not signed: it informs, it does not protect"), "{text}");
    }
}
