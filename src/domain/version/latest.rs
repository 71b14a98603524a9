use std::cmp::Ordering;

use semver::Version;

/// The ending of the version of a changed tree.
const DIRTY: &str = "-dirty";

/// The highest version among the tags of a registry path, in its original spelling.
///
/// The order is semantic precedence (Semantic Versioning 2.0.0, section 11), without a leading `v`. Other tags are
/// ignored. Between two spellings of one version, the one without `v` wins, then the greater text, so the order of
/// the tags does not matter. The version of a changed tree, which ends in `-dirty`, comes right before the version
/// of the committed tree.
pub fn latest<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    tags.into_iter()
        .filter_map(|tag| Some((Version::parse(committed(tag.strip_prefix('v').unwrap_or(tag))).ok()?, tag)))
        .max_by(|(a, a_tag), (b, b_tag)| {
            a.cmp_precedence(b)
                .then_with(|| b_tag.ends_with(DIRTY).cmp(&a_tag.ends_with(DIRTY)))
                .then_with(|| plain(a_tag).cmp(&plain(b_tag)))
                .then_with(|| -> Ordering { a_tag.cmp(b_tag) })
        })
        .map(|(_, tag)| tag)
}

/// A version without the ending for a changed tree.
fn committed(version: &str) -> &str {
    version.strip_suffix(DIRTY).unwrap_or(version)
}

fn plain(tag: &str) -> bool {
    !tag.starts_with('v')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_the_highest_and_says_it_as_it_was_written() {
        assert_eq!(latest(["1.9.0", "1.10.0", "1.2.30"]), Some("1.10.0"));
        assert_eq!(latest(["v1.9.0", "1.8.0"]), Some("v1.9.0"));
    }

    #[test]
    fn passes_over_what_is_no_semantic_version() {
        assert_eq!(
            latest(["latest", "1.2", "sha256-abc", "v", "01.2.3", "vv9.0.0", "V9.0.0", "1.2.3.4", "cache"]),
            None
        );
        assert_eq!(latest(["latest", "0.0.1", "2"]), Some("0.0.1"));
        assert_eq!(latest([]), None);
    }

    #[test]
    fn a_changed_tree_comes_before_its_commit() {
        assert_eq!(latest(["0.0.0-abc", "0.0.0-abc-dirty"]), Some("0.0.0-abc"));
        assert_eq!(latest(["0.0.0-abc", "0.0.0-abd-dirty"]), Some("0.0.0-abd-dirty"));
    }

    #[test]
    fn a_pre_release_comes_before_its_release() {
        assert_eq!(latest(["1.2.3-rc.1", "1.2.3-rc.11", "1.2.3-rc.2"]), Some("1.2.3-rc.11"));
        assert_eq!(latest(["1.2.3-rc.1", "1.2.3"]), Some("1.2.3"));
        assert_eq!(latest(["1.2.4-0", "1.2.3"]), Some("1.2.4-0"));
    }

    proptest! {
        #[test]
        fn the_order_of_the_tags_never_matters(
            tags in prop::collection::vec("v?[0-2]\\.[0-2]\\.[0-2](-(a|1|01|a\\.b))?(\\+[ab])?", 0..12),
            other in any::<prop::sample::Index>(),
        ) {
            let found = latest(tags.iter().map(String::as_str)).map(str::to_owned);
            let mut turned = tags.clone();
            if !turned.is_empty() {
                let middle = other.index(turned.len());
                turned.rotate_left(middle);
                turned.reverse();
            }
            prop_assert_eq!(latest(turned.iter().map(String::as_str)).map(str::to_owned), found);
        }
    }
}
