use super::subject::Subject;
use crate::domain::version::{BumpLevel, Kind, VersionTag};
use crate::edges::github::{GitHub, GitHubError};
use crate::inputs::Bump;

/// The part of the version that this commit increases. `conventional` asks GitHub for the commit messages since the
/// highest of `tags`. Without any tag there are no such messages, and the first version is 0.1.0.
pub async fn level(
    subject: Subject<'_>,
    tags: &[VersionTag],
    github: &GitHub,
) -> Result<BumpLevel, GitHubError> {
    match subject.bump {
        Bump::Patch => Ok(BumpLevel::Patch),
        Bump::Minor => Ok(BumpLevel::Minor),
        Bump::Major => Ok(BumpLevel::Major),
        Bump::Conventional => {
            let carried = tags.iter().any(|tag| tag.commit == *subject.commit);
            if carried || *subject.kind != Kind::MainBranch {
                return Ok(BumpLevel::Patch);
            }
            let Some(last) = tags.iter().max_by_key(|tag| tag.version) else { return Ok(BumpLevel::Minor) };
            let messages = github.messages_since(&last.commit, subject.commit).await?;
            Ok(BumpLevel::of_messages(messages.iter().map(String::as_str)))
        }
    }
}
