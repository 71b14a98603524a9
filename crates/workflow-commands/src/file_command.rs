//! Records of the file commands: `GITHUB_OUTPUT`, `GITHUB_ENV`.

use super::stop::{NoRandomness, random_word};

/// A record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileCommandError {
    /// The runner would cut the name at `=` or `<<`, or at the line end.
    #[error("{0:?} cannot be the name of an output: it is empty or holds `=`, `<<` or a line break")]
    Name(String),
    /// The value contains the random delimiter.
    #[error("the value of the output {0} holds the delimiter of its own record")]
    Delimiter(String),
    /// There was no randomness for a delimiter.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The record that sets `name` to `value`, with its line end. A value of one line is written as
/// `NAME=VALUE`, a longer one between random delimiters.
pub fn record(name: &str, value: &str) -> Result<String, FileCommandError> {
    record_with(name, value, random_word)
}

fn record_with(
    name: &str,
    value: &str,
    word: impl FnOnce() -> Result<String, NoRandomness>,
) -> Result<String, FileCommandError> {
    if name.is_empty() || name.contains(['=', '\r', '\n']) || name.contains("<<") {
        return Err(FileCommandError::Name(name.to_owned()));
    }
    if !value.contains(['\r', '\n']) {
        return Ok(format!("{name}={value}\n"));
    }
    let delimiter = word()?;
    if value.contains(&delimiter) {
        return Err(FileCommandError::Delimiter(name.to_owned()));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn one_line_needs_no_delimiter() {
        assert_eq!(record("version", "1.2.4<<=").unwrap(), "version=1.2.4<<=\n");
        assert_eq!(record("empty", "").unwrap(), "empty=\n");
    }

    #[test]
    fn several_lines_stand_between_delimiters_that_differ_each_time() {
        let [first, second] = [record("a", "x\ny").unwrap(), record("a", "x\ny").unwrap()];
        assert_ne!(first, second);
        let lines: Vec<_> = first.lines().collect();
        let delimiter = lines[0].strip_prefix("a<<").unwrap();
        assert!(delimiter.len() >= 32);
        assert_eq!(lines[1..], ["x", "y", delimiter]);
    }

    #[test]
    fn a_value_with_its_delimiter_is_refused() {
        let error = record_with("a", "x\nEND\nb=c", || Ok("END".to_owned())).unwrap_err();
        assert!(matches!(error, FileCommandError::Delimiter(name) if name == "a"));
    }

    #[test]
    fn a_name_that_the_runner_would_cut_is_refused() {
        for name in ["", "a=b", "a<<b", "a\nb", "a\rb"] {
            assert!(matches!(record(name, "x"), Err(FileCommandError::Name(_))), "{name:?}");
        }
    }
}
