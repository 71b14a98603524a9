//! The edge to Slack: sends a message to a webhook. The caller decides what the message says and when it is sent.
//! The URL of a webhook is as secret as a password, so no error contains it.

mod error;
mod message;
mod webhook;

pub use error::SlackError;
pub use message::Notification;
pub use webhook::notify;
