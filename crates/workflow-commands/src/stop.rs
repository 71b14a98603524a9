//! The token that makes the runner ignore workflow commands until it appears again.

/// A random word: 256 bits in hexadecimal.
pub(super) fn random_word() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect())
}

fn hex_digit(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// The system's random source failed.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source cannot be read: {0}")]
pub struct NoRandomness(getrandom::Error);

/// A token for `stop-commands`. Use a new one for each region, because the log shows the old one.
#[derive(Clone)]
pub struct StopToken(String);

impl StopToken {
    /// A new random token.
    pub fn new() -> Result<Self, NoRandomness> {
        random_word().map(Self)
    }

    /// The line that stops commands, with its end.
    pub fn begin(&self) -> String {
        format!("::stop-commands::{}\n", self.0)
    }

    /// The line that resumes commands, with its end. Print it at the start of a line.
    pub fn end(&self) -> String {
        format!("::{}::\n", self.0)
    }
}

impl std::fmt::Debug for StopToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StopToken")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn each_token_is_new_and_long() {
        let [first, second] = [StopToken::new().unwrap(), StopToken::new().unwrap()];
        let token = first.begin().strip_prefix("::stop-commands::").unwrap().trim_end().to_owned();
        assert_eq!(token.len(), 64);
        assert_eq!(first.end(), format!("::{token}::\n"));
        assert_ne!(first.end(), second.end());
    }
}
