//! Lists of tags, repositories and referrers ("Listing Tags", "Listing Referrers").

use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::names::RepositoryName;
use super::query::Query;
use super::store::Store;
use oci::{Digest, OCI_INDEX};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET …/tags/list`, with at most `page` tags.
pub(super) fn tags(
    store: &Store,
    page: usize,
    repository: &RepositoryName,
    query: &Query,
) -> Result<Answer, Refusal> {
    let tags = store.tags(repository)?;
    let tags =
        tags.ok_or_else(|| Refusal::unknown("NAME_UNKNOWN", format!("nothing was pushed to {repository}")))?;
    let names = tags.iter().map(super::names::Tag::as_str).collect();
    let (names, link) = cut(names, page, &format!("/v2/{repository}/tags/list"), query)?;
    Ok(list(&json!({"name": repository.as_str(), "tags": names}), link))
}

/// `GET /v2/_catalog`.
pub(super) fn catalog(store: &Store, page: usize, query: &Query) -> Result<Answer, Refusal> {
    let repositories = store.repositories()?;
    let names = repositories.iter().map(RepositoryName::as_str).collect();
    let (names, link) = cut(names, page, "/v2/_catalog", query)?;
    Ok(list(&json!({"repositories": names}), link))
}

/// `GET …/referrers/<digest>`: an index, which is empty without referrers.
pub(super) fn referrers(
    store: &Store,
    repository: &RepositoryName,
    subject: &Digest,
    query: &Query,
) -> Result<Answer, Refusal> {
    let wanted = query.get("artifactType");
    let mut manifests = Vec::new();
    for digest in store.referrers(repository, subject)? {
        // A referrer that is being pushed or removed has a link but no manifest.
        let Some(manifest) = store.manifest(repository, &digest)? else { continue };
        let referrer = manifest.referrer(&digest);
        if wanted.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted)) {
            manifests.push(json!(referrer));
        }
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let answer = Answer::new(StatusCode::OK).header(CONTENT_TYPE, OCI_INDEX).bytes(index.to_string());
    Ok(if wanted.is_some() { answer.header(FILTERS_APPLIED, "artifactType") } else { answer })
}

fn list(value: &Value, link: Option<String>) -> Answer {
    let answer = Answer::new(StatusCode::OK).json(value);
    match link {
        Some(link) => answer.header(LINK, link),
        None => answer,
    }
}

/// At most `n` names after `last`, and the link to the rest (RFC 5988).
fn cut<'a>(
    mut names: Vec<&'a str>,
    page: usize,
    path: &str,
    query: &Query,
) -> Result<(Vec<&'a str>, Option<String>), Refusal> {
    let limit = match query.get("n").map(str::parse::<usize>) {
        None => page,
        Some(Ok(n)) => n.min(page),
        Some(Err(_)) => return Err(Refusal::bad("PAGINATION_NUMBER_INVALID", "n is not a number")),
    };
    if let Some(last) = query.get("last") {
        names.retain(|name| *name > last);
    }
    let more = names.len() > limit;
    names.truncate(limit);
    let link =
        names.last().filter(|_| more).map(|last| format!("<{path}?n={limit}&last={last}>; rel=\"next\""));
    Ok((names, link))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_link_leads_to_the_rest_and_no_further() {
        let names = vec!["a", "b", "c"];
        let cut = |query: &str, page| {
            super::cut(names.clone(), page, "/p", &Query::parse(Some(query)))
                .map_err(|refusal| refusal.status)
        };
        assert_eq!(cut("", 10).unwrap(), (vec!["a", "b", "c"], None));
        assert_eq!(
            cut("n=2", 10).unwrap(),
            (vec!["a", "b"], Some("</p?n=2&last=b>; rel=\"next\"".to_owned()))
        );
        assert_eq!(cut("n=2&last=b", 10).unwrap(), (vec!["c"], None));
        assert_eq!(cut("last=aa", 1).unwrap(), (vec!["b"], Some("</p?n=1&last=b>; rel=\"next\"".to_owned())));
        assert_eq!(cut("n=3", 10).unwrap(), (names.clone(), None));
        assert_eq!(cut("n=0", 10).unwrap(), (vec![], None));
        assert_eq!(cut("n=x", 10), Err(StatusCode::BAD_REQUEST));
    }
}
