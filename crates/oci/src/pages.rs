//! Lists with several pages: the `Link` header (RFC 8288), and the end of a list.

use std::collections::HashSet;

use reqwest::header::{HeaderMap, LINK};

use super::error::OciError;
use super::route::{Call, Route};

/// The most pages of a list. A registry could always name another page without new items.
const MOST_PAGES: usize = 10_000;

/// The pages of a list that were requested.
#[derive(Debug, Default)]
pub(super) struct Pages(HashSet<String>);

impl Pages {
    /// Records that the page with this query is requested.
    ///
    /// # Errors
    /// If it was requested before, because the list would never end.
    pub(super) fn turn_to(&mut self, query: &str, route: &Route, call: &Call) -> Result<(), OciError> {
        if !self.0.insert(query.to_owned()) {
            return Err(route.nonsense(call, "it names a next page that was read before"));
        }
        if self.0.len() > MOST_PAGES {
            return Err(route.nonsense(call, format!("it has more than {MOST_PAGES} pages")));
        }
        Ok(())
    }
}

/// The query of the next page: `Link: </v2/…/tags/list?last=x&n=y>; rel="next"`. Only the query is used: the page is
/// in the same repository, even if a proxy changed the path.
pub(super) fn next_query(headers: &HeaderMap) -> Option<String> {
    let mut links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let target = links.find_map(next_of)?;
    let target = target.split('#').next().unwrap_or_default();
    Some(target.split_once('?').map_or("", |(_, query)| query).to_owned())
}

/// The target with the relation `next`. A header may have several targets.
fn next_of(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, after)| after.split_once('>')) {
        let (parameters, left) = split_outside_quotes(after, ',');
        if is_next(parameters) {
            return Some(target);
        }
        rest = left;
    }
    None
}

/// Whether `; rel="prev next"; title="…"` has the relation `next`.
fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (parameter, left) = split_outside_quotes(rest, ';');
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            let relations = value.trim().trim_matches('"').split_whitespace();
            return relations.into_iter().any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        rest = left;
    }
    false
}

fn split_outside_quotes(text: &str, at: char) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == at && !quoted => {
                return (text.get(..position).unwrap_or(text), text.get(position + 1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn each_target_has_its_own_relation() {
        let next = |links: &[&str]| {
            let mut headers = HeaderMap::new();
            for link in links {
                headers.append(LINK, link.parse().unwrap());
            }
            next_query(&headers)
        };
        for link in [
            r#"</v2/a/tags/list?n=2&last=b>; rel="next""#,
            "</v2/a/tags/list?n=2&last=b>;rel=next",
            r#"<?n=2&last=b>; REL = "prev NEXT""#,
            r#"<https://other.example/v2/a/tags/list?n=2&last=b#end>; rel="next""#,
            r#"<?n=2>; rel="first", <?n=2&last=b>; rel="next", <?n=9>; rel=last"#,
            r#"<?n=1>; title="x, <?n=9>; rel=next"; rel=prev, <?n=2&last=b>; title="a;b\"c"; rel=next"#,
        ] {
            assert_eq!(next(&[link]).as_deref(), Some("n=2&last=b"), "{link}");
        }
        assert_eq!(next(&["<?n=1>; rel=first", "<?n=2>; rel=next"]).as_deref(), Some("n=2"));
        assert_eq!(next(&["</v2/a/tags/list/2>; rel=next"]).as_deref(), Some(""));
        for link in [
            "",
            "<",
            "<>",
            "?n=2; rel=next",
            "<?n=2>",
            "<?n=2>; rel=nextish",
            r#"<?n=2>; title="rel=next""#,
            r#"<?n=2>; rel="prev"; title=next"#,
            "<?n=2>; xrel=next",
        ] {
            assert_eq!(next(&[link]), None, "{link}");
        }
        assert_eq!(next(&[]), None);
    }
}
