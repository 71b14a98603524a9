//! The `artifacts` globs: which files of a tree they match.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::error::WorkspaceError;
use super::tree::walk_error;

/// Globs relative to a directory. `*` and `?` match within one name, `**` matches across directories, `{a,b}` and
/// `[…]` are alternatives. The name of a directory matches everything below it. Nothing below a `.git` matches.
#[derive(Debug, Clone)]
pub struct ArtifactGlobs {
    set: GlobSet,
}

impl ArtifactGlobs {
    /// Parses globs, one per item. Blank items are skipped.
    ///
    /// # Errors
    /// If a glob is absolute, contains `..`, or is malformed. The error names it.
    pub fn parse<'a>(globs: impl IntoIterator<Item = &'a str>) -> Result<Self, WorkspaceError> {
        let mut set = GlobSetBuilder::new();
        for given in globs {
            let glob = given.trim().trim_start_matches("./").trim_end_matches('/');
            if glob.is_empty() && !given.trim().starts_with(['/', '.']) {
                continue;
            }
            let bad = |why: &str| WorkspaceError::Glob { glob: given.trim().to_owned(), why: why.to_owned() };
            if Path::new(given.trim()).is_absolute() {
                return Err(bad("is absolute"));
            }
            if Path::new(glob).components().any(|part| part == Component::ParentDir) {
                return Err(bad("leaves its directory with `..`"));
            }
            let glob = if matches!(glob, "" | ".") { "**" } else { glob };
            for text in [glob.to_owned(), format!("{glob}/**")] {
                let built = GlobBuilder::new(&text).literal_separator(true).build();
                set.add(built.map_err(|error| bad(&format!("is malformed: {}", error.kind())))?);
            }
        }
        let set = set
            .build()
            .map_err(|error| WorkspaceError::Glob { glob: String::new(), why: error.kind().to_string() })?;
        Ok(Self { set })
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether a path, relative to the directory, matches.
    pub(super) fn is_match(&self, path: &Path) -> bool {
        self.set.is_match(path)
    }

    /// The matching files and links below `directory`, as sorted relative paths. Links are not followed.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn find(&self, directory: &Path) -> Result<Vec<PathBuf>, WorkspaceError> {
        let mut found = Vec::new();
        if self.is_empty() {
            return Ok(found);
        }
        let walk = WalkDir::new(directory).min_depth(1).follow_links(false).into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name() != ".git") {
            let entry = entry.map_err(|error| walk_error(directory, error))?;
            let Ok(path) = entry.path().strip_prefix(directory) else { continue };
            let kind = entry.file_type();
            if (kind.is_file() || kind.is_symlink()) && self.set.is_match(path) {
                found.push(path.to_owned());
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        ArtifactGlobs::parse([glob]).unwrap().set.is_match(path)
    }

    #[test]
    fn globs_name_files_and_whole_directories() {
        for (glob, path) in [
            ("reports/*.xml", "reports/a.xml"),
            ("./reports/", "reports/deep/a.xml"),
            ("reports", "reports/a.xml"),
            ("**/*.xml", "a.xml"),
            ("**/*.xml", "x/y/a.xml"),
            ("out/**", "out/x/y"),
            ("{a,b}/?.txt", "b/1.txt"),
            (".", "anything/at/all"),
            ("*", ".hidden"),
        ] {
            assert!(matches(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("reports/*.xml", "reports/x/a.xml"),
            ("*.xml", "x/a.xml"),
            ("reports", "reports.txt"),
            ("A", "a"),
        ] {
            assert!(!matches(glob, path), "{glob} {path}");
        }
        assert!(ArtifactGlobs::parse(["", "  "]).unwrap().is_empty());
    }

    #[test]
    fn globs_that_leave_the_directory_are_refused_by_name() {
        for (glob, why) in [
            ("../x", "the glob \"../x\" leaves its directory with `..`"),
            ("a/../../x", "the glob \"a/../../x\" leaves its directory with `..`"),
            ("/etc/passwd", "the glob \"/etc/passwd\" is absolute"),
            ("/", "the glob \"/\" is absolute"),
            ("a[", "the glob \"a[\" is malformed: unclosed character class; missing ']'"),
        ] {
            assert_eq!(ArtifactGlobs::parse([glob]).unwrap_err().to_string(), why);
        }
    }
}
