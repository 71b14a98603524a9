//! What stands in a namespace's way: the pods that are not well, with the last lines of their logs,
//! and the latest warnings. Asked after a deployment failed, when `helm` says no more than "timed
//! out waiting for the condition".

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::client::Api;
use super::pod::{Events, List, Pod};
use super::question::Question;

/// How long all the questions may take together.
const LIMIT: Duration = Duration::from_secs(10);

/// The most pods and events that are told of.
const MOST_PODS: usize = 5;
const MOST_EVENTS: usize = 8;

/// How much of a container's log is shown.
const LOG_LINES: usize = 15;

impl Api {
    /// What is wrong in `namespace`, as lines of text; none where nothing is, or no such namespace.
    /// Events are those since `since`. What cannot be found out is a line as well: this is help
    /// after a failure, and must not become one.
    pub async fn trouble(&self, namespace: &str, since: Timestamp) -> Vec<String> {
        match timeout(LIMIT, self.look_around(namespace, since)).await {
            Ok(lines) => lines,
            Err(_) => vec![format!("{} did not answer within {} s", self.server(), LIMIT.as_secs())],
        }
    }

    async fn look_around(&self, namespace: &str, since: Timestamp) -> Vec<String> {
        let base = format!("/api/v1/namespaces/{namespace}");
        let (pods, events) = tokio::join!(
            self.list::<List<Pod>>("pods", format!("{base}/pods?limit=500")),
            self.list::<Events>("events", format!("{base}/events?fieldSelector=type%21%3DNormal&limit=500")),
        );
        let mut lines = Vec::new();
        match pods {
            Ok(pods) => {
                let ill: Vec<_> = pods.items.iter().filter_map(|pod| Some((pod, pod.trouble()?))).collect();
                let shown = ill.iter().take(MOST_PODS).map(|(pod, trouble)| async move {
                    let mut lines = vec![format!("pod {}: {trouble}", pod.name())];
                    if let Some((container, previous)) = pod.speaker() {
                        lines.extend(self.last_lines(namespace, pod.name(), container, previous).await);
                    }
                    lines
                });
                lines.extend(join_all(shown).await.into_iter().flatten());
                if let more @ 1.. = ill.len().saturating_sub(MOST_PODS) {
                    lines.push(format!("and {more} more pods that are not well"));
                }
            }
            Err(line) => lines.push(line),
        }
        match events {
            Ok(events) => lines.extend(events.since(since, MOST_EVENTS)),
            Err(line) => lines.push(line),
        }
        lines
    }

    async fn list<T: DeserializeOwned>(&self, what: &str, path: String) -> Result<T, String> {
        let unread = |why: String| format!("the {what} cannot be read: {why}");
        let answer = self
            .ask(&Question::get(&format!("list the {what}"), &path))
            .await
            .map_err(|error| unread(error.to_string()))?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body).map_err(|error| unread(error.to_string())),
            _ => Err(unread(answer.words())),
        }
    }

    /// The end of a container's log; of its last life, where it is between two.
    async fn last_lines(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Vec<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LOG_LINES}&limitBytes=16384&previous={previous}"
        );
        match self.ask(&Question::get(&format!("read the log of {pod}"), &path)).await {
            Ok(answer) if answer.status == 200 => String::from_utf8_lossy(&answer.body)
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| format!("  {container} | {line}"))
                .collect(),
            // A container that never ran has no log, and the pod's state says why.
            _ => Vec::new(),
        }
    }
}
