use std::time::Duration;

use reqwest::Url;

use super::error::SlackError;
use super::message::Notification;
use sys::http::{Clients, is_safe, send};
use sys::retry::{Policy, Retrying, Watcher};
use workflow_commands::Secret;

/// The time limit for Slack in total. A gate does not wait longer, and the runner does not either when a job is
/// cancelled.
const LIMIT: Duration = Duration::from_secs(8);

/// How requests are retried.
const RETRIES: Policy = Policy::quick(Duration::from_secs(3));

/// Sends a notification to a webhook: one that starts a workflow, recognised by its path (`/triggers/…`,
/// `/workflows/…`), or else an incoming one.
///
/// # Errors
/// [`SlackError`]. It contains no part of the URL.
pub async fn notify(
    webhook: &Secret,
    notification: &Notification,
    watcher: Watcher,
) -> Result<(), SlackError> {
    let url = Url::parse(webhook.expose().trim()).map_err(|_| SlackError::NotAUrl)?;
    if !is_safe(url.as_str()) {
        return Err(SlackError::NotAUrl);
    }
    let starts_workflow = ["/triggers/", "/workflows/"].iter().any(|path| url.path().starts_with(path));
    let body = if starts_workflow { notification.variables() } else { notification.blocks() }.to_string();
    let clients = Clients::default();
    let client = clients.of(&url).map_err(|lost| SlackError::Lost { reason: lost.reason })?;
    let retrying = Retrying { policy: RETRIES, watcher };
    let request = || client.post(url.clone()).header("content-type", "application/json").body(body.clone());
    match tokio::time::timeout(LIMIT, send(&retrying, "a message to Slack", request)).await {
        Err(_) => Err(SlackError::TimedOut { limit: LIMIT }),
        Ok(Err(lost)) => Err(SlackError::Lost { reason: lost.reason }),
        Ok(Ok(answer)) if (200..300).contains(&answer.status) => Ok(()),
        Ok(Ok(answer)) => Err(SlackError::Refused { status: answer.status, answer: answer.words() }),
    }
}
