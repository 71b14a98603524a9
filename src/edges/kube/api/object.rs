//! What all objects of the API have in common (<https://kubernetes.io/docs/reference/using-api/api-concepts/>), and
//! the age of their messages.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use workflow_commands::{cut, one_line};

/// The most characters of a message. The cause of a refused image comes at its end.
const MESSAGE: usize = 600;

/// A part of a list in the API.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

/// Where the list continues.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) r#continue: Option<String>,
}

/// The metadata of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) creation_timestamp: Option<String>,
    pub(super) labels: std::collections::BTreeMap<String, String>,
}

impl Meta {
    /// The name, in a printable form.
    pub(super) fn name(&self) -> String {
        one_line(&self.name)
    }
}

/// A condition of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) r#type: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) last_transition_time: Option<String>,
}

/// The time of a diagnosis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When the target began. `None` without a target.
    pub(super) since: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Moment {
    /// Whether something happened while the target ran. Without a target, in the last hour.
    pub(super) fn recent(self, at: Option<Timestamp>) -> bool {
        let hour_ago = self.now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(self.now);
        at.is_some_and(|at| at >= self.since.unwrap_or(hour_ago))
    }

    /// The age of something that is older than the target, as text.
    pub(super) fn age(self, at: Option<Timestamp>) -> String {
        let Some(at) = at.filter(|at| self.since.is_none_or(|since| *at < since)) else {
            return String::new();
        };
        let seconds = at.duration_until(self.now).as_secs().max(0);
        let age = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            7200..172_800 => format!("{} h", seconds / 3600),
            _ => format!("{} days", seconds / 86_400),
        };
        let before = if self.since.is_some() { ", since before the target began" } else { "" };
        format!(" (for {age}{before})")
    }
}

/// A time of the API.
pub(super) fn time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// The text, or `other` if it is empty.
pub(super) fn or(text: &str, other: &str) -> String {
    if text.is_empty() { other.to_owned() } else { one_line(text) }
}

/// A message with the subject before it.
pub(super) fn with(head: &str, message: &str) -> String {
    let message = cut(&one_line(message), MESSAGE);
    if message.is_empty() { head.to_owned() } else { format!("{head}: {message}") }
}
