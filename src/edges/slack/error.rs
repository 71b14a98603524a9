use std::time::Duration;

use sys::error::{Exit, Help};
use sys::http::NETWORK_HELP;

/// Why Slack did not get the message. Contains no part of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlackError {
    /// The input is not a URL, or would send the secret unencrypted.
    #[error("the input `slack-webhook-url` is not an https URL")]
    NotAUrl,
    /// There was no answer.
    #[error("Slack could not be reached: {reason}")]
    Lost {
        /// Why, without the URL.
        reason: String,
    },
    /// Slack refused the message.
    #[error("Slack answered {status}: {answer}")]
    Refused {
        status: u16,
        /// The answer, on one line.
        answer: String,
    },
    /// It took too long.
    #[error("Slack did not answer within {} s", limit.as_secs())]
    TimedOut { limit: Duration },
}

impl Help for SlackError {
    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NotAUrl | Self::Refused { .. } => {
                "give the URL of an incoming webhook (`https://hooks.slack.com/services/…`) or of a workflow's \
                 webhook trigger (`https://hooks.slack.com/triggers/…`), whose variables are `notification`, \
                 `app_name`, `version` and `workflow_link`"
            }
            Self::Lost { .. } | Self::TimedOut { .. } => NETWORK_HELP,
        };
        Some(text.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotAUrl => Exit::Usage,
            Self::Lost { .. } | Self::Refused { .. } | Self::TimedOut { .. } => Exit::Unavailable,
        }
    }
}
