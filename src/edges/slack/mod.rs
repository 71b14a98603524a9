//! The edge to Slack: a message to a webhook. What is told, and when, is the caller's business; a
//! webhook's URL is as secret as a password and is in no error.

mod error;
mod message;
mod webhook;

pub use error::SlackError;
pub use message::Notification;
pub use webhook::notify;
