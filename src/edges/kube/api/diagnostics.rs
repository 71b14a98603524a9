//! Diagnostics of a namespace after a deployment failed: helm releases that are pending, the unhealthy pods with the last
//! lines of their logs, what makes pods, and the latest warnings. `helm` alone often prints no more than "timed out
//! waiting for the condition".

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::Api;
use super::event::{Event, warnings};
use super::object::{List, Moment};
use super::pod::Pod;
use super::question::Question;
use super::workload::{HelmRelease, KINDS, Kind, Workload};
use workflow_commands::{one_line, plain};

/// The time limit for all lists together, and for each log after them.
const LISTS: Duration = Duration::from_secs(7);
const LOG: Duration = Duration::from_secs(3);

/// How many objects the server returns at once, and at most.
const PART: usize = 500;
const PARTS: usize = 20;

/// The most pods, workloads and events that are shown.
const MOST_PODS: usize = 5;
const MOST_WORKLOADS: usize = 6;
const MOST_EVENTS: usize = 8;

/// How many lines of a container's log are shown.
const LOG_LINES: usize = 15;

/// The objects of a list, and what the reader should know about the rest.
struct Listed<T> {
    items: Vec<T>,
    note: Option<String>,
}

/// Why a list has no answer.
enum Unread {
    /// We may not list these, or the server does not know them.
    Refused(u16, String),
    Other(String),
}

impl Api {
    /// The problems in `namespace`, as lines of text; empty if there are none, or no such namespace. Events older
    /// than `since` are left out, and other problems say their age. A request that fails becomes a line too, because
    /// diagnostics must not add a failure of their own; what the others found stays.
    pub async fn diagnostics(&self, namespace: &str, since: Option<Timestamp>) -> Vec<String> {
        let moment = Moment { since, now: Timestamp::now() };
        let until = Instant::now() + LISTS;
        let base = format!("/api/v1/namespaces/{namespace}");
        let pods = self.list::<Pod>("pods", format!("{base}/pods?limit={PART}"), until);
        let events = format!("{base}/events?fieldSelector=type%21%3DNormal&limit={PART}");
        let events = self.list::<Event>("events", events, until);
        let (releases, pods, workloads, events) = tokio::join!(
            self.pending_releases(namespace, moment, until),
            pods,
            self.workloads(namespace, moment, until),
            events,
        );
        let mut lines = releases;
        match pods {
            Ok(pods) => lines.extend(self.unhealthy(namespace, pods, moment).await),
            Err(error) => lines.push(error.line("pods")),
        }
        lines.extend(workloads);
        match events {
            Ok(Listed { items, note }) => {
                lines.extend(warnings(items, moment, MOST_EVENTS));
                lines.extend(note);
            }
            Err(error) => lines.push(error.line("events")),
        }
        lines.iter().map(|line| plain(&line.replace(['\n', '\r'], " ")).into_owned()).collect()
    }

    /// The pods that have a problem, those with the same one together, with the log of the first.
    async fn unhealthy(&self, namespace: &str, pods: Listed<Pod>, moment: Moment) -> Vec<String> {
        let mut groups: Vec<(String, Vec<&Pod>)> = Vec::new();
        for pod in &pods.items {
            let Some(problem) = pod.problem(moment) else { continue };
            // Messages repeat the name of their pod.
            let general = problem.replace(pod.name(), "…");
            match groups.iter_mut().find(|(_, group)| same(group[0], &general, moment)) {
                Some((_, group)) => group.push(pod),
                None => groups.push((problem, vec![pod])),
            }
        }
        // What began with the target goes first.
        groups.sort_by_key(|(_, group)| !moment.recent(group[0].created()));
        let shown = groups.iter().take(MOST_PODS).map(|(problem, group)| async move {
            let pod = group[0];
            let others =
                if group.len() > 1 { format!(" and {} others", group.len() - 1) } else { String::new() };
            let age = moment.age(pod.created());
            let mut lines = vec![format!("pod {}{others}: {problem}{age}", one_line(pod.name()))];
            if let Some((container, previous)) = pod.container_to_log(moment) {
                lines.extend(self.last_lines(namespace, pod.name(), container, previous).await);
            }
            lines
        });
        let mut lines: Vec<_> = join_all(shown).await.into_iter().flatten().collect();
        if let more @ 1.. = groups.len().saturating_sub(MOST_PODS) {
            lines.push(format!("and {more} more kinds of unhealthy pods"));
        }
        lines.extend(pods.note);
        lines
    }

    /// The problems of what makes pods. A problem that another object repeats is shown once.
    async fn workloads(&self, namespace: &str, moment: Moment, until: Instant) -> Vec<String> {
        let lists = KINDS.iter().map(|kind| async move {
            let path = format!("{}/namespaces/{namespace}/{}?limit={PART}", kind.group, kind.plural);
            (kind, self.list::<Workload>(kind.plural, path, until).await)
        });
        let (mut lines, mut messages, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, list) in join_all(lists).await {
            let kind: &Kind = kind;
            match list {
                Ok(list) => {
                    for (line, message) in list.items.iter().filter_map(|object| object.problem(kind, moment))
                    {
                        if message.is_empty() || !messages.contains(&message) {
                            lines.push(line);
                            messages.push(message);
                        }
                    }
                    lines.extend(list.note);
                }
                Err(Unread::Refused(403, _)) => refused.push(kind.plural),
                // A server without this kind has none of it.
                Err(Unread::Refused(..)) => {}
                Err(error) => lines.push(error.line(kind.plural)),
            }
        }
        let more = lines.len().saturating_sub(MOST_WORKLOADS);
        lines.truncate(MOST_WORKLOADS);
        if more > 0 {
            lines.push(format!("and {more} more problems of workloads"));
        }
        if !refused.is_empty() {
            lines.push(format!("not allowed to list {}", refused.join(", ")));
        }
        lines
    }

    /// Releases that a helm before left pending; nothing, if we may not see them. Only the metadata is asked for.
    async fn pending_releases(&self, namespace: &str, moment: Moment, until: Instant) -> Vec<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/secrets?labelSelector={}&limit={PART}",
            HelmRelease::PENDING
        );
        let releases = self.list::<HelmRelease>("releases of helm", path, until).await;
        let releases = releases.map(|list| list.items).unwrap_or_default();
        releases.iter().map(|release| release.pending(namespace, moment)).collect()
    }

    /// Lists objects part by part, until the time is over.
    async fn list<T: DeserializeOwned>(
        &self,
        what: &str,
        path: String,
        until: Instant,
    ) -> Result<Listed<T>, Unread> {
        let mut items: Vec<T> = Vec::new();
        let mut next = path.clone();
        for _ in 0..PARTS {
            let title = format!("list the {what}");
            let question = Question::get(&title, &next).metadata_only(what == "releases of helm");
            let answer = match timeout_at(until, self.ask(&question)).await {
                Ok(answer) => answer.map_err(|error| Unread::Other(error.to_string())),
                Err(_) => Err(Unread::Other(format!("{} did not answer in time", self.server()))),
            };
            let part = answer.and_then(|answer| match answer.status {
                200 => serde_json::from_slice::<List<T>>(&answer.body)
                    .map_err(|error| Unread::Other(error.to_string())),
                status @ (403 | 404) => Err(Unread::Refused(status, answer.words())),
                _ => Err(Unread::Other(answer.words())),
            });
            let part = match part {
                Ok(part) => part,
                Err(error) if items.is_empty() => return Err(error),
                Err(_) => break,
            };
            items.extend(part.items);
            match part.metadata.r#continue.filter(|token| !token.is_empty()) {
                Some(token) => next = format!("{path}&continue={}", encoded(&token)),
                None => return Ok(Listed { items, note: None }),
            }
        }
        let note = Some(format!("only the first {} {what} were looked at", items.len()));
        Ok(Listed { items, note })
    }

    /// The end of a container's log; with `previous`, of its last run.
    async fn last_lines(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Vec<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LOG_LINES}&limitBytes=16384&previous={previous}"
        );
        let container = one_line(container);
        let title = format!("read the log of {pod}");
        let question = Question::get(&title, &path).once();
        match timeout(LOG, self.ask(&question)).await {
            Ok(Ok(answer)) if answer.status == 200 => String::from_utf8_lossy(&answer.body)
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| format!("  {container} | {line}"))
                .collect(),
            // A container that never ran has no log; the pod's state shows the reason.
            Ok(Ok(answer)) if matches!(answer.status, 400 | 404) => Vec::new(),
            Ok(Ok(answer)) => vec![format!("  the log of {container} cannot be read: {}", answer.words())],
            Ok(Err(error)) => vec![format!("  the log of {container} cannot be read: {error}")],
            Err(_) => vec![format!("  the log of {container} was not answered within {} s", LOG.as_secs())],
        }
    }
}

impl Unread {
    fn line(&self, what: &str) -> String {
        let (Self::Refused(_, why) | Self::Other(why)) = self;
        format!("the {what} cannot be read: {why}")
    }
}

/// Whether a pod has this problem, in which `…` is its name.
fn same(pod: &Pod, general: &str, moment: Moment) -> bool {
    pod.problem(moment).is_some_and(|problem| problem.replace(pod.name(), "…") == general)
}

/// A text in a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
