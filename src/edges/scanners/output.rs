//! What scanners print. No message quotes it, because it may be secret.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sys::error::{Exit, Failure};

/// What to do after a scanner failed.
pub(super) const AGAIN: &str =
    "run `p2p scan` by hand to repeat it; nothing is promoted after an incomplete scan";

/// Parses JSON. `scanner` is its program or its file.
pub(super) fn parse<T: DeserializeOwned>(scanner: &str, text: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|error| misplaced(scanner, &error))
}

/// Parses values of JSON, one per line.
pub(super) fn parse_lines<T: DeserializeOwned>(scanner: &str, text: &[u8]) -> Result<Vec<T>, Failure> {
    let values = serde_json::Deserializer::from_slice(text).into_iter();
    values.collect::<Result<_, _>>().map_err(|error| misplaced(scanner, &error))
}

fn misplaced(scanner: &str, error: &serde_json::Error) -> Failure {
    let what = if error.classify() == Category::Eof { "it ends too early" } else { "it is not JSON" };
    unreadable(scanner, &format!("{what} (line {}, column {})", error.line(), error.column()))
}

/// The failure for output that is not complete.
pub(super) fn unreadable(scanner: &str, problem: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the output of {scanner} cannot be read: {problem}"), AGAIN)
}

/// The URL of a page, or nothing if it could be something else than a page.
pub(super) fn web_page(url: Option<&str>) -> String {
    let page = url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    page.unwrap_or_default().to_owned()
}
