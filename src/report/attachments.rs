//! The referrers of a copied image, as a table.

use oci::{Attached, AttachedState};

/// Up to this number, each referrer of a kind has its own line.
const EACH: usize = 3;

/// The lines of the table: type, result, digest. Many referrers of one type share a line. Empty without referrers.
pub(crate) fn attachments(attached: &[Attached], dry_run: bool) -> Vec<String> {
    if attached.is_empty() {
        return Vec::new();
    }
    let width = attached.iter().map(|one| one.what.chars().count()).max().unwrap_or_default().max(8);
    let mut lines = vec![format!("{:width$}  {:13}  digest", "attached", "what became")];
    let mut mentioned: Vec<(&str, AttachedState)> = Vec::new();
    for Attached { what, state, digest, .. } in attached {
        let word = match state {
            AttachedState::Copied if dry_run => "to copy",
            AttachedState::Copied => "copied",
            AttachedState::Present => "there already",
            AttachedState::Kept => "another stays",
        };
        let alike = attached.iter().filter(|other| other.what == *what && other.state == *state).count();
        if alike <= EACH {
            lines.push(format!("{what:width$}  {word:13}  {digest}"));
        } else if !mentioned.contains(&(what, *state)) {
            mentioned.push((what, *state));
            lines.push(format!("{what:width$}  {word:13}  {alike} of them"));
        }
    }
    lines
}

/// The warning about referrers that could not be read at the source and were not copied.
pub(crate) fn left_behind(unread: &[String]) -> Option<String> {
    if unread.is_empty() {
        return None;
    }
    let named = unread.iter().take(EACH).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = unread.len().saturating_sub(EACH);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Some(format!("not copied along, because it could not be read: {named}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;

    #[test]
    fn columns_are_aligned() {
        let one = |what: &str, state| Attached {
            subject: Digest::of("image"),
            digest: Digest::of(what),
            what: what.to_owned(),
            state,
        };
        let list = [one("sbom", AttachedState::Copied), one("signature", AttachedState::Kept)];
        let lines = attachments(&list, false);
        assert_eq!(lines[0], "attached   what became    digest");
        assert_eq!(lines[1], format!("sbom       copied         {}", Digest::of("sbom")));
        assert_eq!(lines[2], format!("signature  another stays  {}", Digest::of("signature")));
        let many = ["record"; 4].map(|what| one(what, AttachedState::Copied));
        assert_eq!(attachments(&many, false)[1..], ["record    copied         4 of them"]);
        assert!(attachments(&list, true)[1].contains("to copy"));
        assert!(attachments(&[], false).is_empty());
    }

    #[test]
    fn what_was_left_behind_is_named() {
        assert_eq!(left_behind(&[]), None);
        let lines = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert!(left_behind(&lines[..1]).unwrap_or_default().ends_with("could not be read: a"));
        assert!(left_behind(&lines).unwrap_or_default().ends_with("read: a; b; c; and 2 more"));
    }
}
