//! Diagnostics of a namespace after a deployment failed: the unhealthy pods with the last lines of their logs,
//! and the latest warnings. `helm` alone often prints no more than "timed out waiting for the condition".

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::client::Api;
use super::pod::{Events, List, Pod};
use super::question::Question;

/// The time limit for all requests together.
const LIMIT: Duration = Duration::from_secs(10);

/// The most pods and events that are shown.
const MOST_PODS: usize = 5;
const MOST_EVENTS: usize = 8;

/// How many lines of a container's log are shown.
const LOG_LINES: usize = 15;

impl Api {
    /// The problems in `namespace`, as lines of text; empty if there are none, or no such namespace. Events older
    /// than `since` are left out. A request that fails becomes a line too, because diagnostics must not add a
    /// failure of their own.
    pub async fn diagnostics(&self, namespace: &str, since: Timestamp) -> Vec<String> {
        match timeout(LIMIT, self.problems_in(namespace, since)).await {
            Ok(lines) => lines,
            Err(_) => vec![format!("{} did not answer within {} s", self.server(), LIMIT.as_secs())],
        }
    }

    async fn problems_in(&self, namespace: &str, since: Timestamp) -> Vec<String> {
        let base = format!("/api/v1/namespaces/{namespace}");
        let (pods, events) = tokio::join!(
            self.list::<List<Pod>>("pods", format!("{base}/pods?limit=500")),
            self.list::<Events>("events", format!("{base}/events?fieldSelector=type%21%3DNormal&limit=500")),
        );
        let mut lines = Vec::new();
        match pods {
            Ok(pods) => {
                let unhealthy: Vec<_> =
                    pods.items.iter().filter_map(|pod| Some((pod, pod.problem()?))).collect();
                let shown = unhealthy.iter().take(MOST_PODS).map(|(pod, problem)| async move {
                    let mut lines = vec![format!("pod {}: {problem}", pod.name())];
                    if let Some((container, previous)) = pod.container_to_log() {
                        lines.extend(self.last_lines(namespace, pod.name(), container, previous).await);
                    }
                    lines
                });
                lines.extend(join_all(shown).await.into_iter().flatten());
                if let more @ 1.. = unhealthy.len().saturating_sub(MOST_PODS) {
                    lines.push(format!("and {more} more unhealthy pods"));
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

    /// The end of a container's log; with `previous`, of its last run.
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
            // A container that never ran has no log; the pod's state shows the reason.
            _ => Vec::new(),
        }
    }
}
