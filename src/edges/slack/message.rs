//! The messages for webhooks. Pure.

use serde_json::{Value as Json, json};

use workflow_commands::cut;

/// The most characters of a message's text. Slack accepts 3000 in a section.
const MOST: usize = 1500;

/// A message about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Whether it is good news.
    pub good: bool,
    /// One sentence, without a link.
    pub text: String,
    /// The app, or the repository if the app is not known.
    pub app: String,
    /// The version, if there is one.
    pub version: Option<String>,
    /// `owner/name`.
    pub repository: String,
    /// The URL of the run.
    pub link: String,
}

impl Notification {
    /// The form for an incoming webhook
    /// (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>): blocks, and a text for clients
    /// that cannot show them.
    pub(super) fn blocks(&self) -> Json {
        let mark = if self.good { ":white_check_mark:" } else { ":x:" };
        let text = format!("{mark} {}", escaped(&cut(&self.text, MOST)));
        let place = format!("{} · <{}|the run>", escaped(&self.repository), self.link);
        json!({
            "text": text,
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": text}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": place}]},
            ],
        })
    }

    /// The form for a webhook that starts a workflow: its variables, all as text.
    pub(super) fn variables(&self) -> Json {
        json!({
            "notification": cut(&self.text, MOST),
            "app_name": self.app,
            // Slack refuses an empty variable.
            "version": self.version.as_deref().unwrap_or("unknown"),
            "workflow_link": self.link,
        })
    }
}

/// Escapes the three special characters of Slack's texts.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_makes_no_mentions_and_no_links() {
        let notification = Notification {
            good: false,
            text: format!("<!channel> & {}", "x".repeat(9000)),
            app: "shop".to_owned(),
            version: None,
            repository: "acme/<shop>".to_owned(),
            link: "https://github.com/acme/shop/actions/runs/7".to_owned(),
        };
        let blocks = notification.blocks().to_string();
        assert!(blocks.contains("&lt;!channel&gt; &amp; xxx") && !blocks.contains("<!"), "{blocks}");
        assert!(blocks.contains("acme/&lt;shop&gt; · <https://github.com/acme/shop/actions/runs/7|the run>"));
        assert!(blocks.len() < 5000 && blocks.contains('…'));
        assert_eq!(notification.variables()["version"], "unknown");
    }
}
