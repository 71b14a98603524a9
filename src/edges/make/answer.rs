//! Parses the output of the probe: the files that make read, and the requested variables.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::makefile::{MakeVariable, VariableOrigin};

/// The parsed output of the probe.
pub(super) struct Answer<'a> {
    pub(super) files: Vec<PathBuf>,
    pub(super) variables: BTreeMap<String, MakeVariable>,
    /// The variable that make was expanding when it stopped.
    pub(super) expanding: Option<String>,
    /// Whether the last line was printed, so that the whole Makefile has been read.
    pub(super) complete: bool,
    /// What make printed after it.
    pub(super) rest: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Parses the last answer. make starts again after it has remade an include.
    pub(super) fn parse(output: &'a [u8], marker: &str) -> Option<Self> {
        let begin = memchr::memmem::rfind(output, format!("{marker} files").as_bytes())?;
        let mut answer = Self {
            files: Vec::new(),
            variables: BTreeMap::new(),
            expanding: None,
            complete: false,
            rest: b"",
        };
        let mut variable: Option<(String, VariableOrigin, Vec<&[u8]>)> = None;
        let mut rest = &output[begin..];
        while !answer.complete && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(reply) = line.strip_prefix(marker.as_bytes()).filter(|reply| reply.starts_with(b" "))
            else {
                if let Some((_, _, lines)) = &mut variable {
                    lines.push(line);
                }
                continue;
            };
            if reply == b" unset" {
                variable = None;
            }
            if let Some((name, origin, lines)) = variable.take() {
                let value = String::from_utf8_lossy(&lines.join(&b'\n')).trim().to_owned();
                answer.variables.insert(name, MakeVariable { value, origin });
            }
            if let Some(files) = reply.strip_prefix(b" files") {
                answer.files = split_files(files);
            } else if let Some(named) = reply.strip_prefix(b" variable ") {
                variable = named_variable(named);
            }
            answer.complete = reply == b" end";
        }
        answer.expanding = variable.map(|(name, ..)| name);
        answer.rest = rest;
        Some(answer)
    }
}

/// The words of `MAKEFILE_LIST` without the last one, which is the probe.
fn split_files(list: &[u8]) -> Vec<PathBuf> {
    let words = list.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut files: Vec<PathBuf> = words.map(|word| PathBuf::from(OsStr::from_bytes(word))).collect();
    files.pop();
    files
}

/// Parses `NAME origin`. `None` if the variable is undefined.
fn named_variable(text: &[u8]) -> Option<(String, VariableOrigin, Vec<&[u8]>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, origin) = text.split_once(' ')?;
    let origin = match origin {
        "undefined" => return None,
        "environment" | "environment override" => VariableOrigin::Environment,
        "file" | "override" => VariableOrigin::File,
        _ => VariableOrigin::Make,
    };
    Some((name.to_owned(), origin, Vec::new()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_last_of_several_answers_counts() {
        let output = b"noise\nM files a /p\nM end\nremade\nM files a b.mk /p\n\
            M variable X file\n shop \nM variable Y undefined\nM variable Z environment\n1\n2\n\
            M variable W file\n\nM variable E file\nM unset\nM end\n# Make data base\n";
        let answer = Answer::parse(output, "M").unwrap();
        assert!(answer.complete);
        assert_eq!(answer.files, [PathBuf::from("a"), PathBuf::from("b.mk")]);
        assert_eq!(answer.rest, b"# Make data base\n");
        let answer = |name: &str| answer.variables.get(name).map(|it| (it.value.as_str(), it.origin));
        assert_eq!(answer("X"), Some(("shop", VariableOrigin::File)));
        assert_eq!(answer("Y"), None);
        assert_eq!(answer("Z"), Some(("1\n2", VariableOrigin::Environment)));
        assert_eq!(answer("W"), Some(("", VariableOrigin::File)));
        assert_eq!(answer("E"), None);
        let stopped = Answer::parse(b"M files a\nM variable X file\n", "M").unwrap();
        assert!(!stopped.complete);
        assert_eq!(stopped.expanding.as_deref(), Some("X"));
        assert!(Answer::parse(b"", "M").is_none());
    }
}
