use super::{Commit, Prefix, Version, VersionError, VersionTag};

/// A line of releases that a floating tag follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// `v1`: all releases of one major version.
    Major,
    /// `v1.2`: all releases of one minor version.
    Minor,
}

impl Line {
    /// The floating tag for the line of `version`.
    pub fn tag(self, prefix: &Prefix, version: Version) -> String {
        match self {
            Self::Major => format!("{prefix}{}", version.major),
            Self::Minor => format!("{prefix}{}.{}", version.major, version.minor),
        }
    }

    /// The word for it: `major`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Major => "major",
            Self::Minor => "minor",
        }
    }

    /// Whether both versions belong to the same line.
    pub fn joins(self, one: Version, other: Version) -> bool {
        one.major == other.major && (self == Self::Major || one.minor == other.minor)
    }
}

/// What happens to a floating tag when a version is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// The tag does not exist yet, and is created on the release.
    Create,
    /// The tag moves from this version to the release.
    Move(Version),
    /// The tag stays on this version, which is the same one or a later one.
    Stay(Version),
}

/// Decides what happens to the floating tag of `line` for `release`. `at` is the commit of the tag now. `tags` are
/// the version tags, which show the release on that commit.
///
/// A floating tag follows the releases of its own line and never moves backwards.
///
/// # Errors
///
/// [`VersionError::Stray`] if no release of the line is on the tag's commit. Then p2p cannot know whether the tag
/// would move forwards or backwards.
pub fn follow(
    line: Line,
    prefix: &Prefix,
    release: Version,
    at: Option<&Commit>,
    tags: &[VersionTag],
) -> Result<Motion, VersionError> {
    let Some(at) = at else { return Ok(Motion::Create) };
    let here = tags.iter().filter(|tag| tag.commit == *at && line.joins(tag.version, release));
    match here.map(|tag| tag.version).max() {
        Some(version) if version < release => Ok(Motion::Move(version)),
        Some(version) => Ok(Motion::Stay(version)),
        None => Err(VersionError::Stray { tag: line.tag(prefix, release), commit: at.clone() }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn commit(number: u64) -> Commit {
        format!("{number:040x}").parse().unwrap()
    }

    fn tag(version: [u64; 3], on: u64) -> VersionTag {
        VersionTag { version: Version::new(version[0], version[1], version[2]), commit: commit(on) }
    }

    #[test]
    fn floating_tags_have_the_prefix_of_their_releases() {
        let version = Version::new(1, 2, 3);
        for (prefix, major, minor) in [("v", "v1", "v1.2"), ("", "1", "1.2"), ("api/", "api/1", "api/1.2")] {
            let prefix: Prefix = prefix.parse().unwrap();
            assert_eq!(
                (Line::Major.tag(&prefix, version), Line::Minor.tag(&prefix, version)),
                (major.into(), minor.into())
            );
        }
    }

    #[test]
    fn a_tag_on_no_release_of_its_line_is_not_touched() {
        let (prefix, release) = (Prefix::default(), Version::new(1, 2, 4));
        let tags = [tag([1, 2, 4], 4), tag([2, 0, 0], 9), tag([1, 1, 0], 1)];
        // On a release of another line, on no release, and for the minor line on a release of its major line.
        for (line, at) in [(Line::Major, 9), (Line::Major, 7), (Line::Minor, 1)] {
            let error = follow(line, &prefix, release, Some(&commit(at)), &tags).unwrap_err();
            assert_eq!(error, VersionError::Stray { tag: line.tag(&prefix, release), commit: commit(at) });
        }
        assert_eq!(
            follow(Line::Major, &prefix, release, Some(&commit(1)), &tags),
            Ok(Motion::Move(Version::new(1, 1, 0)))
        );
    }

    proptest! {
        /// Releases of several lines in any order, some repeated, each on its own commit. Some stop before the
        /// floating tags.
        #[test]
        fn floating_tags_follow_their_lines_and_never_go_backwards(
            releases in prop::collection::vec((prop::array::uniform3(0..3_u64), prop::bool::weighted(0.8)), 1..40),
        ) {
            let prefix = Prefix::default();
            let mut tags: Vec<VersionTag> = Vec::new();
            let mut floating: BTreeMap<String, Commit> = BTreeMap::new();
            let mut highest: BTreeMap<String, Version> = BTreeMap::new();
            for (number, (version, finished)) in (1..).zip(releases) {
                let release = Version::new(version[0], version[1], version[2]);
                if !tags.iter().any(|tag| tag.version == release) {
                    tags.push(tag(version, number));
                }
                let own = tags.iter().find(|tag| tag.version == release).unwrap().commit.clone();
                if !finished {
                    continue;
                }
                let before = floating.clone();
                for line in [Line::Major, Line::Minor] {
                    let name = line.tag(&prefix, release);
                    let known = highest.entry(name.clone()).or_insert(release);
                    *known = release.max(*known);
                    match follow(line, &prefix, release, floating.get(&name), &tags).unwrap() {
                        Motion::Create | Motion::Move(_) => {
                            floating.insert(name, own.clone());
                        }
                        Motion::Stay(_) => {}
                    }
                }
                // Each tag is on the highest release of its line that moved it, and no other tag moved.
                for (name, commit) in &floating {
                    let found = tags.iter().find(|tag| tag.commit == *commit).unwrap().version;
                    prop_assert_eq!(Some(&found), highest.get(name));
                    let moved = before.get(name) != Some(commit);
                    let own = [Line::Major, Line::Minor].iter().any(|line| line.tag(&prefix, release) == *name);
                    prop_assert!(own || !moved);
                }
            }
        }
    }
}
