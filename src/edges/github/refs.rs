use std::ops::ControlFlow;

use http::Method;
use serde_json::json;

use super::Error;
use super::answer::Answer;
use super::client::GitHub;
use crate::domain::version::Commit;

/// How the creation of a tag ended, where it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The tag is there now, and was not before.
    Created,
    /// GitHub would not create it because it exists, or because somebody else was at it.
    Taken {
        /// A try before this answer failed without telling whether it took effect, so the tag
        /// may be of our own making.
        after_failure: bool,
        /// What GitHub said.
        answer: String,
    },
}

/// A tag that points at a tag that points at …: nobody nests deeper.
const DEEPEST: usize = 8;

impl GitHub {
    /// Creates the lightweight tag `tag` on `commit`: atomic at the server, which creates it for
    /// one of any number of callers
    /// ([create a reference](https://docs.github.com/en/rest/git/refs#create-a-reference)).
    pub async fn create_tag(&self, tag: &str, commit: &Commit) -> Result<Creation, Error> {
        let what = self.what(&format!("create the tag {tag} on commit {}", commit.short()));
        let body = json!({ "ref": format!("refs/tags/{tag}"), "sha": commit.as_str() });
        let answer = self.send(&what, &Method::POST, "/git/refs", Some(&body)).await?;
        let message = answer.message();
        match answer.status {
            201 => Ok(Creation::Created),
            // The second text is GitHub's whenever the update of a ref did not come about, most
            // often because another one held its lock.
            422 if message.contains("already exists") || message.contains("Reference update failed") => {
                Ok(Creation::Taken { after_failure: answer.after_failure, answer: message })
            }
            _ => Err(answer.refusal(&what)),
        }
    }

    /// The commit that the tag `tag` leads to, or `None` where there is no such tag.
    pub async fn tag_commit(&self, tag: &str) -> Result<Option<Commit>, Error> {
        Ok(self.tag(tag).await?.map(|found| found.commit))
    }

    /// The tag `tag`, or `None` where there is no such tag
    /// ([get a reference](https://docs.github.com/en/rest/git/refs#get-a-reference)).
    pub async fn tag(&self, tag: &str) -> Result<Option<Tag>, Error> {
        let what = self.what(&format!("read the tag {tag}"));
        let answer = self.send(&what, &Method::GET, &format!("/git/ref/tags/{}", encoded(tag)), None).await?;
        if answer.status == 404 {
            // That must not look like a free name.
            self.visible(&what).await?;
            return Ok(None);
        }
        let object = target(&answer, &what)?;
        let id = object.sha.clone();
        Ok(Some(Tag { name: tag.to_owned(), id, commit: self.peel(&what, object).await? }))
    }

    /// The tags that begin with `prefix` and whose names are `wanted`, in no order: an annotated one takes
    /// a request of its own ([list matching references](https://docs.github.com/en/rest/git/refs#list-matching-references)).
    pub async fn tags(&self, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Tag>, Error> {
        let what = self.what(&format!("list the tags that begin with '{prefix}'"));
        let mut found: Vec<Reference> = Vec::new();
        let path = format!("/git/matching-refs/tags/{}", encoded(prefix));
        self.pages(&what, &path, |page: Vec<Reference>| {
            found.extend(page);
            ControlFlow::Continue(())
        })
        .await?;
        let mut tags = Vec::with_capacity(found.len());
        for Reference { name, object } in found {
            let Some(name) = name.strip_prefix("refs/tags/").filter(|name| wanted(name)) else { continue };
            let id = object.sha.clone();
            tags.push(Tag { name: name.to_owned(), id, commit: self.peel(&what, object).await? });
        }
        Ok(tags)
    }

    /// The branches whose names begin with `prefix`, each with its newest commit: the branch itself, whatever
    /// tag has the same name
    /// ([list matching references](https://docs.github.com/en/rest/git/refs#list-matching-references)).
    pub async fn branches(&self, prefix: &str) -> Result<Vec<(String, Commit)>, Error> {
        let what = self.what(&format!("list the branches that begin with '{prefix}'"));
        let mut found: Vec<Reference> = Vec::new();
        self.pages(
            &what,
            &format!("/git/matching-refs/heads/{}", encoded(prefix)),
            |page: Vec<Reference>| {
                found.extend(page);
                ControlFlow::Continue(())
            },
        )
        .await?;
        let mut branches = Vec::with_capacity(found.len());
        for Reference { name, object } in found {
            if let Some(name) = name.strip_prefix("refs/heads/") {
                branches.push((name.to_owned(), self.peel(&what, object).await?));
            }
        }
        Ok(branches)
    }

    /// Follows tag objects to the commit.
    async fn peel(&self, what: &str, mut object: Target) -> Result<Commit, Error> {
        for _ in 0..DEEPEST {
            if object.kind != "tag" {
                break;
            }
            let path = format!("/git/tags/{}", encoded(&object.sha));
            object = target(&self.send(what, &Method::GET, &path, None).await?, what)?;
        }
        let unexpected = |_| Error::Unexpected {
            what: what.to_owned(),
            status: 200,
            answer: format!("no commit id: '{}'", object.sha),
        };
        object.sha.parse().map_err(unexpected)
    }
}

/// A tag as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// The id of what it points at: of the commit, or of the object of an annotated tag.
    pub id: String,
    /// The commit that it leads to.
    pub commit: Commit,
}

#[derive(serde::Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Target,
}

#[derive(serde::Deserialize)]
struct Target {
    #[serde(rename = "type")]
    kind: String,
    sha: String,
}

/// What a reference or a tag object points at.
fn target(answer: &Answer, what: &str) -> Result<Target, Error> {
    #[derive(serde::Deserialize)]
    struct Holder {
        object: Target,
    }
    if answer.status != 200 {
        return Err(answer.refusal(what));
    }
    Ok(answer.json::<Holder>(what)?.object)
}

/// Percent-encoded for a URL's path, slashes left as they are (RFC 3986, section 2.3).
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend(
                [byte >> 4, byte & 15].iter().filter_map(|half| char::from_digit(u32::from(*half), 16)),
            );
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_becomes_a_path() {
        assert_eq!(encoded("team/api-v1.2.3"), "team/api-v1.2.3");
        assert_eq!(encoded("a#b%41+ü1.0.0"), "a%23b%2541%2b%c3%bc1.0.0");
    }
}
