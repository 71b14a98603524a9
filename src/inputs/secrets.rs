//! Secret inputs with parts that are as secret as the whole.

use super::{InputKind, Value};
use workflow_commands::Secret;

/// Shorter parts of a URL and shorter values are not masked, because they occur everywhere.
const SHORTEST_PART: usize = 8;

/// The lines of `env-vars`. The text after a `=` is masked separately, even in an invalid line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableLines(pub Secret);

impl Value for VariableLines {
    const KIND: InputKind = InputKind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Secret::new(text)))
    }

    fn secrets(text: &str) -> Vec<Secret> {
        let values = text.lines().filter_map(|line| Some(line.split_once('=')?.1));
        values.chain([text]).map(Secret::new).collect()
    }
}

/// The URL of a webhook. Its path is like a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(pub Secret);

impl Value for WebhookUrl {
    const KIND: InputKind = InputKind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Secret::new(text.trim())))
    }

    fn secrets(text: &str) -> Vec<Secret> {
        let url = text.trim();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let last = path.rsplit('/').next().unwrap_or_default();
        let parts = [path, last].into_iter().filter(|part| part.len() >= SHORTEST_PART);
        [url].into_iter().chain(parts).map(Secret::new).collect()
    }
}

/// The path of a file, or its content. Which one it is is not known yet, so everything is masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOrContent(pub Secret);

impl Value for PathOrContent {
    const KIND: InputKind = InputKind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Secret::new(text)))
    }

    /// In YAML, a line that is only a key contains no secret, and masking it would hide common words.
    fn secrets(text: &str) -> Vec<Secret> {
        let lines: Vec<_> = text.lines().filter(|line| !line.trim_end().ends_with(':')).collect();
        if lines.len() == text.lines().count() {
            return vec![Secret::new(text)];
        }
        lines.into_iter().map(Secret::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<T: Value>(text: &str) -> Vec<String> {
        T::secrets(text).iter().map(|secret| secret.expose().to_owned()).collect()
    }

    #[test]
    fn parts_that_are_secret_by_themselves() {
        assert_eq!(parts::<VariableLines>("A=one=1\nB two\n"), ["one=1", "A=one=1\nB two\n"]);
        assert_eq!(
            parts::<WebhookUrl>(" https://hooks.example/services/T0/abcdefgh "),
            ["https://hooks.example/services/T0/abcdefgh", "services/T0/abcdefgh", "abcdefgh"]
        );
        assert_eq!(parts::<PathOrContent>("dG9rZW4=\nc2VjcmV0"), ["dG9rZW4=\nc2VjcmV0"]);
        assert_eq!(parts::<PathOrContent>("users:\n  token: abc\n"), ["  token: abc"]);
    }
}
