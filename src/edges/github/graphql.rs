use http::HeaderMap;
use serde_json::{Value, json};

use super::Error;
use super::answer::Answer;
use super::client::GitHub;
use crate::domain::version::Commit;

/// The id that stands for "no such ref".
const NOTHING: &str = "0000000000000000000000000000000000000000";

const UPDATE: &str = "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";

/// A tag to be put on another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUpdate {
    /// Its name.
    pub tag: String,
    /// What it must point at until then ([`super::Tag::id`]); `None` where there must be no such tag.
    pub from: Option<String>,
    /// Where it goes.
    pub to: Commit,
}

#[derive(serde::Deserialize)]
struct Repository {
    node_id: String,
}

impl GitHub {
    /// Moves or creates tags, all of them or none, and only while each of them points where
    /// `from` says: so nobody's later move is undone. What REST offers for this
    /// overwrites whatever is there
    /// ([updateRefs](https://docs.github.com/en/graphql/reference/git#updaterefs)).
    ///
    /// # Errors
    ///
    /// [`Error::Unexpected`] also where a tag was elsewhere: GitHub has no words of its own for that,
    /// so read the tags again.
    pub async fn move_tags(&self, updates: &[TagUpdate]) -> Result<(), Error> {
        let names: Vec<_> = updates.iter().map(|update| update.tag.as_str()).collect();
        let what = self.what(&format!("move {}", names.join(" and ")));
        let updates: Vec<Value> = updates
            .iter()
            .map(|TagUpdate { tag, from, to }| {
                let before = from.as_deref().unwrap_or(NOTHING);
                json!({ "name": format!("refs/tags/{tag}"), "beforeOid": before, "afterOid": to.as_str(), "force": true })
            })
            .collect();
        let repository: Repository = self.get(&what, "").await?;
        let input = json!({ "repositoryId": repository.node_id, "refUpdates": updates });
        let body = json!({ "query": UPDATE, "variables": { "input": input } });
        let url = self.graphql_url();
        // What is not our own error is worth another try or not, as everywhere.
        self.ready(&what).await?;
        let answer = self
            .repeat(&what, async || {
                let sent = self.plain(&what, |client| client.post(&url).json(&body)).await;
                sent.unwrap_or_else(|error| Err(error.to_string())).map(of_rest)
            })
            .await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.refusal(&what)) }
    }

    /// `https://api.github.com/graphql`, or `https://ghe.example/api/graphql` beside `/api/v3`
    /// ([forming calls](https://docs.github.com/en/graphql/guides/forming-calls-with-graphql#the-graphql-endpoint)).
    fn graphql_url(&self) -> String {
        format!("{}/graphql", self.server.strip_suffix("/v3").unwrap_or(&self.server))
    }
}

/// GraphQL's errors come with 200: the same answer as REST would give it.
fn of_rest(answer: Answer) -> Answer {
    #[derive(serde::Deserialize)]
    struct Body {
        #[serde(default)]
        errors: Vec<Refusal>,
    }
    #[derive(serde::Deserialize)]
    struct Refusal {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        message: String,
    }
    let Ok(Body { errors }) = serde_json::from_str::<Body>(&answer.body) else {
        return answer;
    };
    let Some(first) = errors.first().filter(|_| answer.status == 200) else { return answer };
    let status = match first.kind.as_str() {
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => 403,
        "NOT_FOUND" => 404,
        "RATE_LIMITED" | "RATE_LIMIT" => 429,
        _ => 422,
    };
    let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    let body = json!({ "message": messages.join("; ") }).to_string();
    Answer { status, body, headers: HeaderMap::clone(&answer.headers), after_failure: answer.after_failure }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn graphql_is_beside_rest() {
        for (api, graphql) in [
            ("https://api.github.com", "https://api.github.com/graphql"),
            ("https://ghe.example/api/v3/", "https://ghe.example/api/graphql"),
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ] {
            assert_eq!(GitHub::new(api, "acme/shop", None).unwrap().graphql_url(), graphql);
        }
    }

    #[test]
    fn an_error_in_a_200_is_one() {
        let answer = |body: &str| {
            of_rest(Answer {
                status: 200,
                headers: HeaderMap::new(),
                body: body.to_owned(),
                after_failure: false,
            })
        };
        assert_eq!(answer(r#"{"data":{"updateRefs":{"clientMutationId":null}}}"#).status, 200);
        for (kind, status) in [("FORBIDDEN", 403), ("RATE_LIMITED", 429), ("NOT_FOUND", 404), ("", 422)] {
            let answer =
                answer(&format!(r#"{{"data":null,"errors":[{{"type":"{kind}","message":"No."}}]}}"#));
            assert_eq!((answer.status, answer.message().as_str()), (status, "No."));
        }
    }
}
