//! The comment on a pull request: how the gate of an app ended. Jobs of their own, such as those of a matrix, each
//! have a part of it.

use std::collections::BTreeMap;

use super::{RunLinks, markdown, summary};
use crate::gate::outcome::Outcome;
use sys::error::Failure;
use workflow_commands::Masker;

/// The most bytes of a part, so that the comment has at most GitHub's 65,536 characters with its marker.
const PART: usize = 60_000;
/// The most bytes of all parts.
const ALL: usize = 64_000;
/// What a part begins with; readers do not see it.
const BEGINS: &str = "<!-- part ";

/// What a job has to say.
pub(crate) struct Comment {
    title: String,
    part: String,
    /// The commit under test: parts about other commits are removed.
    commit: String,
    text: String,
}

impl Comment {
    /// A comment about the app `title`, for the job that `part` names.
    pub(crate) fn new(title: &str, part: &str, commit: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let part = part.chars().map(plain).collect::<String>().replace("--", "-_");
        let commit = commit.chars().filter(char::is_ascii_hexdigit).collect();
        Self { title: format!("**{}**", markdown::cell(title)), part, commit, text: String::new() }
    }

    /// With how the run ended.
    pub(crate) fn about(self, ended: Result<&Outcome, &Failure>, links: &RunLinks, masker: &Masker) -> Self {
        let text = summary::short(ended, links, masker, PART).replace(BEGINS, "<!-- ");
        Self { text, title: masker.mask(&self.title).into_owned(), ..self }
    }

    /// Whether a comment holds an older part of this job, or nothing about this commit.
    pub(crate) fn replaces(&self, before: &str) -> bool {
        let mut own = parts(before).filter(|(_, commit, _)| *commit == self.commit).peekable();
        own.peek().is_none() || own.any(|(name, ..)| name == self.part)
    }

    /// The whole text, with the parts of other jobs that `before` holds.
    pub(crate) fn over(&self, before: Option<&str>) -> String {
        let of_others = parts(before.unwrap_or_default())
            .filter(|(name, commit, _)| *commit == self.commit && *name != self.part);
        let mut room = ALL.saturating_sub(self.text.len());
        let mut kept: BTreeMap<&str, &str> = BTreeMap::from([(&*self.part, self.text.trim())]);
        for (name, _, text) in of_others {
            if let Some(left) = room.checked_sub(text.len() + BEGINS.len() + name.len() + 60) {
                room = left;
                kept.insert(name, text);
            }
        }
        let parts = kept.iter().map(|(name, text)| format!("{BEGINS}{name} {} -->\n{text}", self.commit));
        std::iter::once(self.title.clone()).chain(parts).collect::<Vec<_>>().join("\n\n")
    }
}

/// The parts of a comment: job, commit, text.
fn parts(comment: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    comment.split(BEGINS).skip(1).filter_map(|part| {
        let (head, text) = part.split_once(" -->\n")?;
        let (name, commit) = head.split_once(' ')?;
        Some((name, commit, text.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(part: &str, commit: &str, text: &str) -> Comment {
        Comment { text: text.to_owned(), ..Comment::new("shop", part, commit) }
    }

    #[test]
    fn jobs_about_the_same_commit_share_the_comment() {
        let first = comment("run p2p-build", "abc", "built").over(None);
        assert_eq!(first, "**shop**\n\n<!-- part run-p2p-build abc -->\nbuilt");
        let both = comment("run p2p-nft --x", "abc", "failed\n\nwhy").over(Some(&first));
        assert_eq!(both, format!("{first}\n\n<!-- part run-p2p-nft-_-x abc -->\nfailed\n\nwhy"));
        let again = comment("run p2p-build", "abc", "built again").over(Some(&both));
        assert_eq!(again, both.replace("built", "built again"));
        assert!(
            comment("run p2p-build", "abc", "").replaces(&both) && comment("x", "def", "").replaces(&both)
        );
        assert!(!comment("run p2p-functional", "abc", "").replaces(&both));
        assert_eq!(
            comment("run p2p-nft", "def", "passed").over(Some(&both)),
            "**shop**\n\n<!-- part run-p2p-nft def -->\npassed",
            "the parts of another commit are gone"
        );
        let by_hand = comment("run", "abc", "x").over(Some("by hand <!-- part"));
        assert_eq!(by_hand, "**shop**\n\n<!-- part run abc -->\nx");
    }

    #[test]
    fn all_parts_together_have_room() {
        let long = "x".repeat(30_000);
        let mut text = String::new();
        for part in ["a", "b", "c", "d"] {
            text = comment(part, "abc", &long).over(Some(&text));
            assert!(text.len() < 65_000 && text.contains(&format!("part {part} abc")), "{}", text.len());
        }
    }

    #[test]
    fn a_comment_of_a_long_failure_is_below_the_limit_and_masked() {
        let secret = workflow_commands::Secret::new("s3cret-one");
        let failure = Failure::usage(format!("{} s3cret-one", "<b>@acme ```\n".repeat(20_000)), "read it");
        let comment = Comment::new("shop s3cret-one", "x", "abc");
        let comment = comment.about(Err(&failure), &RunLinks::default(), &Masker::new(&[secret]));
        let text = comment.over(None);
        assert!(text.chars().count() < 65_000 && !text.contains("s3cret-one"), "{}", text.len());
        assert!(text.starts_with("**shop ***"), "{text:.30}");
    }
}
