use super::number::Misfit;
use super::{Commit, NumberError, Prefix, Version, VersionError};

/// A version tag of the remote repository. Its name is [`Prefix::tag`] of its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag {
    pub version: Version,
    /// The commit of the tag. For an annotated tag, the commit that it points to.
    pub commit: Commit,
}

/// Reads the version tags with `prefix` from the output of `git ls-remote --tags`: `<id>\trefs/tags/<name>` per
/// line, and for an annotated tag a second line `<name>^{}` with the commit (git-ls-remote(1)). Ignores other tags.
/// Sorted by version, ascending.
///
/// # Errors
///
/// [`VersionError::NotARef`] for a line in another form, because a failed read must not look like fewer tags.
/// [`NumberError::TooLarge`] for a version with a number that cannot increase.
pub fn parse_ls_remote(prefix: &Prefix, output: &[u8]) -> Result<Vec<VersionTag>, VersionError> {
    let mut tags: Vec<VersionTag> = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', output).chain([output.len()]) {
        let line = output.get(start..end).unwrap_or_default();
        start = end + 1;
        if line.is_empty() {
            continue;
        }
        let not_a_ref = || VersionError::NotARef { line: String::from_utf8_lossy(line).into_owned() };
        let tab = memchr::memchr(b'\t', line).ok_or_else(not_a_ref)?;
        let (id, name) = (line.get(..tab).unwrap_or_default(), line.get(tab + 1..).unwrap_or_default());
        let Some(rest) =
            name.strip_prefix(b"refs/tags/").and_then(|tag| tag.strip_prefix(prefix.as_str().as_bytes()))
        else {
            continue;
        };
        let (number, peeled) = rest.strip_suffix(b"^{}").map_or((rest, false), |number| (number, true));
        let version = match Version::from_bytes(number) {
            Ok(version) => version,
            Err(Misfit::Form) => continue,
            Err(Misfit::Size) => {
                let tag = format!("{prefix}{}", String::from_utf8_lossy(number));
                return Err(NumberError::TooLarge { tag }.into());
            }
        };
        let commit = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).ok_or_else(not_a_ref)?;
        match tags.last_mut().filter(|tag| peeled && tag.version == version) {
            // The previous line named the tag object, this one its commit.
            Some(tag) => tag.commit = commit,
            None => tags.push(VersionTag { version, commit }),
        }
    }
    tags.sort_unstable_by_key(|tag| tag.version);
    Ok(tags)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn id(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    fn read(prefix: &str, output: &str) -> Result<Vec<(String, String)>, VersionError> {
        let prefix: Prefix = prefix.parse().unwrap();
        let tags = parse_ls_remote(&prefix, output.as_bytes())?;
        Ok(tags.into_iter().map(|tag| (prefix.tag(tag.version), tag.commit.to_string())).collect())
    }

    #[test]
    fn an_annotated_tag_stands_for_its_commit() {
        let (a, b, c) = (id('a'), id('b'), id('c'));
        let output = format!("{a}\trefs/tags/v1.0.0\n{b}\trefs/tags/v1.0.0^{{}}\n{c}\trefs/tags/v1.0.1\n");
        assert_eq!(read("v", &output).unwrap(), [("v1.0.0".into(), b), ("v1.0.1".into(), c)]);
    }

    #[test]
    fn sorts_by_version_and_leaves_out_every_other_name() {
        let a = id('a');
        let names = [
            "v10.0.0",
            "v2.0.0",
            "v1.10.0",
            "v1.9.0",
            "v1.2",
            "v01.2.3",
            "v1.2.3-rc.1",
            "api-v9.9.9",
            "1.2.3",
            "v",
            "x/refs/tags/v7.7.7",
            "vv1.0.0",
            "latest",
        ];
        let output: String = names.iter().fold(String::new(), |mut text, name| {
            writeln!(text, "{a}\trefs/tags/{name}").unwrap();
            text
        });
        let found: Vec<_> = read("v", &output).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["v1.9.0", "v1.10.0", "v2.0.0", "v10.0.0"]);
        let found: Vec<_> = read("", &output).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["1.2.3"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_tag_of_ours() {
        let mut output = format!("{}\trefs/tags/v", id('a')).into_bytes();
        output.extend(b"\xff1.2.3\n");
        assert_eq!(parse_ls_remote(&Prefix::default(), &output), Ok(Vec::new()));
    }

    #[test]
    fn nothing_printed_is_no_tag_and_no_last_newline_is_fine() {
        assert_eq!(read("v", "").unwrap(), []);
        assert_eq!(read("v", &format!("{}\trefs/tags/v1.0.0", id('a'))).unwrap().len(), 1);
    }

    #[test]
    fn a_line_of_another_form_is_an_error() {
        for line in ["warning: something", "abc\trefs/tags/v1.0.0", "\trefs/tags/v1.0.0"] {
            let line = line.to_owned();
            assert_eq!(read("v", &line), Err(VersionError::NotARef { line }));
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_an_error_that_names_the_tag() {
        let output = format!("{}\trefs/tags/v1.2.99999999999999999999\n", id('a'));
        assert_eq!(
            read("v", &output),
            Err(NumberError::TooLarge { tag: "v1.2.99999999999999999999".into() }.into())
        );
    }

    proptest! {
        #[test]
        fn finds_each_tag_of_the_prefix_once_in_order(
            versions in prop::collection::btree_set(prop::array::uniform3(0..30_u64), 0..60),
            annotated in prop::collection::vec(any::<bool>(), 60),
        ) {
            let mut lines: Vec<String> = Vec::new();
            for ([major, minor, patch], annotated) in versions.iter().zip(annotated) {
                let name = format!("refs/tags/api-v{major}.{minor}.{patch}");
                let peeled = if annotated { format!("\n{}\t{name}^{{}}", id('c')) } else { String::new() };
                let own = if annotated { 'e' } else { 'c' };
                lines.push(format!("{}\t{name}{peeled}", id(own)));
                lines.push(format!("{}\trefs/tags/v{major}.{minor}.{patch}", id('d')));
            }
            // git sorts refs by bytes, not by version.
            lines.sort_unstable_by(|a, b| a[41..].cmp(&b[41..]));
            let found = parse_ls_remote(&"api-v".parse().unwrap(), lines.join("\n").as_bytes()).unwrap();
            let wanted: BTreeSet<Version> = versions.iter().map(|v| Version::new(v[0], v[1], v[2])).collect();
            prop_assert!(found.iter().map(|tag| tag.version).eq(wanted));
            prop_assert!(found.iter().all(|tag| tag.commit.as_str() == id('c')));
        }
    }
}
