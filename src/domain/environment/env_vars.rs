//! The `env-vars` input: secret variables for the targets.

use super::error::EnvironmentError;
use super::variables::entry;
use workflow_commands::Secret;

/// The variables, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvVars(Vec<(String, Secret)>);

impl EnvVars {
    /// Reads one `KEY=VALUE` per line, or `KEY<<DELIM`, lines, `DELIM`. The first of `=` and `<<` decides. Values
    /// are taken unchanged, including quotes, backslashes, spaces and `#`. Blank lines are skipped. There are no
    /// comments. Lines may end in CRLF.
    ///
    /// The lines of a multi-line value are joined by LF, without one at the end.
    ///
    /// # Errors
    /// One error for each invalid line.
    pub fn parse(text: &Secret) -> Result<Self, Vec<EnvironmentError>> {
        let mut variables: Vec<(String, Secret)> = Vec::new();
        let mut wrong = Vec::new();
        let mut lines = text.expose().split('\n').zip(1..);
        while let Some((raw, number)) = lines.next() {
            if raw.trim().is_empty() {
                continue;
            }
            let read = variable(raw, &mut lines)
                .map_err(|problem| EnvironmentError::EnvVars { line: number, problem });
            match read
                .and_then(|(key, value)| free(key, number, &variables).map(|()| (key.to_owned(), value)))
            {
                Ok((key, value)) => variables.push((key, Secret::new(value))),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(Self(variables)) } else { Err(wrong) }
    }

    /// The variables with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Reads the variable that begins in the line `raw`. `lines` are the lines after it.
fn variable<'text>(
    raw: &'text str,
    lines: &mut impl Iterator<Item = (&'text str, usize)>,
) -> Result<(&'text str, String), &'static str> {
    let line = raw.strip_suffix('\r').unwrap_or(raw);
    let (key, value) = match (line.find('='), line.find("<<")) {
        (equals, Some(heredoc)) if equals.is_none_or(|equals| heredoc < equals) => {
            let delimiter = &line[heredoc + 2..];
            if delimiter.trim().is_empty() {
                return Err("there is no delimiter after `<<`");
            }
            // If the text has CRLF line ends, the CR is not part of the value.
            let crlf = raw.len() != line.len();
            let value = heredoc_value(lines, delimiter, crlf)
                .ok_or("the delimiter that ends this value never comes")?;
            (&line[..heredoc], value)
        }
        (Some(equals), _) => (&line[..equals], line[equals + 1..].to_owned()),
        (None, _) if line.trim_start().starts_with('#') => return Err("there are no comments here"),
        (None, _) => return Err("there is neither `=` nor `<<` in it"),
    };
    check(key, &value)?;
    Ok((key, value))
}

/// Checks that a variable may have this name.
fn free(key: &str, line: usize, variables: &[(String, Secret)]) -> Result<(), EnvironmentError> {
    let taken = |what| Err(EnvironmentError::EnvVarsName { line, what });
    if let Some(entry) = entry(key) {
        return taken(format!("`{}`, which the gate sets itself", entry.name));
    }
    if variables.iter().any(|(known, _)| known == key) {
        return taken("a variable that an earlier line names".to_owned());
    }
    Ok(())
}

fn heredoc_value<'text>(
    lines: &mut impl Iterator<Item = (&'text str, usize)>,
    delimiter: &str,
    crlf: bool,
) -> Option<String> {
    let mut value = Vec::new();
    for (raw, _) in lines {
        let line = if crlf { raw.strip_suffix('\r').unwrap_or(raw) } else { raw };
        if line == delimiter {
            return Some(value.join("\n"));
        }
        value.push(line);
    }
    None
}

fn check(key: &str, value: &str) -> Result<(), &'static str> {
    if key.starts_with('#') {
        return Err("there are no comments here");
    }
    let mut bytes = key.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !starts || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("the name is not made of letters, digits and `_` alone, with no digit first");
    }
    if value.contains('\0') {
        return Err("the value holds a NUL, which no variable can");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::domain::environment::TABLE;
    use sys::error::Help;

    fn read(text: &str) -> Vec<(String, String)> {
        let read = EnvVars::parse(&Secret::new(text)).unwrap();
        read.iter().map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_survive_unchanged() {
        let text = "A=1\n\n  \nB=C:\\new\\table $HOME \"q\" 'q' #x = y==\nC=\nD= spaced \n_e2=<<x\nF=a<<b\n";
        let expected = [
            ("A", "1"),
            ("B", "C:\\new\\table $HOME \"q\" 'q' #x = y=="),
            ("C", ""),
            ("D", " spaced "),
            ("_e2", "<<x"),
            ("F", "a<<b"),
        ];
        assert_eq!(read(text), pairs(&expected));
        assert_eq!(read(""), []);
    }

    #[test]
    fn values_of_several_lines() {
        let text =
            "KEY<<EOF\n-----BEGIN-----\n\n  a=b<<c\nEOF \n EOF\nEOF\nNEXT=1\nNONE<<X\nX\nEQ<<a=b\nv\na=b";
        let expected =
            [("KEY", "-----BEGIN-----\n\n  a=b<<c\nEOF \n EOF"), ("NEXT", "1"), ("NONE", ""), ("EQ", "v")];
        assert_eq!(read(text), pairs(&expected));
    }

    #[test]
    fn line_ends_of_windows_are_no_part_of_values() {
        assert_eq!(
            read("A=1\r\nK<<E\r\nx\r\ny\r\nE\r\nB=2\r\n"),
            pairs(&[("A", "1"), ("K", "x\ny"), ("B", "2")])
        );
        assert_eq!(read("K<<E\nx\r\nE\n"), pairs(&[("K", "x\r")]), "meant, where the text itself has LF");
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_never_shown() {
        let cases = [
            ("A=1\ns3cret", 2, "there is neither `=` nor `<<` in it"),
            ("\r\n\r\n#s3cret\r\n", 3, "there are no comments here"),
            ("# s3cret=s3cret", 1, "there are no comments here"),
            ("export S=s3cret", 1, "the name is not made of letters"),
            ("=s3cret", 1, "the name is not made of letters"),
            ("<<s3cret\ns3cret", 1, "the name is not made of letters"),
            ("1s3cret=x", 1, "the name is not made of letters"),
            (" S=s3cret", 1, "the name is not made of letters"),
            ("Ä=s3cret", 1, "the name is not made of letters"),
            ("K<<\ns3cret\n", 1, "there is no delimiter"),
            ("A=1\nK<<EOF\ns3cret\n EOF\n", 2, "the delimiter that ends this value never comes"),
            ("K<<E\nx\nE\nK=s3cret", 4, "an earlier line names"),
            ("K=s3cret\0", 1, "holds a NUL"),
            ("A=1\nREGISTRY=s3cret", 2, "it names `REGISTRY`, which the gate sets itself"),
        ];
        for (text, line, problem) in cases {
            // A heredoc with a refused name has been read to its end.
            let text = text.replace("<<s3cret\ns3cret", "<<s3cret\ns3cret\ns3cret");
            let error = EnvVars::parse(&Secret::new(text.clone())).unwrap_err().remove(0);
            let shown = format!("{error} {error:?} {}", error.help().unwrap());
            assert!(shown.starts_with(&format!("input env-vars, line {line}: ")), "{text:?}: {shown}");
            assert!(shown.contains(problem), "{text:?}: {shown}");
            assert!(!shown.contains("s3cret"), "{text:?}: {shown}");
        }
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "A=1\nnone\nREGISTRY=x\nA=2\nB<<E\nnone\nE\nC=1\n1D=x";
        let errors = EnvVars::parse(&Secret::new(text)).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.to_string()[..23].to_owned()).collect();
        assert_eq!(lines, [2, 3, 4, 9].map(|line| format!("input env-vars, line {line}:")));
    }

    #[test]
    fn no_variable_of_the_gate_can_be_set() {
        for entry in TABLE {
            assert!(EnvVars::parse(&Secret::new(format!("{}=x", entry.name))).is_err(), "{}", entry.name);
        }
        assert_eq!(read("GITHUB_APP_ID=1").len(), 1, "teams have such names of their own");
    }

    #[test]
    fn values_are_redacted() {
        let read = EnvVars::parse(&Secret::new("A=s3cret")).unwrap();
        assert_eq!(format!("{read:?}"), r#"EnvVars([("A", ***)])"#);
    }
}
