//! The parts of the distribution API, by path.

use http::Method;

use super::answer::Refusal;
use super::names::{Reference, RepositoryName, sha256};
use super::query::decode;
use oci::Digest;

/// A path of the API with its names checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/manifests/<tag or digest>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
}

impl Route {
    /// Parses a path. It is read from its end, because a repository may be called `a/manifests/b`.
    pub(super) fn parse(method: &Method, path: &str) -> Result<Self, Refusal> {
        let nowhere = || Refusal::unknown("NAME_UNKNOWN", "no such path in the distribution API");
        let path = decode(path).ok_or_else(nowhere)?;
        let rest = match path.as_str() {
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            other => other.strip_prefix("/v2/").ok_or_else(nowhere)?,
        };
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [name @ .., "blobs", "uploads", id] => Ok(Self::Upload(repository(name)?, (*id).to_owned())),
            [name @ .., "blobs", digest] => Ok(Self::Blob(repository(name)?, self::digest(digest)?)),
            [name @ .., "referrers", digest] => Ok(Self::Referrers(repository(name)?, self::digest(digest)?)),
            [name @ .., "manifests", reference] => {
                let repository = repository(name)?;
                let reference = Reference::parse(reference).ok_or_else(|| unnameable(method, reference))?;
                Ok(Self::Manifest(repository, reference))
            }
            _ => Err(nowhere()),
        }
    }
}

fn repository(parts: &[&str]) -> Result<RepositoryName, Refusal> {
    let name = parts.join("/");
    RepositoryName::parse(&name)
        .ok_or_else(|| Refusal::bad("NAME_INVALID", format!("{name:?} is not a repository name")))
}

/// Checks a digest in a request.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    sha256(text).ok_or_else(|| Refusal::bad("DIGEST_INVALID", format!("{text:?} is not a sha256 digest")))
}

/// The refusal for an invalid name. Nothing can be stored under it, so reading finds nothing, and writing is an
/// error.
fn unnameable(method: &Method, reference: &str) -> Refusal {
    if reference.contains(':') {
        Refusal::bad("DIGEST_INVALID", format!("{reference:?} is not a sha256 digest"))
    } else if method == Method::PUT {
        Refusal::bad("TAG_INVALID", format!("{reference:?} is not a tag"))
    } else {
        Refusal::unknown("MANIFEST_UNKNOWN", format!("{reference:?} is not a tag"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn get(path: &str) -> Result<Route, u16> {
        Route::parse(&Method::GET, path).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn names_are_read_from_the_end() {
        let name = |text| RepositoryName::parse(text).unwrap();
        let digest = Digest::of(b"x");
        let reference = |text| Reference::parse(text).unwrap();
        for (path, route) in [
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/tags/list".to_owned(), Route::Tags(name("a"))),
            ("/v2/a/b/blobs/uploads/".to_owned(), Route::Uploads(name("a/b"))),
            ("/v2/a/blobs/uploads/17".to_owned(), Route::Upload(name("a"), "17".to_owned())),
            (format!("/v2/a/blobs/{digest}"), Route::Blob(name("a"), digest.clone())),
            (format!("/v2/a/blobs/sha256%3A{}", digest.hex()), Route::Blob(name("a"), digest.clone())),
            (format!("/v2/a/referrers/{digest}"), Route::Referrers(name("a"), digest.clone())),
            (
                "/v2/a/manifests/b/manifests/1".to_owned(),
                Route::Manifest(name("a/manifests/b"), reference("1")),
            ),
        ] {
            assert_eq!(get(&path), Ok(route), "{path}");
        }
    }

    #[test]
    fn nothing_leaves_the_store() {
        for (path, status) in [
            ("/v2/../../etc/tags/list", 400),
            ("/v2/%2e%2e/manifests/x", 400),
            ("/v2/a%2f..%2fb/tags/list", 400),
            ("/v2/a/blobs/../../passwd", 404),
            ("/v2/a/blobs/sha256:..", 400),
            ("/v2/a/manifests/..", 404),
            ("/v2//tags/list", 400),
            ("/v1/a/tags/list", 404),
            ("/", 404),
        ] {
            assert_eq!(get(path), Err(status), "{path}");
        }
        let put = Route::parse(&Method::PUT, "/v2/a/manifests/.bad");
        assert_eq!(put.map_err(|refusal| refusal.status.as_u16()), Err(400));
    }
}
