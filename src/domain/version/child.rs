use super::Commit;

/// The line in the message of a release commit that names the released commit.
const TRAILER: &str = "Release-of: ";

/// The message of a release commit. It is a child of the released commit and carries the version tag.
pub fn release_message(tag: &str, commit: &Commit) -> String {
    format!("Release {tag}\n\n{TRAILER}{commit}\n")
}

/// The commit that a release commit releases: its only parent, which its message names. `None` for an ordinary
/// commit.
pub fn released_by(parents: &[&str], message: &str) -> Option<Commit> {
    let [parent] = parents else { return None };
    let named = message.lines().rev().find_map(|line| line.strip_prefix(TRAILER))?;
    parent.parse().ok().filter(|parent: &Commit| parent.as_str() == named.trim())
}

/// The same for a commit object in git's own format: headers, an empty line, the message.
pub fn released_by_object(object: &[u8]) -> Option<Commit> {
    let text = String::from_utf8_lossy(object);
    let (headers, message) = text.split_once("\n\n")?;
    let parents: Vec<_> = headers.lines().filter_map(|line| line.strip_prefix("parent ")).collect();
    released_by(&parents, message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn a_release_commit_names_its_parent() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let commit: Commit = a.parse().unwrap();
        let message = release_message("v1.2.4", &commit);
        assert_eq!(released_by(&[&a], &message), Some(commit.clone()));
        assert_eq!(released_by(&[&b], &message), None, "rebased onto another commit");
        assert_eq!(released_by(&[&a, &b], &message), None, "a merge");
        assert_eq!(released_by(&[&a], "Fix a bug\n"), None, "an ordinary commit");
        assert_eq!(released_by(&[], &message), None);
        let object = format!("tree {b}\nparent {a}\nauthor A <a@b.c> 1 +0000\ngpgsig x\n y\n\n{message}");
        assert_eq!(released_by_object(object.as_bytes()), Some(commit));
        assert_eq!(released_by_object(b"tree"), None);
    }
}
