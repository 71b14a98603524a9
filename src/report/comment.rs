//! The comment on a pull request: how the gate of an app ended. Jobs of their own, such as those of a matrix, each
//! have a part of it.

use std::collections::BTreeMap;
use std::fmt;

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
    /// The id of the run and its attempt, which tell an older run from a newer one.
    run: [u64; 2],
    text: String,
}

impl Comment {
    /// A comment about the app `title`, for the job that `part` names.
    pub(crate) fn new(title: &str, part: &str, commit: &str, run: [u64; 2]) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let part = part.chars().map(plain).collect::<String>().replace("--", "-_");
        let commit = commit.chars().filter(char::is_ascii_hexdigit).collect();
        Self { title: format!("**{}**", markdown::cell(title)), part, commit, run, text: String::new() }
    }

    /// With how the run ended.
    pub(crate) fn about(self, ended: Result<&Outcome, &Failure>, links: &RunLinks, masker: &Masker) -> Self {
        let text = summary::short(ended, links, masker, PART).replace(BEGINS, "<!-- ");
        Self { text, title: masker.mask(&self.title).into_owned(), ..self }
    }

    /// Whether a comment holds an older part of this job, or nothing about this commit.
    pub(crate) fn replaces(&self, before: &str) -> bool {
        let mut own = parts(before).filter(|part| part.commit == self.commit).peekable();
        own.peek().is_none() || own.any(|part| part.name == self.part)
    }

    /// Whether a newer run has written the part of this job, or a part about another commit.
    pub(crate) fn is_outdated(&self, before: &str) -> bool {
        let concerns = |part: &Part| part.commit != self.commit || part.name == self.part;
        parts(before).any(|part| part.run > self.run && concerns(&part))
    }

    /// The whole text, with the parts of other jobs that `before` holds.
    pub(crate) fn over(&self, before: Option<&str>) -> String {
        let own = Part { name: &self.part, commit: &self.commit, run: self.run, text: self.text.trim() };
        let mut kept = BTreeMap::from([(own.name, own)]);
        let mut room = ALL.saturating_sub(self.text.len());
        for part in parts(before.unwrap_or_default()).filter(|part| part.commit == self.commit) {
            let left = room.checked_sub(part.to_string().len() + 2);
            if let (Some(left), false) = (left, part.name == self.part) {
                room = left;
                kept.insert(part.name, part);
            }
        }
        let parts = kept.values().map(ToString::to_string);
        std::iter::once(self.title.clone()).chain(parts).collect::<Vec<_>>().join("\n\n")
    }
}

/// A part of a comment.
struct Part<'a> {
    name: &'a str,
    commit: &'a str,
    run: [u64; 2],
    text: &'a str,
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, commit, run: [run, attempt], text } = self;
        write!(f, "{BEGINS}{name} {commit} {run} {attempt} -->\n{text}")
    }
}

fn parts(comment: &str) -> impl Iterator<Item = Part<'_>> {
    comment.split(BEGINS).skip(1).filter_map(|part| {
        let (head, text) = part.split_once(" -->\n")?;
        let mut words = head.split(' ');
        let (name, commit) = (words.next()?, words.next()?);
        let run = [words.next(), words.next()].map(|word| word?.parse().ok()).map(Option::unwrap_or_default);
        Some(Part { name, commit, run, text: text.trim() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(part: &str, commit: &str, text: &str) -> Comment {
        Comment { text: text.to_owned(), ..Comment::new("shop", part, commit, [0; 2]) }
    }

    #[test]
    fn jobs_about_the_same_commit_share_the_comment() {
        let first = comment("run p2p-build", "abc", "built").over(None);
        assert_eq!(first, "**shop**\n\n<!-- part run-p2p-build abc 0 0 -->\nbuilt");
        let both = comment("run p2p-nft --x", "abc", "failed\n\nwhy").over(Some(&first));
        assert_eq!(both, format!("{first}\n\n<!-- part run-p2p-nft-_-x abc 0 0 -->\nfailed\n\nwhy"));
        let again = comment("run p2p-build", "abc", "built again").over(Some(&both));
        assert_eq!(again, both.replace("built", "built again"));
        assert!(
            comment("run p2p-build", "abc", "").replaces(&both) && comment("x", "def", "").replaces(&both)
        );
        assert!(!comment("run p2p-functional", "abc", "").replaces(&both));
        assert_eq!(
            comment("run p2p-nft", "def", "passed").over(Some(&both)),
            "**shop**\n\n<!-- part run-p2p-nft def 0 0 -->\npassed",
            "the parts of another commit are gone"
        );
        let by_hand = comment("run", "abc", "x").over(Some("by hand <!-- part"));
        assert_eq!(by_hand, "**shop**\n\n<!-- part run abc 0 0 -->\nx");
    }

    #[test]
    fn an_older_run_replaces_nothing_of_a_newer_one() {
        let of_run = |part, commit, run| Comment { run, ..comment(part, commit, "passed") };
        let before = of_run("run", "abc", [7, 2]).over(None);
        let before = of_run("other", "abc", [6, 1]).over(Some(&before));
        for (part, commit, run, outdated) in [
            ("run", "abc", [7, 2], false),
            ("run", "abc", [7, 3], false),
            ("run", "abc", [8, 1], false),
            ("run", "abc", [7, 1], true),
            ("run", "abc", [6, 9], true),
            // A job of its own, which began before.
            ("nft", "abc", [5, 1], false),
            ("nft", "def", [6, 9], true),
            ("nft", "def", [8, 1], false),
        ] {
            assert_eq!(of_run(part, commit, run).is_outdated(&before), outdated, "{part} {commit} {run:?}");
        }
        let of_old_version = before.replace(" 7 2", "").replace(" 6 1", "");
        assert!(!of_run("run", "def", [1, 1]).is_outdated(&of_old_version));
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
        let comment = Comment::new("shop s3cret-one", "x", "abc", [0; 2]);
        let comment = comment.about(Err(&failure), &RunLinks::default(), &Masker::new(&[secret]));
        let text = comment.over(None);
        assert!(text.chars().count() < 65_000 && !text.contains("s3cret-one"), "{}", text.len());
        assert!(text.starts_with("**shop ***"), "{text:.30}");
    }
}
