//! Pods (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>) and their problems.

use jiff::Timestamp;
use serde::Deserialize;

use super::object::{Condition, Meta, Moment, or, time, with};
use workflow_commands::one_line;

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    metadata: Meta,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    restart_policy: Option<String>,
    readiness_gates: Vec<Gate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gate {
    condition_type: String,
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
    finished_at: Option<String>,
}

impl Cause {
    /// How a container ended, with the known details.
    fn ended(&self) -> String {
        let text =
            with(&format!("{} with exit code {}", or(&self.reason, "ended"), self.exit_code), &self.message);
        match (self.reason.as_str(), self.exit_code) {
            ("OOMKilled", _) => format!("{text} (it used more memory than its limit)"),
            (_, 0) => format!("{text} (it ends by itself, but is expected to keep running)"),
            _ => text,
        }
    }
}

impl Pod {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// When it was created.
    pub(super) fn created(&self) -> Option<Timestamp> {
        time(self.metadata.creation_timestamp.as_ref())
    }

    /// The pod's problem in one line, if it has one.
    pub(super) fn problem(&self, moment: Moment) -> Option<String> {
        let status = &self.status;
        let mut problems: Vec<String> =
            self.containers().filter_map(|(container, ends)| container.problem(ends, moment)).collect();
        match status.phase.as_str() {
            "Succeeded" => return None,
            "Failed" => problems.insert(0, with(&or(&status.reason, "Failed"), &status.message)),
            // No container has started, so the conditions show what the pod waits for.
            "Pending" if problems.is_empty() => {
                let unmet = status.conditions.iter();
                let mut unmet = unmet.filter(|unmet| unmet.status == "False" && !unmet.message.is_empty());
                problems.push(
                    unmet
                        .next()
                        .map_or_else(|| "Pending".to_owned(), |unmet| with("Pending", &unmet.message)),
                );
            }
            _ => {}
        }
        problems.extend(self.closed_gate().filter(|_| problems.is_empty()));
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// A readiness gate that somebody else must open.
    fn closed_gate(&self) -> Option<String> {
        let closed = |gate: &&Gate| {
            let of_gate = |found: &&Condition| found.r#type == gate.condition_type;
            self.status.conditions.iter().find(of_gate).is_none_or(|found| found.status != "True")
        };
        let gate = self.spec.readiness_gates.iter().find(closed)?;
        let condition = self.status.conditions.iter().find(|found| found.r#type == gate.condition_type);
        let head = format!(
            "all containers are ready, but the readiness gate {} is not open",
            one_line(&gate.condition_type)
        );
        Some(condition.map_or(head.clone(), |found| with(&head, &found.message)))
    }

    /// The container whose log may show the cause, and whether to read the log of its previous run.
    pub(super) fn container_to_log(&self, moment: Moment) -> Option<(&str, bool)> {
        let unhealthy =
            self.containers().filter(|(container, ends)| container.problem(*ends, moment).is_some());
        let mut started = unhealthy.map(|(container, _)| container).filter(|container| {
            container.state.running.is_some()
                || container.state.terminated.is_some()
                || container.last_state.terminated.is_some()
        });
        let container = started.next()?;
        let previous = container.state.waiting.is_some() || container.crashed(moment).is_some();
        Some((&container.name, previous))
    }

    /// The containers, and whether each one is expected to end.
    fn containers(&self) -> impl Iterator<Item = (&Container, bool)> {
        // An unfinished init container blocks the others, so it comes first.
        let ends = matches!(self.spec.restart_policy.as_deref(), Some("Never" | "OnFailure"));
        let main = self.status.container_statuses.iter().map(move |container| (container, ends));
        self.status.init_container_statuses.iter().map(|container| (container, true)).chain(main)
    }
}

impl Container {
    fn problem(&self, ends: bool, moment: Moment) -> Option<String> {
        let mut text = match &self.state {
            State { terminated: Some(cause), .. } if cause.exit_code == 0 && ends => return None,
            // In old clusters, jobs have no restart policy. A container that ended once and was never restarted has
            // finished.
            State { terminated: Some(cause), .. } if cause.exit_code == 0 && self.restart_count == 0 => {
                return None;
            }
            State { terminated: Some(cause), .. } => cause.ended(),
            State { waiting: Some(cause), .. } => {
                let waits = or(&cause.reason, "waiting");
                if matches!(waits.as_str(), "PodInitializing" | "ContainerCreating")
                    && cause.message.is_empty()
                {
                    return None;
                }
                with(&waits, &cause.message)
            }
            State { running: Some(_), .. } if self.ready => {
                self.crashed(moment)?;
                "running and ready, but restarted a moment ago".to_owned()
            }
            State { running: Some(_), .. } => "running, but not ready".to_owned(),
            _ => return None,
        };
        if let (Some(last), None) = (&self.last_state.terminated, &self.state.terminated) {
            let age = moment
                .age(time(last.finished_at.as_ref()))
                .replace("(for ", "(")
                .replace(", since before", " ago, before");
            text = format!("{text}; before that {}{age}", last.ended());
        }
        if self.restart_count > 0 {
            text = format!("{text}; restarted {} times", self.restart_count);
        }
        Some(format!("container {}: {text}", one_line(&self.name)))
    }

    /// How its previous run ended, if that was while the target ran.
    fn crashed(&self, moment: Moment) -> Option<&Cause> {
        let last = self.last_state.terminated.as_ref()?;
        (self.state.running.is_some() && moment.recent(time(last.finished_at.as_ref()))).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::*;

    fn moment() -> Moment {
        Moment {
            since: Some("2026-01-02T00:00:00Z".parse().unwrap()),
            now: "2026-01-02T00:10:00Z".parse().unwrap(),
        }
    }

    fn problem(pod: &Pod) -> Option<String> {
        pod.problem(moment())
    }

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
            assert_eq!(problem(&pod), None, "{pod:?}");
            assert_eq!(pod.container_to_log(moment()), None, "{pod:?}");
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
            problem(&crashed).unwrap(),
            "container app: CrashLoopBackOff: back-off 40s restarting failed container; before that Error with exit code 1; restarted 3 times"
        );
        assert_eq!(crashed.container_to_log(moment()), Some(("app", true)));
        let image = pod(&json!({"phase": "Pending", "containerStatuses": [{"name": "app",
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\""}}}]}));
        assert_eq!(problem(&image).unwrap(), "container app: ImagePullBackOff: Back-off pulling image \"x\"");
        assert_eq!(image.container_to_log(moment()), None);
        let unready = pod(
            &json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": false, "state": {"running": {}}}]}),
        );
        assert_eq!(problem(&unready).unwrap(), "container app: running, but not ready");
        assert_eq!(unready.container_to_log(moment()), Some(("app", false)));
        let homeless = pod(&json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available:\n3 Insufficient cpu."}]}));
        assert_eq!(problem(&homeless).unwrap(), "Pending: 0/3 nodes are available: 3 Insufficient cpu.");
        let evicted = pod(&json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}));
        assert_eq!(problem(&evicted).unwrap(), "Evicted: low on memory");
    }

    #[test]
    fn a_container_that_ends_again_and_again_is_a_problem_whatever_its_exit_code() {
        let ended = |cause: Json| {
            pod(
                &json!({"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 4, "state": {"terminated": cause}}]}),
            )
        };
        assert_eq!(
            problem(&ended(json!({"exitCode": 0, "reason": "Completed"}))).unwrap(),
            "container app: Completed with exit code 0 (it ends by itself, but is expected to keep running); restarted 4 times"
        );
        assert_eq!(
            problem(&ended(json!({"exitCode": 137, "reason": "OOMKilled"}))).unwrap(),
            "container app: OOMKilled with exit code 137 (it used more memory than its limit); restarted 4 times"
        );
        let looping = pod(
            &json!({"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}),
        );
        assert_eq!(
            problem(&looping).unwrap(),
            "container app: CrashLoopBackOff; before that OOMKilled with exit code 137 (it used more memory than its limit); restarted 4 times"
        );
        let done: Pod = serde_json::from_value(json!({"spec": {"restartPolicy": "OnFailure"}, "status": {"phase": "Running",
            "containerStatuses": [{"name": "app", "restartCount": 1, "state": {"terminated": {"exitCode": 0}}}]}})).unwrap();
        assert_eq!(problem(&done), None);
    }

    #[test]
    fn a_container_that_crashed_while_the_target_ran_is_shown_although_it_is_ready() {
        let restarted = |at: &str| {
            pod(
                &json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": true, "restartCount": 1, "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": at}}}]}),
            )
        };
        let during = restarted("2026-01-02T00:05:00Z");
        assert_eq!(
            problem(&during).unwrap(),
            "container app: running and ready, but restarted a moment ago; before that Error with exit code 2; restarted 1 times"
        );
        assert_eq!(during.container_to_log(moment()), Some(("app", true)));
        assert_eq!(problem(&restarted("2026-01-01T23:00:00Z")), None, "before the target began");
    }

    #[test]
    fn a_closed_readiness_gate_is_named() {
        let waiting = |conditions: Json| -> Pod {
            serde_json::from_value(json!({"spec": {"readinessGates": [{"conditionType": "cloud.google.com/load-balancer-neg-ready"}]},
                "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [{"name": "app", "ready": true, "state": {"running": {}}}]}}))
            .unwrap()
        };
        assert_eq!(
            problem(&waiting(json!([{"type": "cloud.google.com/load-balancer-neg-ready", "status": "False", "message": "Waiting for pod to become healthy"}]))).unwrap(),
            "all containers are ready, but the readiness gate cloud.google.com/load-balancer-neg-ready is not open: Waiting for pod to become healthy"
        );
        assert!(problem(&waiting(json!([]))).is_some(), "nobody has looked at it");
        assert_eq!(
            problem(&waiting(
                json!([{"type": "cloud.google.com/load-balancer-neg-ready", "status": "True"}])
            )),
            None
        );
    }
}
