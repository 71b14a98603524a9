//! Records that could not be signed because a service was down: leaves them unsigned, and says how to sign them.

use super::Execution;
use crate::domain::environment::Stage;
use crate::domain::image::Tested;
use crate::gate::plan::Promotion;
use crate::gate::record::{Left, Record, pending};
use oci::{Digest, Reference, Repository};
use sys::error::Failure;

impl Execution<'_> {
    /// Warns about records of these gates that are not signed yet.
    pub(super) fn tell_of_pending(
        &self,
        found: &[Result<Record, String>],
        stages: &[Stage],
        image: &Reference,
    ) {
        for record in pending(found) {
            if let Some(stage) = stages.iter().find(|stage| record.stage.as_deref() == Some(stage.word())) {
                let run = record.by.run.as_deref().unwrap_or("its run");
                self.notice(&format!(
                    "the record that {image} passed {} waits for a signature; the log of {run} says how to sign it",
                    stage.word()
                ));
            }
        }
    }

    /// Attaches a record, without a signature if it cannot be signed. Returns whether it is unsigned.
    pub(super) async fn leave(
        &self,
        at: &Repository,
        digest: &Digest,
        record: &Record,
    ) -> Result<bool, Failure> {
        let ledger = &self.edges.ledger;
        let known = ledger.read(at, digest).await?;
        let why = match ledger.attach(at, digest, record, &known).await {
            Ok(Left::Pending(why)) => why,
            Ok(_) => return Ok(false),
            Err(failure) if ledger.signing().is_some() => {
                let left = ledger.attach(at, digest, &record.clone().pending(), &known).await?;
                if left == Left::Nothing {
                    return Ok(true);
                }
                failure.what
            }
            Err(failure) => return Err(failure),
        };
        let later = sign_later(&at.digest(digest), record);
        self.notice(&format!("the record at {at} is not signed: {why}; {later}"));
        Ok(true)
    }

    /// Keeps the record of an image that is not promoted because its record cannot be signed. Says how to continue.
    pub(super) async fn left_undone(
        &self,
        promotion: &Promotion,
        image: &Tested,
        record: Option<&Record>,
        failure: Failure,
    ) -> Failure {
        let (Some(record), Ok(source)) = (record, promotion.source.image(&image.name).repository()) else {
            return failure;
        };
        let Ok(true) = self.leave(&source, &image.digest, record).await else { return failure };
        let help = format!(
            "the image passed and is not promoted. When the service answers again, run in a job on the main branch: \
             `{}`, then `p2p promote {} --version {}`",
            sign_command(&source.digest(&image.digest), record),
            promotion.stage.word(),
            record.version.as_deref().unwrap_or_default()
        );
        Failure { help: Some(help), ..failure }
    }
}

/// The command that signs an unsigned record.
pub(super) fn sign_later(image: &Reference, record: &Record) -> String {
    format!("`{}` signs it in a job on the main branch", sign_command(image, record))
}

fn sign_command(image: &Reference, record: &Record) -> String {
    format!("p2p sign {image} --stage {}", record.stage.as_deref().unwrap_or_default())
}
