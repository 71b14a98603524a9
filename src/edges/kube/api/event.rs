//! Warnings of a namespace (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>).

use jiff::Timestamp;
use serde::Deserialize;

use super::object::{Moment, or, time, with};
use workflow_commands::one_line;

/// An event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
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
        time(series.or(self.last_timestamp.as_ref()).or(self.only_time.as_ref()))
    }

    fn times(&self) -> u32 {
        self.series.as_ref().map(|series| series.count).or(self.count).unwrap_or(1)
    }

    /// The text that similar events share: their words without digits, because controllers invent names.
    fn kind(&self) -> (String, String, String) {
        let is_fixed = |word: &&str| {
            !word.contains(|c: char| c.is_ascii_digit()) && !word.contains(&self.involved_object.name)
        };
        let message = self.message.split_whitespace().filter(is_fixed).collect::<Vec<_>>().join(" ");
        (self.involved_object.kind.clone(), self.reason.clone(), message)
    }
}

/// The latest `most` kinds of warnings as lines, the oldest first. Warnings from before the target are left out.
pub(super) fn warnings(mut events: Vec<Event>, moment: Moment, most: usize) -> Vec<String> {
    events.retain(|event| event.last().is_none_or(|last| moment.since.is_none_or(|since| last >= since)));
    events.sort_by_key(Event::last);
    let mut groups: Vec<Vec<Event>> = Vec::new();
    for event in events {
        let place = groups.iter().position(|group| group[0].kind() == event.kind());
        let mut group = place.map(|place| groups.remove(place)).unwrap_or_default();
        group.push(event);
        groups.push(group);
    }
    let skipped = groups.len().saturating_sub(most);
    let mut lines = Vec::new();
    if skipped > 0 {
        lines.push(format!("{skipped} kinds of earlier warnings are not shown"));
    }
    lines.extend(groups.iter().skip(skipped).filter_map(|group| {
        let latest = group.last()?;
        let Object { kind, name } = &latest.involved_object;
        let mut names: Vec<_> = group.iter().map(|event| &event.involved_object.name).collect();
        names.sort_unstable();
        names.dedup();
        let others = if names.len() > 1 { format!(" and {} others", names.len() - 1) } else { String::new() };
        let times: u32 = group.iter().map(Event::times).fold(0, u32::saturating_add);
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        let (kind, name, reason) =
            (one_line(kind).to_lowercase(), one_line(name), or(&latest.reason, "warning"));
        Some(format!(
            "{}{}",
            with(&format!("warning of {kind} {name}{others}: {reason}{times}"), &latest.message),
            moment.age(latest.last().filter(|_| moment.since.is_none()))
        ))
    }));
    lines
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use super::*;

    fn shown(items: Json, most: usize) -> Vec<String> {
        let moment = Moment {
            since: Some("2026-01-02T00:00:00Z".parse().unwrap()),
            now: "2026-01-02T00:10:00Z".parse().unwrap(),
        };
        warnings(serde_json::from_value(items).unwrap(), moment, most)
    }

    #[test]
    fn the_latest_warnings_since_a_moment_are_shown() {
        let items = json!([
            {"reason": "Old", "message": "m", "lastTimestamp": "2026-01-01T00:00:00Z", "involvedObject": {"kind": "Pod", "name": "p"}},
            {"reason": "BackOff", "message": "restarting", "count": 7, "lastTimestamp": "2026-01-02T00:00:03Z", "involvedObject": {"kind": "Pod", "name": "p"}},
            {"reason": "FailedCreate", "message": "quota\nexceeded", "eventTime": "2026-01-02T00:00:01.5Z", "lastTimestamp": null, "involvedObject": {"kind": "ReplicaSet", "name": "r\nx\u{202e}"}},
            {"reason": "Series", "message": "", "series": {"count": 3, "lastObservedTime": "2026-01-02T00:00:02.000001Z"}, "involvedObject": {"kind": "Job", "name": "j"}}
        ]);
        assert_eq!(
            shown(items, 8),
            [
                "warning of replicaset r x: FailedCreate: quota exceeded",
                "warning of job j: Series (3 times)",
                "warning of pod p: BackOff (7 times): restarting",
            ]
        );
    }

    #[test]
    fn warnings_that_differ_in_the_name_of_a_pod_are_one() {
        let pod = |index: u32, reason: &str| {
            let name = format!("web-7d9f8b6c5d-{index}xk2p");
            json!({"reason": reason, "message": format!("Back-off restarting failed container web in pod {name}_acme(0b1c-{index})"),
                "count": 2, "lastTimestamp": format!("2026-01-02T00:0{index}:00Z"), "involvedObject": {"kind": "Pod", "name": name}})
        };
        let items: Vec<_> = (0..8).map(|index| pod(index, "BackOff")).chain([pod(9, "Failed")]).collect();
        let lines = shown(json!(items), 1);
        assert_eq!(lines[0], "1 kinds of earlier warnings are not shown");
        let lines = shown(json!(items), 8);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with(
                "warning of pod web-7d9f8b6c5d-7xk2p and 7 others: BackOff (16 times): Back-off"
            ),
            "{lines:?}"
        );
    }
}
