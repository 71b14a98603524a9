//! The edge to Slack: a message to a webhook. The caller decides what the message says,
//! and when. The URL of a webhook is as secret as a password, so no error holds it.

mod error;
mod message;
mod webhook;

pub use error::SlackError;
pub use message::Notification;
pub use webhook::notify;
