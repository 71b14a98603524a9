//! Pods and events of the core API
//! (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>), and the problems that
//! they show.

use jiff::Timestamp;
use serde::Deserialize;

use sys::http::words;

/// A list of the API.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    metadata: Named,
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    reason: String,
    message: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    ready: bool,
    restart_count: u32,
    state: State,
    last_state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Cause>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Cause {
    reason: String,
    message: String,
    exit_code: i32,
}

impl Pod {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The pod's problem in one line, if it has one.
    pub(super) fn problem(&self) -> Option<String> {
        let status = &self.status;
        let mut problems: Vec<String> = self.containers().filter_map(Container::problem).collect();
        match status.phase.as_str() {
            "Succeeded" => return None,
            "Failed" => problems.insert(0, with(&or(&status.reason, "Failed"), &status.message)),
            // No container has started, so the conditions name what the pod waits for.
            "Pending" if problems.is_empty() => {
                let unmet = status
                    .conditions
                    .iter()
                    .find(|condition| condition.status == "False" && !condition.message.is_empty());
                problems.push(with("Pending", unmet.map_or("", |condition| &condition.message)));
            }
            _ => {}
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// The container whose log may show the cause, and whether to read the log of its last run.
    pub(super) fn container_to_log(&self) -> Option<(&str, bool)> {
        let unhealthy = self.containers().filter(|container| container.problem().is_some());
        let mut started = unhealthy.filter(|container| {
            container.state.running.is_some()
                || container.state.terminated.is_some()
                || container.last_state.terminated.is_some()
        });
        let container = started.next()?;
        let previous = container.state.waiting.is_some();
        Some((&container.name, previous))
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        // An init container that has not finished blocks the others, so it comes first.
        self.status.init_container_statuses.iter().chain(&self.status.container_statuses)
    }
}

impl Container {
    fn problem(&self) -> Option<String> {
        let ended = |cause: &Cause| {
            with(
                &format!("{} with exit code {}", or(&cause.reason, "ended"), cause.exit_code),
                &cause.message,
            )
        };
        let mut text = match &self.state {
            State { terminated: Some(cause), .. } if cause.exit_code == 0 => return None,
            State { terminated: Some(cause), .. } => ended(cause),
            State { waiting: Some(cause), .. } => {
                let waits = or(&cause.reason, "waiting");
                if matches!(waits.as_str(), "PodInitializing" | "ContainerCreating")
                    && cause.message.is_empty()
                {
                    return None;
                }
                with(&waits, &cause.message)
            }
            State { running: Some(_), .. } if self.ready => return None,
            State { running: Some(_), .. } => "running, but not ready".to_owned(),
            _ => return None,
        };
        if let (Some(last), None) = (&self.last_state.terminated, &self.state.terminated) {
            text = format!("{text}; before that {}", ended(last));
        }
        if self.restart_count > 0 {
            text = format!("{text}; restarted {} times", self.restart_count);
        }
        Some(format!("container {}: {text}", self.name))
    }
}

/// The warnings of a namespace.
#[derive(Debug, Deserialize)]
pub(super) struct Events {
    #[serde(default)]
    items: Vec<Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    reason: String,
    message: String,
    count: Option<u32>,
    involved_object: Object,
    last_timestamp: Option<String>,
    #[serde(rename = "eventTime")]
    only_time: Option<String>,
    series: Option<Series>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    count: u32,
    last_observed_time: Option<String>,
}

impl Event {
    fn last(&self) -> Option<Timestamp> {
        let series = self.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
        series.or(self.last_timestamp.as_ref()).or(self.only_time.as_ref())?.parse().ok()
    }

    fn times(&self) -> u32 {
        self.series.as_ref().map(|series| series.count).or(self.count).unwrap_or(1)
    }
}

impl Events {
    /// The latest `most` events that are not older than `since`, the oldest first, as lines.
    pub(super) fn since(mut self, since: Timestamp, most: usize) -> Vec<String> {
        self.items.retain(|event| event.last().is_none_or(|last| last >= since));
        self.items.sort_by_key(Event::last);
        let skipped = self.items.len().saturating_sub(most);
        let mut lines = Vec::new();
        if skipped > 0 {
            lines.push(format!("{skipped} earlier warnings are not shown"));
        }
        lines.extend(self.items.iter().skip(skipped).map(|event| {
            let Object { kind, name } = &event.involved_object;
            let times = if event.times() > 1 { format!(" ({} times)", event.times()) } else { String::new() };
            with(
                &format!("warning of {} {name}: {}{times}", kind.to_lowercase(), event.reason),
                &event.message,
            )
        }));
        lines
    }
}

fn or(text: &str, other: &str) -> String {
    if text.is_empty() { other.to_owned() } else { text.to_owned() }
}

fn with(head: &str, message: &str) -> String {
    if message.trim().is_empty() { head.to_owned() } else { format!("{head}: {}", words(message)) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::*;

    fn pod(status: &Json) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "shop-1"}, "status": status})).unwrap()
    }

    #[test]
    fn a_healthy_pod_has_no_problem() {
        for status in [
            json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": true, "restartCount": 2, "state": {"running": {}}}]}),
            json!({"phase": "Succeeded", "containerStatuses": [{"name": "job", "state": {"terminated": {"exitCode": 0}}}]}),
            json!({"phase": "Running", "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": "app", "ready": true, "state": {"running": {}}}]}),
        ] {
            let pod = pod(&status);
            assert_eq!(pod.problem(), None, "{pod:?}");
            assert_eq!(pod.container_to_log(), None, "{pod:?}");
        }
    }

    #[test]
    fn the_problem_of_a_pod_is_one_line() {
        let crashed = pod(
            &json!({"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
        );
        assert_eq!(
            crashed.problem().unwrap(),
            "container app: CrashLoopBackOff: back-off 40s restarting failed container; before that Error with exit code 1; restarted 3 times"
        );
        assert_eq!(crashed.container_to_log(), Some(("app", true)));
        let image = pod(&json!({"phase": "Pending", "containerStatuses": [{"name": "app",
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\""}}}]}));
        assert_eq!(image.problem().unwrap(), "container app: ImagePullBackOff: Back-off pulling image \"x\"");
        assert_eq!(image.container_to_log(), None);
        let unready = pod(
            &json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": false, "state": {"running": {}}}]}),
        );
        assert_eq!(unready.problem().unwrap(), "container app: running, but not ready");
        assert_eq!(unready.container_to_log(), Some(("app", false)));
        let homeless = pod(&json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available:\n3 Insufficient cpu."}]}));
        assert_eq!(homeless.problem().unwrap(), "Pending: 0/3 nodes are available: 3 Insufficient cpu.");
        let evicted = pod(&json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}));
        assert_eq!(evicted.problem().unwrap(), "Evicted: low on memory");
    }

    #[test]
    fn the_latest_warnings_since_a_moment_are_shown() {
        let events: Events = serde_json::from_value(json!({"items": [
            {"reason": "Old", "message": "m", "lastTimestamp": "2026-01-01T00:00:00Z", "involvedObject": {"kind": "Pod", "name": "p"}},
            {"reason": "BackOff", "message": "restarting", "count": 7, "lastTimestamp": "2026-01-02T00:00:03Z", "involvedObject": {"kind": "Pod", "name": "p"}},
            {"reason": "FailedCreate", "message": "quota\nexceeded", "eventTime": "2026-01-02T00:00:01.5Z", "lastTimestamp": null, "involvedObject": {"kind": "ReplicaSet", "name": "r"}},
            {"reason": "Unhealthy", "message": "probe", "series": {"count": 3, "lastObservedTime": "2026-01-02T00:00:02Z"}, "involvedObject": {"kind": "Pod", "name": "q"}}
        ]})).unwrap();
        let lines = events.since("2026-01-02T00:00:00Z".parse().unwrap(), 2);
        assert_eq!(
            lines,
            [
                "1 earlier warnings are not shown",
                "warning of pod q: Unhealthy (3 times): probe",
                "warning of pod p: BackOff (7 times): restarting",
            ]
        );
    }
}
