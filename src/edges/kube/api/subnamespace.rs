//! Subnamespaces: an anchor in the parent makes the Hierarchical Namespace Controller (HNC) create the namespace
//! (<https://github.com/kubernetes-sigs/hierarchical-namespaces>).

use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::answer::Status;
use super::client::Api;
use super::error::ApiError;
use super::question::Question;
use sys::http::Answer;

/// The pauses between checks. The controller usually needs less than a second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often p2p reports that it is still waiting.
const REMIND: Duration = Duration::from_secs(10);

/// The progress of a subnamespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnamespaceProgress {
    pub name: String,
    /// What happened.
    pub stage: SubnamespaceStage,
    /// The time since the beginning.
    pub elapsed: Duration,
}

/// The stages of a subnamespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnamespaceStage {
    /// p2p has created the anchor.
    Created,
    /// p2p waits for it. The state is what the controller reports, if it has reported any.
    Waiting(Option<String>),
    /// It is ready. `true` if this run created it.
    Ready(bool),
}

/// The state of an anchor.
enum Anchor {
    Absent,
    Ok,
    /// In this state, and it may still change.
    Pending(Option<String>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Metadata,
    status: State,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    status: Option<String>,
}

impl Api {
    /// Makes sure that `parent` has all these subnamespaces, in parallel, each within `limit`. Reports progress to
    /// `tell`. A failure does not stop the others.
    ///
    /// # Errors
    /// The first failure, in the order of the names.
    pub async fn ensure_subnamespaces(
        &self,
        parent: &str,
        names: &[String],
        limit: Duration,
        tell: &(dyn Fn(&SubnamespaceProgress) + Sync),
    ) -> Result<(), ApiError> {
        let all = names.iter().map(|name| self.ensure_subnamespace(parent, name, limit, tell));
        join_all(all).await.into_iter().collect()
    }

    /// Makes sure that `parent` has the subnamespace `name`: creates its anchor if necessary, and waits until it is
    /// ready. After the limit it checks once more, so that an error shows the last state. The requests have their
    /// own time limits.
    ///
    /// # Errors
    /// If the cluster refuses, or at the time limit.
    pub async fn ensure_subnamespace(
        &self,
        parent: &str,
        name: &str,
        limit: Duration,
        tell: &(dyn Fn(&SubnamespaceProgress) + Sync),
    ) -> Result<(), ApiError> {
        let begin = Instant::now();
        let tell = |stage: SubnamespaceStage| {
            tell(&SubnamespaceProgress { name: name.to_owned(), stage, elapsed: begin.elapsed() });
        };
        let mut created = false;
        let mut message: Option<(Option<String>, Instant)> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let is_last = begin.elapsed() >= limit;
            let state = match self.look(parent, name).await? {
                Anchor::Ok => {
                    tell(SubnamespaceStage::Ready(created));
                    return Ok(());
                }
                Anchor::Absent => {
                    if self.create(parent, name).await? {
                        created = true;
                        pause = FIRST_PAUSE;
                        tell(SubnamespaceStage::Created);
                    }
                    None
                }
                Anchor::Pending(state) => state,
            };
            if is_last {
                let (name, parent) = (name.to_owned(), parent.to_owned());
                return Err(ApiError::TimedOut { name, parent, limit, state });
            }
            let due = |(before, at): &(Option<String>, Instant)| *before != state || at.elapsed() >= REMIND;
            if message.as_ref().is_none_or(due) {
                tell(SubnamespaceStage::Waiting(state.clone()));
                message = Some((state, Instant::now()));
            }
            sleep(pause.min(limit.saturating_sub(begin.elapsed()))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn look(&self, parent: &str, name: &str) -> Result<Anchor, ApiError> {
        let what = format!("look for the subnamespace {name} of {parent}");
        let answer = self.ask(&Question::get(&what, &path(parent, Some(name)))).await?;
        match answer.status {
            200 => {}
            404 if Status::of(&answer).details.name == name => return Ok(Anchor::Absent),
            // The API does not exist.
            404 => return Err(ApiError::NoController { server: self.server() }),
            _ => return Err(self.refused(what, parent, name, &answer)),
        }
        let object: Object = serde_json::from_slice(&answer.body).unwrap_or_default();
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Anchor::Pending(Some("Terminating".to_owned())));
        }
        let (name, parent) = (name.to_owned(), parent.to_owned());
        match object.status.status.as_deref() {
            Some("Ok") => Ok(Anchor::Ok),
            Some("Conflict") => {
                Err(ApiError::Taken { name, parent, answer: "its state is Conflict".to_owned() })
            }
            Some("Forbidden") => {
                Err(ApiError::NoChildren { name, parent, answer: "its state is Forbidden".to_owned() })
            }
            state => Ok(Anchor::Pending(state.filter(|text| !text.is_empty()).map(sys::http::words))),
        }
    }

    /// Creates the anchor. `false` if somebody else has just created it.
    async fn create(&self, parent: &str, name: &str) -> Result<bool, ApiError> {
        let body = json!({
            "apiVersion": "hnc.x-k8s.io/v1alpha2",
            "kind": "SubnamespaceAnchor",
            "metadata": {"name": name, "namespace": parent},
        });
        let what = format!("create the subnamespace {name} of {parent}");
        let answer = self.ask(&Question::create(&what, &path(parent, None), body)).await?;
        match answer.status {
            200..=202 => Ok(true),
            409 if Status::of(&answer).reason == "AlreadyExists" => Ok(false),
            _ => Err(self.refused(what, parent, name, &answer)),
        }
    }

    fn refused(&self, what: String, parent: &str, name: &str, answer: &Answer) -> ApiError {
        let status = Status::of(answer);
        let (message, server) = (answer.words(), self.server());
        let (name, parent) = (name.to_owned(), parent.to_owned());
        match answer.status {
            404 if status.details.kind == "namespaces" => ApiError::NoNamespace { server, namespace: parent },
            404 => ApiError::NoController { server },
            409 => ApiError::Taken { name, parent, answer: message },
            // The webhook refused. Otherwise it was the cluster itself.
            403 if message.contains("admission webhook") => {
                ApiError::NoChildren { name, parent, answer: message }
            }
            403 => ApiError::Forbidden { what, server, answer: message },
            422 => ApiError::Invalid { name, answer: message },
            500 if message.contains("calling webhook") => ApiError::ControllerDown { name, answer: message },
            status => ApiError::Refused { what, server, status, answer: message },
        }
    }
}

fn path(parent: &str, name: Option<&str>) -> String {
    let anchors = format!("/apis/hnc.x-k8s.io/v1alpha2/namespaces/{parent}/subnamespaceanchors");
    name.map_or_else(|| anchors.clone(), |name| format!("{anchors}/{name}"))
}
