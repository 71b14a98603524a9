use http::Method;
use serde_json::json;

use super::Error;
use super::answer::Answer;
use super::client::GitHub;
use crate::version::Commit;

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

    /// The commit that the tag `tag` leads to, or `None` where there is no such tag
    /// ([get a reference](https://docs.github.com/en/rest/git/refs#get-a-reference)).
    pub async fn tag_commit(&self, tag: &str) -> Result<Option<Commit>, Error> {
        let what = self.what(&format!("read the tag {tag}"));
        let answer = self.send(&what, &Method::GET, &format!("/git/ref/tags/{}", encoded(tag)), None).await?;
        if answer.status == 404 {
            // Also what a hidden repository answers: that must not look like a free name.
            let repository = self.send(&what, &Method::GET, "", None).await?;
            return if repository.status == 200 { Ok(None) } else { Err(repository.refusal(&what)) };
        }
        let mut object = target(&answer, &what)?;
        for _ in 0..DEEPEST {
            if object.kind != "tag" {
                break;
            }
            let path = format!("/git/tags/{}", encoded(&object.sha));
            object = target(&self.send(&what, &Method::GET, &path, None).await?, &what)?;
        }
        let unexpected =
            |_| Error::Unexpected { what, status: 200, answer: format!("no commit id: '{}'", object.sha) };
        object.sha.parse().map(Some).map_err(unexpected)
    }
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
    let holder = serde_json::from_str::<Holder>(&answer.body);
    let unexpected =
        |error| Error::Unexpected { what: what.to_owned(), status: 200, answer: format!("{error}") };
    holder.map(|holder| holder.object).map_err(unexpected)
}

/// Percent-encoded for a URL's path, slashes left as they are (RFC 3986, section 2.3).
fn encoded(path: &str) -> String {
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
