//! Finds the records that wait for a signature. Pure.

use super::value::Record;

/// The records that a gate could not sign, without those that a later record of the same gate replaces.
pub fn pending(records: &[Result<Record, String>]) -> Vec<&Record> {
    let all = || records.iter().flatten();
    all().filter(|record| record.is_pending() && !all().any(|other| replaces(other, record))).collect()
}

/// Whether `new` makes it unnecessary to sign the pending record `old`.
fn replaces(new: &Record, old: &Record) -> bool {
    let place =
        |record: &Record| (record.stage.clone(), record.version.clone(), record.by.environment.clone());
    let signed = new.signer.is_some() && new.result == old.result && new.time() >= old.time();
    place(new) == place(old) && (signed || new.time() > old.time())
}

#[cfg(test)]
mod tests {
    use attestation::Workload;

    use super::super::rule::tests::record;
    use super::super::value::Judgement;
    use super::*;

    #[test]
    fn a_record_waits_until_it_is_signed_or_a_later_one_says_more() {
        let plain = record("fast-feedback", "2026-01-02T03:04:05Z");
        let waits = plain.clone().pending();
        let signed = Record { signer: Some(Workload::default()), ..plain.clone() };
        let later = record("fast-feedback", "2026-01-02T03:04:06Z");
        let failed = Record { result: Judgement::Failed, ..later.clone() };
        for (others, expected) in [
            (vec![], 1),
            (vec![signed.clone()], 0),
            (vec![failed], 0),
            (vec![later.pending()], 1),
            (vec![Record { version: Some("1.2.4".to_owned()), ..signed.clone() }], 1),
            (vec![Record { stage: Some("prod".to_owned()), ..signed }], 1),
            (vec![plain], 1),
        ] {
            let all: Vec<_> = std::iter::once(waits.clone()).chain(others).map(Ok).collect();
            assert_eq!(pending(&all).len(), expected, "{all:?}");
        }
    }
}
