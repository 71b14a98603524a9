//! The records of an image as a chain. Pure.

use std::fmt;

use super::trust::KEY;
use super::value::{Record, UNSIGNED};

/// The records of one image, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(Vec<Record>);

impl Chain {
    /// Puts records in order.
    pub fn new(mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| (record.time(), record.stage.clone()));
        Self(records)
    }
}

/// As text for a person.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for record in &self.0 {
            let stage = record.stage.as_deref().unwrap_or("by hand");
            writeln!(f, "{} {} {stage}", record.judged, record.result)?;
            if let Some(reason) = &record.reason {
                writeln!(f, "  because     {reason}")?;
            }
            writeln!(f, "  image       {}", record.image)?;
            let by = &record.by;
            let repository = by.repository.as_deref().unwrap_or("(no repository)");
            if let Some(commit) = &by.commit {
                writeln!(f, "  commit      {commit} of {repository}")?;
            }
            let event =
                by.event.as_ref().map(|event| format!("{event} of {}", by.git_ref.as_deref().unwrap_or("-")));
            let signer = record.signer.as_ref().map(|signer| match signer.issuer.as_str() {
                KEY => "a key of the trust root, whose owner vouches for repository, ref and run".to_owned(),
                _ => signer.job_workflow.clone(),
            });
            let rows = [
                ("event", &event),
                ("workflow", &by.workflow),
                ("run", &by.run),
                ("actor", &by.actor),
                ("environment", &by.environment),
                ("signed by", &signer),
                ("plan", &record.basis.plan),
                ("makefile", &record.basis.makefile),
            ];
            for (name, value) in rows {
                if let Some(value) = value {
                    writeln!(f, "  {name:11} {value}")?;
                }
            }
            if record.handed_over {
                writeln!(f, "  targets     other jobs ran them and handed the digests over")?;
            }
            for ran in &record.targets {
                let (seconds, rest) = (ran.milliseconds / 1000, ran.milliseconds % 1000);
                writeln!(f, "  target      {} {} in {seconds}.{rest:03} s", ran.name, ran.result)?;
            }
            for scan in &record.scans {
                writeln!(f, "  scan        {scan}")?;
            }
        }
        let unsigned = self.0.iter().filter(|record| record.signer.is_none()).count();
        match (self.0.len(), unsigned) {
            (0, _) => f.write_str("no record of a gate is attached"),
            (_, 0) => f.write_str("every record is signed"),
            (1, _) => write!(f, "this record is {UNSIGNED}"),
            (all, unsigned) if all == unsigned => write!(f, "these records are {UNSIGNED}"),
            _ => write!(f, "the records that name no signer are {UNSIGNED}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::record;
    use super::super::value::Judgement;
    use super::*;

    #[test]
    fn the_oldest_comes_first_and_each_says_what_it_knows() {
        let first = record("fast-feedback", "2026-01-02T03:04:05Z");
        // It is later, although its text sorts first.
        let second = Record {
            result: Judgement::Failed,
            reason: Some("p2p-extended-test failed".to_owned()),
            handed_over: true,
            targets: Vec::new(),
            ..record("extended-test", "2026-01-02T02:04:06-02:00")
        };
        let chain = Chain::new(vec![second.clone(), first.clone()]);
        assert_eq!(chain, Chain(vec![first, second]));
        insta::assert_snapshot!(chain.to_string(), @r"
        2026-01-02T03:04:05Z PASSED fast-feedback
          image       r.example/test/app:1.2.3
          commit      c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff of acme/shop
          event       push of refs/heads/main
          run         https://github.com/acme/shop/actions/runs/7
          target      p2p-build passed in 1.500 s
        2026-01-02T02:04:06-02:00 FAILED extended-test
          because     p2p-extended-test failed
          image       r.example/test/app:1.2.3
          commit      c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff of acme/shop
          event       push of refs/heads/main
          run         https://github.com/acme/shop/actions/runs/7
          targets     other jobs ran them and handed the digests over
        these records are not signed: whoever may push to the registry may write one
        ");
    }
}
