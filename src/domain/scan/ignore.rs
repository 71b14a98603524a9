//! The file `.p2p-security-ignore.yaml` with findings that the team accepts. Any mistake in it is an error, because
//! a rule that p2p misunderstands must not weaken the policy.

use jiff::civil::Date;
use sys::error::{Exit, Help};
use sys::yaml::{self, Node, NodeContent};

/// The name of the file.
pub const FILE_NAME: &str = ".p2p-security-ignore.yaml";

/// An invalid ignore file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}, column {column}: {problem}")]
pub struct IgnoreError {
    /// The file, relative to the root of the repository.
    pub file: String,
    /// The line, starting at 1.
    pub line: usize,
    /// The column, starting at 1.
    pub column: usize,
    pub problem: String,
}

impl Help for IgnoreError {
    fn help(&self) -> Option<String> {
        Some("correct the file: docs/scans.md has an example with every key; nothing was ignored".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// An ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Its path, relative to the root of the repository.
    pub(super) name: String,
    /// The directory that its rules for the source apply to: empty, or with a slash at the end.
    pub(super) directory: String,
    pub(super) source: Entries,
    /// The entries for each image, by image name.
    pub(super) images: Vec<(String, Entries)>,
}

/// The entries for the source, or for one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) vulnerabilities: Vec<Entry>,
    pub(super) secrets: Vec<Entry>,
}

/// An entry: it matches findings with this id, and with this package and one of these paths, if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) reason: String,
    pub(super) package: Option<String>,
    pub(super) paths: Option<Vec<String>>,
    /// The last day on which it applies.
    pub(super) expires: Option<Date>,
    /// Its line in the file.
    pub(super) line: usize,
}

impl IgnoreFile {
    /// Parses the file `name`, a path relative to the root of the repository.
    ///
    /// # Errors
    /// If the text is not YAML or has another version, and for every invalid key, value, date or path.
    pub fn parse(name: &str, text: &str) -> Result<Self, IgnoreError> {
        let reader = Reader { file: name };
        let root =
            yaml::parse(text).map_err(|error| reader.wrong_at((error.line, error.column), error.problem))?;
        reader.keys(&root, "the file", &["version", "source", "images"])?;
        match root.get("version") {
            Some(Node { content: NodeContent::Text { text, plain: true }, .. }) if text == "1" => {}
            Some(node) => return Err(reader.wrong(node, "`version` must be the number 1")),
            None => return Err(reader.wrong(&root, "`version: 1` is missing")),
        }
        let source = match root.get("source") {
            None => Entries::default(),
            Some(node) => {
                reader.keys(node, "`source`", &["vulnerabilities", "secrets"])?;
                reader.entries(node, true)?
            }
        };
        let images = reader.list(&root, "images", |node| {
            reader.keys(node, "an image", &["name", "vulnerabilities", "secrets"])?;
            Ok((reader.required(node, "name", "an image")?, reader.entries(node, false)?))
        })?;
        let directory = name.strip_suffix(FILE_NAME).unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), directory, source, images })
    }
}

/// Parses the parts of a file. Values are not changed.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, node: &Node, problem: impl Into<String>) -> IgnoreError {
        self.wrong_at((node.line, node.column), problem)
    }

    fn wrong_at(&self, (line, column): (usize, usize), problem: impl Into<String>) -> IgnoreError {
        IgnoreError { file: self.file.to_owned(), line, column, problem: problem.into() }
    }

    /// Checks that a node is a map with only these keys.
    fn keys(&self, node: &Node, what: &str, known: &[&str]) -> Result<(), IgnoreError> {
        let keys = known.join("`, `");
        let entries = node.entries();
        let entries =
            entries.ok_or_else(|| self.wrong(node, format!("{what} must be a map with `{keys}`")))?;
        match entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, value)) => Err(self.wrong_at(
                value.key.unwrap_or((value.line, value.column)),
                format!("{what} has an unknown key {name:?}; the keys are `{keys}`"),
            )),
        }
    }

    /// The items of a list. The list may be missing, but may not be null.
    fn list<T>(
        &self,
        parent: &Node,
        key: &str,
        item: impl FnMut(&Node) -> Result<T, IgnoreError>,
    ) -> Result<Vec<T>, IgnoreError> {
        let Some(node) = parent.get(key) else { return Ok(Vec::new()) };
        let items = node.items().ok_or_else(|| self.wrong(node, format!("`{key}` must be a list")))?;
        items.iter().map(item).collect()
    }

    fn entries(&self, parent: &Node, source: bool) -> Result<Entries, IgnoreError> {
        let keys = ["id", "reason", "package", "expires", "paths"];
        let keys = if source { keys.as_slice() } else { &keys[..4] };
        Ok(Entries {
            vulnerabilities: self.list(parent, "vulnerabilities", |node| self.entry(node, keys, source))?,
            secrets: self.list(parent, "secrets", |node| {
                self.entry(node, &["id", "reason", "path", "expires"], source)
            })?,
        })
    }

    fn entry(&self, node: &Node, known: &[&str], source: bool) -> Result<Entry, IgnoreError> {
        self.keys(node, "an entry", known)?;
        let path = |node: &Node| if source { self.path(node) } else { self.text(node, "`path`") };
        let paths = match (node.get("paths"), node.get("path")) {
            (Some(_), _) => Some(self.list(node, "paths", path)?),
            (None, Some(one)) => Some(vec![path(one)?]),
            (None, None) => None,
        };
        Ok(Entry {
            id: self.required(node, "id", "an entry")?,
            reason: self.required(node, "reason", "an entry")?,
            package: node.get("package").map(|node| self.text(node, "`package`")).transpose()?,
            paths,
            expires: node.get("expires").map(|node| self.date(node)).transpose()?,
            line: node.line,
        })
    }

    fn required(&self, node: &Node, key: &str, what: &str) -> Result<String, IgnoreError> {
        match node.get(key) {
            Some(node) => self.text(node, &format!("`{key}`")),
            None => Err(self.wrong(node, format!("{what} lacks `{key}`"))),
        }
    }

    fn text(&self, node: &Node, what: &str) -> Result<String, IgnoreError> {
        let text = node.text().filter(|text| !text.trim().is_empty());
        let text =
            text.ok_or_else(|| self.wrong(node, format!("{what} must be a text that is not empty")))?;
        if matches!(&node.content, NodeContent::Text { text, plain: true } if is_other_type(text)) {
            return Err(self.wrong(node, format!("{what} must be a text: write it in quotes")));
        }
        Ok(text.to_owned())
    }

    fn date(&self, node: &Node) -> Result<Date, IgnoreError> {
        let date =
            node.text().and_then(|text| text.parse::<Date>().ok().filter(|day| day.to_string() == text));
        date.ok_or_else(|| self.wrong(node, "`expires` must be a day of the calendar, such as 2027-01-31"))
    }

    /// A path relative to the file's directory.
    fn path(&self, node: &Node) -> Result<String, IgnoreError> {
        let text = self.text(node, "a path")?;
        let leaves = || {
            self.wrong(
                node,
                "a path must stay below the directory of the file: no `..` out of it, no `/` first",
            )
        };
        if text.starts_with('/') {
            return Err(leaves());
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(leaves)?),
                part => parts.push(part),
            }
        }
        Ok(parts.join("/"))
    }
}

/// Whether YAML takes an unquoted scalar as a number or a truth value.
fn is_other_type(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let number = |text: &str| text.contains(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok();
    matches!(word.as_str(), "true" | "false" | "yes" | "no" | "on" | "off") || number(&word.replace('_', ""))
}
