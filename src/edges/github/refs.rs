use octocrab::models::repos::{Object, Ref};
use octocrab::params::repos::Reference;
use serde_json::{Value, json};

use super::client::{Call, GitHub};
use super::transport::GRAPHQL;
use super::{GitHubError, Reason};
use crate::domain::version::Commit;

/// The id that means "no such ref".
const NOTHING: &str = "0000000000000000000000000000000000000000";

const UPDATE: &str = "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";

/// How many annotated tags that point to other tags p2p follows.
const DEEPEST: usize = 8;

/// How the creation of a tag ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The tag was created.
    Created,
    /// GitHub did not create it, because it exists or because somebody else was creating it.
    Taken {
        /// An earlier try failed without showing whether it took effect, so this run may have created the tag.
        after_failure: bool,
        /// GitHub's message.
        answer: String,
    },
}

/// A tag in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitTag {
    pub name: String,
    /// The id that it points to: the commit, or the object of an annotated tag.
    pub id: String,
    /// The commit of the tag.
    pub commit: Commit,
}

/// A tag to move to another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUpdate {
    pub tag: String,
    /// The id that it must point to before the move ([`GitTag::id`]). `None` if there must be no such tag.
    pub from: Option<String>,
    /// The new commit.
    pub to: Commit,
}

impl GitHub {
    /// Creates the lightweight tag `tag` on `commit`. If several callers do so, the server creates it for only one
    /// ([create a reference](https://docs.github.com/en/rest/git/refs#create-a-reference)).
    pub async fn create_tag(&self, tag: &str, commit: &Commit) -> Result<Creation, GitHubError> {
        let call = self.call(&format!("create the tag {tag} on commit {}", commit.short()))?;
        let reference = Reference::Tag(tag.to_owned());
        match call.done(call.repository().create_ref(&reference, commit.as_str()).await) {
            Ok(_) => Ok(Creation::Created),
            Err(GitHubError::Refused { answer, reason: Reason::Taken { after_failure }, .. }) => {
                Ok(Creation::Taken { after_failure, answer })
            }
            Err(error) => Err(error),
        }
    }

    /// The commit of the tag `tag`, or `None` if there is no such tag.
    pub async fn tag_commit(&self, tag: &str) -> Result<Option<Commit>, GitHubError> {
        Ok(self.tag(tag).await?.map(|found| found.commit))
    }

    /// The tag `tag`, or `None` if there is no such tag
    /// ([get a reference](https://docs.github.com/en/rest/git/refs#get-a-reference)).
    pub async fn tag(&self, tag: &str) -> Result<Option<GitTag>, GitHubError> {
        let call = self.call(&format!("read the tag {tag}"))?;
        match call.done(call.repository().get_ref(&Reference::Tag(encoded(tag))).await) {
            Ok(found) => call.tag(tag, found.object).await.map(Some),
            Err(error) if error.is_not_found() => {
                // A hidden repository must not look like a free name.
                call.visible().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The tags that begin with `prefix` and have a `wanted` name, in any order. An annotated tag takes a further
    /// request ([list matching references](https://docs.github.com/en/rest/git/refs#list-matching-references)).
    pub async fn tags(
        &self,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<GitTag>, GitHubError> {
        let call = self.call(&format!("list the tags that begin with '{prefix}'"))?;
        let mut tags = Vec::new();
        for found in call.matching(&Reference::Tag(encoded(prefix))).await? {
            if let Some(name) = found.ref_field.strip_prefix("refs/tags/").filter(|name| wanted(name)) {
                tags.push(call.tag(name, found.object).await?);
            }
        }
        Ok(tags)
    }

    /// The branches whose names begin with `prefix`, each with its newest commit, even if a tag has the same name.
    pub async fn branches(&self, prefix: &str) -> Result<Vec<(String, Commit)>, GitHubError> {
        let call = self.call(&format!("list the branches that begin with '{prefix}'"))?;
        let mut branches = Vec::new();
        for found in call.matching(&Reference::Branch(encoded(prefix))).await? {
            if let Some(name) = found.ref_field.strip_prefix("refs/heads/") {
                branches.push((name.to_owned(), call.peel(found.object).await?));
            }
        }
        Ok(branches)
    }

    /// Moves or creates tags, either all or none, and only if each of them still points to `from`. So p2p never
    /// undoes a later move. REST has no such request: its update overwrites any value
    /// ([updateRefs](https://docs.github.com/en/graphql/reference/git#updaterefs)).
    ///
    /// # Errors
    ///
    /// Also [`Reason::Unexpected`] if a tag has moved: GitHub has no specific message for that, so read the tags
    /// again.
    pub async fn move_tags(&self, updates: &[TagUpdate]) -> Result<(), GitHubError> {
        #[derive(serde::Deserialize)]
        struct Repository {
            node_id: String,
        }
        let names: Vec<_> = updates.iter().map(|update| update.tag.as_str()).collect();
        let call = self.call(&format!("move {}", names.join(" and ")))?;
        let update = |TagUpdate { tag, from, to }: &TagUpdate| {
            let before = from.as_deref().unwrap_or(NOTHING);
            json!({ "name": format!("refs/tags/{tag}"), "beforeOid": before, "afterOid": to.as_str(), "force": true })
        };
        let updates: Vec<_> = updates.iter().map(update).collect();
        let Repository { node_id } = call.get("").await?;
        let input = json!({ "repositoryId": node_id, "refUpdates": updates });
        let body = json!({ "query": UPDATE, "variables": { "input": input } });
        call.done(call.crab.post::<_, Value>(GRAPHQL, Some(&body)).await).map(drop)
    }
}

impl Call {
    async fn matching(&self, reference: &Reference) -> Result<Vec<Ref>, GitHubError> {
        // octocrab's own method reads only one page.
        self.list(&format!("/git/matching-refs/{}", reference.ref_url())).await
    }

    async fn tag(&self, name: &str, object: Object) -> Result<GitTag, GitHubError> {
        let (id, _) = parts(&object);
        Ok(GitTag { name: name.to_owned(), id: id.to_owned(), commit: self.peel(object).await? })
    }

    /// Follows tag objects to the commit.
    async fn peel(&self, object: Object) -> Result<Commit, GitHubError> {
        let (id, mut is_tag) = parts(&object);
        let mut id = id.to_owned();
        for _ in 0..DEEPEST {
            if !is_tag {
                break;
            }
            let found = self.done(self.repository().get_tag(&id).await)?;
            let Some(object) = found.object else { break };
            (id, is_tag) = (object.sha, object.r#type == "tag");
        }
        id.parse().map_err(|_| GitHubError::unexpected(&self.what, 200, format!("no commit id: '{id}'")))
    }
}

/// The id of an object, and whether it is a tag.
fn parts(object: &Object) -> (&str, bool) {
    match object {
        Object::Tag { sha, .. } => (sha, true),
        Object::Commit { sha, .. } | Object::Tree { sha, .. } | Object::Blob { sha, .. } => (sha, false),
        _ => ("", false),
    }
}

/// Percent-encodes a path for a URL, except slashes (RFC 3986, section 2.3). octocrab does not encode names.
pub(super) fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02x}");
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
