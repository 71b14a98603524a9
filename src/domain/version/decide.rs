use super::{BumpLevel, Commit, Prefix, Version, VersionError, VersionTag};

/// The kind of a run, as far as it decides the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The main branch, in a run that may create tags.
    MainBranch,
    /// The push of this version's tag.
    VersionTag(Version),
    /// Another branch, a pull request, any other tag, or a run that may not create tags.
    Elsewhere,
    /// The input `version`, used unchanged.
    Given(String),
    /// A run on a laptop, with the short id of the commit.
    Local(String),
}

impl Kind {
    /// Whether the decision needs the version tags of the remote repository. If not, pass none.
    pub fn needs_tags(&self) -> bool {
        !matches!(self, Self::Given(_) | Self::Local(_))
    }
}

/// The version of a commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Decision {
    /// The version without the prefix: `1.2.4`, or `1.2.3-<full commit id>` if it has no tag.
    pub version: String,
    /// The version before it. `None` if nothing was computed.
    pub previous: Option<Version>,
    /// The name of the version's tag, if there is one or should be one.
    pub tag: Option<String>,
    /// Whether the tag must still be created.
    pub create: bool,
}

impl Decision {
    fn tagged(prefix: &Prefix, version: Version, previous: Version, create: bool) -> Self {
        Self {
            version: version.to_string(),
            previous: Some(previous),
            tag: Some(prefix.tag(version)),
            create,
        }
    }

    fn untagged(version: String, previous: Option<Version>) -> Self {
        Self { version, previous, tag: None, create: false }
    }
}

/// Decides the version of `commit`. `tags` are all version tags with `prefix` in the remote repository, in any
/// order. `level` is the part of a new version that increases.
///
/// # Errors
///
/// [`VersionError::Exhausted`] if no number is left.
pub fn decide(
    prefix: &Prefix,
    tags: &[VersionTag],
    commit: &Commit,
    kind: &Kind,
    level: BumpLevel,
) -> Result<Decision, VersionError> {
    let highest = |below: Option<Version>| {
        let versions = tags.iter().map(|tag| tag.version);
        versions.filter(|version| below.is_none_or(|limit| *version < limit)).max().unwrap_or(Version::ZERO)
    };
    Ok(match kind {
        Kind::MainBranch => {
            let carried = tags.iter().filter(|tag| tag.commit == *commit).map(|tag| tag.version).max();
            if let Some(version) = carried {
                Decision::tagged(prefix, version, highest(Some(version)), false)
            } else {
                let previous = highest(None);
                let next = previous.next(level).ok_or_else(|| VersionError::Exhausted {
                    prefix: prefix.clone(),
                    highest: previous,
                    level,
                })?;
                Decision::tagged(prefix, next, previous, true)
            }
        }
        Kind::VersionTag(version) => Decision::tagged(prefix, *version, highest(Some(*version)), false),
        Kind::Elsewhere => {
            let previous = highest(None);
            Decision::untagged(format!("{previous}-{commit}"), Some(previous))
        }
        Kind::Given(version) => Decision::untagged(version.clone(), None),
        Kind::Local(short) => Decision::untagged(format!("{}-{short}", Version::ZERO), None),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    fn commit(number: u64) -> Commit {
        format!("{number:040x}").parse().unwrap()
    }

    fn tags(list: &[(&str, u64)]) -> Vec<VersionTag> {
        let tag = |(version, on): &(&str, u64)| VersionTag {
            version: version.parse().unwrap(),
            commit: commit(*on),
        };
        list.iter().map(tag).collect()
    }

    /// The version, the previous version, the tag and whether to create it, on one line.
    fn outcome(list: &[(&str, u64)], on: u64, kind: &Kind) -> String {
        let decision = decide(&Prefix::default(), &tags(list), &commit(on), kind, BumpLevel::Patch).unwrap();
        let previous = decision.previous.map_or("none".into(), |version| version.to_string());
        let tag = decision.tag.unwrap_or_else(|| "no tag".into());
        let create = if decision.create { "create" } else { "keep" };
        format!("{} after {previous}, {tag}, {create}", decision.version)
    }

    #[test]
    fn main_branch_takes_the_next_patch_of_the_highest_tag() {
        let list = [("1.9.0", 1), ("1.10.2", 2), ("1.2.30", 3)];
        assert_eq!(outcome(&list, 9, &Kind::MainBranch), "1.10.3 after 1.10.2, v1.10.3, create");
    }

    #[test]
    fn main_branch_counts_up_what_it_is_told_to() {
        let list = tags(&[("1.9.3", 1)]);
        for (level, version) in
            [(BumpLevel::Patch, "1.9.4"), (BumpLevel::Minor, "1.10.0"), (BumpLevel::Major, "2.0.0")]
        {
            let decision =
                |on| decide(&Prefix::default(), &list, &commit(on), &Kind::MainBranch, level).unwrap();
            assert_eq!(decision(9).version, version);
            assert_eq!(decision(1).version, "1.9.3", "what the commit carries");
        }
    }

    #[test]
    fn main_branch_of_a_repository_without_version_tags_begins_after_zero() {
        assert_eq!(outcome(&[], 9, &Kind::MainBranch), "0.0.1 after 0.0.0, v0.0.1, create");
    }

    #[test]
    fn a_commit_that_carries_a_tag_keeps_it_and_the_version_before_it() {
        let list = [("1.2.3", 1), ("1.2.4", 2), ("1.2.5", 3)];
        assert_eq!(outcome(&list, 2, &Kind::MainBranch), "1.2.4 after 1.2.3, v1.2.4, keep");
        assert_eq!(outcome(&list, 1, &Kind::MainBranch), "1.2.3 after 0.0.0, v1.2.3, keep");
    }

    #[test]
    fn a_commit_that_carries_several_tags_keeps_the_highest() {
        let list = [("1.2.3", 1), ("1.10.0", 2), ("1.9.0", 2), ("1.2.4", 2), ("2.0.0", 3)];
        assert_eq!(outcome(&list, 2, &Kind::MainBranch), "1.10.0 after 1.9.0, v1.10.0, keep");
    }

    #[test]
    fn a_tag_pushed_by_hand_starts_a_new_major() {
        let list = [("1.2.3", 1), ("2.0.0", 1)];
        assert_eq!(outcome(&list, 9, &Kind::MainBranch), "2.0.1 after 2.0.0, v2.0.1, create");
    }

    #[test]
    fn a_pushed_tag_is_the_version() {
        let list = [("1.2.3", 1), ("2.0.0", 2), ("3.0.0", 3)];
        let kind = Kind::VersionTag(Version::new(2, 0, 0));
        assert_eq!(outcome(&list, 2, &kind), "2.0.0 after 1.2.3, v2.0.0, keep");
    }

    #[test]
    fn elsewhere_counts_nothing_up_even_on_a_tagged_commit() {
        let list = [("1.2.3", 1), ("1.2.4", 9)];
        let wanted = format!("1.2.4-{} after 1.2.4, no tag, keep", commit(9));
        assert_eq!(outcome(&list, 9, &Kind::Elsewhere), wanted);
        let wanted = format!("0.0.0-{} after 0.0.0, no tag, keep", commit(9));
        assert_eq!(outcome(&[], 9, &Kind::Elsewhere), wanted);
    }

    #[test]
    fn a_given_version_is_taken_as_it_is() {
        let kind = Kind::Given("2024.1-custom".into());
        assert!(!kind.needs_tags());
        assert_eq!(outcome(&[], 9, &kind), "2024.1-custom after none, no tag, keep");
    }

    #[test]
    fn a_laptop_has_a_version_of_its_own() {
        let kind = Kind::Local("abcdef0-dirty".into());
        assert!(!kind.needs_tags());
        assert_eq!(outcome(&[], 9, &kind), "0.0.0-abcdef0-dirty after none, no tag, keep");
    }

    #[test]
    fn the_largest_patch_number_has_no_successor() {
        let list = tags(&[("1.2.18446744073709551615", 1)]);
        let error =
            decide(&Prefix::default(), &list, &commit(9), &Kind::MainBranch, BumpLevel::Patch).unwrap_err();
        assert_eq!(
            error,
            VersionError::Exhausted {
                prefix: Prefix::default(),
                highest: Version::new(1, 2, u64::MAX),
                level: BumpLevel::Patch
            }
        );
        // The commit with that tag still has its version.
        assert!(decide(&Prefix::default(), &list, &commit(1), &Kind::MainBranch, BumpLevel::Patch).is_ok());
    }

    prop_compose! {
        /// Tags with distinct versions on commits 0 to 7.
        fn any_tags()(
            list in prop::collection::btree_map(prop::array::uniform3(0..5_u64), 0..8_u64, 0..20)
        ) -> Vec<VersionTag> {
            let tag = |([major, minor, patch], on): ([u64; 3], u64)| {
                VersionTag { version: Version::new(major, minor, patch), commit: commit(on) }
            };
            list.into_iter().map(tag).collect()
        }
    }

    proptest! {
        #[test]
        fn a_new_version_is_above_all_and_a_rerun_gives_it_again(mut list in any_tags(), on in 0..10_u64) {
            let first = decide(&Prefix::default(), &list, &commit(on), &Kind::MainBranch, BumpLevel::Patch).unwrap();
            let version: Version = first.version.parse().unwrap();
            if first.create {
                prop_assert!(list.iter().all(|tag| tag.version < version));
                list.push(VersionTag { version, commit: commit(on) });
            } else {
                let carried = VersionTag { version, commit: commit(on) };
                prop_assert!(list.contains(&carried));
            }
            prop_assert!(first.previous.unwrap() < version || version == Version::ZERO);
            // Other commits get versions in between.
            for other in 20..23 {
                let next = decide(&Prefix::default(), &list, &commit(other), &Kind::MainBranch, BumpLevel::Patch).unwrap();
                list.push(VersionTag { version: next.version.parse().unwrap(), commit: commit(other) });
            }
            let again = decide(&Prefix::default(), &list, &commit(on), &Kind::MainBranch, BumpLevel::Patch).unwrap();
            prop_assert_eq!(&again, &Decision { create: false, ..first });
        }

        #[test]
        fn the_order_of_the_tags_never_matters(list in any_tags(), on in 0..10_u64, push in any::<bool>()) {
            let mut turned = list.clone();
            turned.reverse();
            let kind = if push { Kind::VersionTag(Version::new(2, 2, 2)) } else { Kind::MainBranch };
            prop_assert_eq!(
                decide(&Prefix::default(), &turned, &commit(on), &kind, BumpLevel::Patch),
                decide(&Prefix::default(), &list, &commit(on), &kind, BumpLevel::Patch)
            );
        }

        #[test]
        fn only_the_main_branch_creates(list in any_tags(), on in 0..10_u64) {
            for kind in [Kind::Elsewhere, Kind::VersionTag(Version::new(1, 1, 1)), Kind::Given("1".into())] {
                prop_assert!(!decide(&Prefix::default(), &list, &commit(on), &kind, BumpLevel::Patch).unwrap().create);
            }
        }
    }
}
