//! What creates pods and what they need: deployments, replica sets, stateful sets, daemon sets, jobs, and volume
//! claims. Their conditions remain even if no new event appears.

use serde::Deserialize;

use super::object::{Condition, Meta, Moment, or, time, with};

/// An object of one of these kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workload {
    metadata: Meta,
    spec: Spec,
    status: WorkloadStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadStatus {
    conditions: Vec<Condition>,
    ready_replicas: u32,
    number_unavailable: u32,
    phase: String,
}

/// A kind of object: its name, the path of its list below the namespace, and the conditions that indicate a problem,
/// the most informative first.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    bad: &'static [(&'static str, &'static str)],
}

/// The kinds that p2p checks.
pub(super) const KINDS: [Kind; 6] = [
    Kind {
        name: "deployment",
        group: "/apis/apps/v1",
        plural: "deployments",
        bad: &[("ReplicaFailure", "True"), ("Progressing", "False"), ("Available", "False")],
    },
    Kind {
        name: "replicaset",
        group: "/apis/apps/v1",
        plural: "replicasets",
        bad: &[("ReplicaFailure", "True")],
    },
    Kind { name: "statefulset", group: "/apis/apps/v1", plural: "statefulsets", bad: &[] },
    Kind { name: "daemonset", group: "/apis/apps/v1", plural: "daemonsets", bad: &[] },
    Kind {
        name: "job",
        group: "/apis/batch/v1",
        plural: "jobs",
        bad: &[("Failed", "True"), ("FailureTarget", "True")],
    },
    Kind { name: "persistentvolumeclaim", group: "/api/v1", plural: "persistentvolumeclaims", bad: &[] },
];

impl Workload {
    /// The problem in one line, and the message that problems of its parts may repeat.
    pub(super) fn problem(&self, kind: &Kind, moment: Moment) -> Option<(String, String)> {
        let head = format!("{} {}", kind.name, self.metadata.name());
        let bad = kind.bad.iter().find_map(|(name, status)| {
            self.status.conditions.iter().find(|found| found.r#type == *name && found.status == *status)
        });
        if let Some(bad) = bad {
            let age = moment.age(time(bad.last_transition_time.as_ref()));
            let reason = or(&bad.reason, &bad.r#type);
            return Some((
                format!("{}{age}", with(&format!("{head}: {reason}"), &bad.message)),
                bad.message.clone(),
            ));
        }
        let (wanted, ready) = (self.spec.replicas.unwrap_or(1), self.status.ready_replicas);
        let text = match kind.name {
            "statefulset" if ready < wanted => format!("{ready} of {wanted} replicas are ready"),
            "daemonset" if self.status.number_unavailable > 0 => {
                format!("{} pods are not available", self.status.number_unavailable)
            }
            "persistentvolumeclaim" if matches!(self.status.phase.as_str(), "Pending" | "Lost") => {
                let age = moment.age(time(self.metadata.creation_timestamp.as_ref()));
                format!("{}, so pods that use it cannot start{age}", self.status.phase)
            }
            _ => return None,
        };
        Some((format!("{head}: {text}"), String::new()))
    }
}

/// A helm release, from the labels of its secret.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HelmRelease {
    metadata: Meta,
}

impl HelmRelease {
    /// The selector of releases with a helm operation that began and did not end.
    pub(super) const PENDING: &'static str =
        "owner%3Dhelm%2Cstatus%20in%20%28pending-install%2Cpending-upgrade%2Cpending-rollback%29";

    /// The release, and how to continue.
    pub(super) fn pending(&self, namespace: &str, moment: Moment) -> String {
        let label = |name: &str| self.metadata.labels.get(name).map(|text| or(text, "")).unwrap_or_default();
        let (name, status, version) = (label("name"), label("status"), label("version"));
        let before = version.parse::<u32>().unwrap_or_default().saturating_sub(1);
        let way_out = if status == "pending-install" || before == 0 {
            format!("`helm uninstall {name} --namespace {namespace}`")
        } else {
            format!("`helm rollback {name} {before} --namespace {namespace}`")
        };
        let age = moment.age(time(self.metadata.creation_timestamp.as_ref()));
        format!(
            "helm release {name}: {status} at revision {version}{age}; unless another helm is changing it now, an earlier \
             one was interrupted: {way_out} frees it"
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::*;

    fn problem(kind: &str, object: &Json) -> Option<String> {
        let moment = Moment {
            since: Some("2026-01-02T00:00:00Z".parse().unwrap()),
            now: "2026-01-02T00:10:00Z".parse().unwrap(),
        };
        let kind = KINDS.iter().find(|known| known.name == kind).unwrap();
        let workload: Workload = serde_json::from_value(object.clone()).unwrap();
        workload.problem(kind, moment).map(|(line, _)| line)
    }

    #[test]
    fn conditions_say_what_events_no_longer_say() {
        let quota = "pods \"web-1\" is forbidden: exceeded quota: compute, requested: cpu=2, used: cpu=4, limited: cpu=4";
        let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 2}, "status": {"conditions": [
            {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "Deployment does not have minimum availability.", "lastTransitionTime": "2026-01-01T21:00:00Z"},
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": quota, "lastTransitionTime": "2026-01-02T00:01:00Z"},
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-1\" has timed out progressing.", "lastTransitionTime": "2026-01-01T21:10:00Z"}]}});
        assert_eq!(
            problem("deployment", &deployment).unwrap(),
            format!("deployment web: FailedCreate: {quota}")
        );
        let stuck = json!({"metadata": {"name": "web"}, "status": {"conditions": [deployment["status"]["conditions"][2]]}});
        assert_eq!(
            problem("deployment", &stuck).unwrap(),
            "deployment web: ProgressDeadlineExceeded: ReplicaSet \"web-1\" has timed out progressing. (for 3 h, since before the target began)"
        );
        let job = json!({"metadata": {"name": "migrate"}, "status": {"conditions": [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit", "lastTransitionTime": "2026-01-02T00:05:00Z"}]}});
        assert_eq!(
            problem("job", &job).unwrap(),
            "job migrate: BackoffLimitExceeded: Job has reached the specified backoff limit"
        );
    }

    #[test]
    fn counts_and_phases_say_what_has_no_condition() {
        let database = json!({"metadata": {"name": "db"}, "spec": {"replicas": 3}, "status": {"replicas": 2, "readyReplicas": 1}});
        assert_eq!(problem("statefulset", &database).unwrap(), "statefulset db: 1 of 3 replicas are ready");
        let agents = json!({"metadata": {"name": "agent"}, "status": {"desiredNumberScheduled": 3, "numberUnavailable": 2}});
        assert_eq!(problem("daemonset", &agents).unwrap(), "daemonset agent: 2 pods are not available");
        let claim = json!({"metadata": {"name": "data-db-0", "creationTimestamp": "2025-12-31T00:00:00Z"}, "status": {"phase": "Pending"}});
        assert_eq!(
            problem("persistentvolumeclaim", &claim).unwrap(),
            "persistentvolumeclaim data-db-0: Pending, so pods that use it cannot start (for 2 days, since before the target began)"
        );
        for (kind, healthy) in [
            ("statefulset", json!({"spec": {"replicas": 1}, "status": {"readyReplicas": 1}})),
            ("statefulset", json!({"spec": {"replicas": 0}, "status": {}})),
            ("daemonset", json!({"status": {"numberReady": 3}})),
            ("persistentvolumeclaim", json!({"status": {"phase": "Bound"}})),
            (
                "deployment",
                json!({"status": {"conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]}}),
            ),
            ("job", json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}})),
        ] {
            assert_eq!(problem(kind, &healthy), None, "{kind} {healthy}");
        }
    }

    #[test]
    fn a_pending_release_has_a_way_out() {
        let moment = Moment { since: None, now: "2026-01-02T00:10:00Z".parse().unwrap() };
        let release = |status: &str, version: &str| -> HelmRelease {
            serde_json::from_value(json!({"metadata": {"name": "sh.helm.release.v1.shop.v4", "creationTimestamp": "2026-01-02T00:00:00Z",
                "labels": {"name": "shop", "owner": "helm", "status": status, "version": version}}}))
            .unwrap()
        };
        let upgrade = release("pending-upgrade", "4").pending("acme", moment);
        assert!(
            upgrade.starts_with("helm release shop: pending-upgrade at revision 4 (for 10 min);"),
            "{upgrade}"
        );
        assert!(upgrade.contains("`helm rollback shop 3 --namespace acme`"), "{upgrade}");
        let install = release("pending-install", "1").pending("acme", moment);
        assert!(install.contains("`helm uninstall shop --namespace acme`"), "{install}");
    }
}
