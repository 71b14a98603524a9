//! The file `.p2p-security-ignore.yaml` with findings that the team accepts. Any mistake in it is an error, because
//! a rule that p2p misunderstands must not weaken the policy.

use jiff::civil::Date;
use sys::error::Failure;
use sys::yaml::{self, Node, NodeContent, YamlError};

/// The name of the file.
pub const FILE_NAME: &str = ".p2p-security-ignore.yaml";

/// An ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Its path, relative to the root of the repository.
    pub(super) name: String,
    /// The directory that its rules for the source apply to: empty, or with a slash at the end.
    pub(super) directory: String,
    pub(super) entries: Vec<Entry>,
}

/// An entry: it matches findings with this id, and with this package and one of these paths, if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name of the image. Empty for the source.
    pub(super) image: String,
    /// Whether it is about a secret, not a vulnerability.
    pub(super) secret: bool,
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
    pub fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        let file = yaml::parse(text).and_then(|root| {
            keys(&root, "the file", &["version", "source", "images"])?;
            let version = root.get("version").ok_or_else(|| wrong(&root, "`version: 1` is missing"))?;
            if !matches!(&version.content, NodeContent::Text { text, plain: true } if text == "1") {
                return Err(wrong(version, "`version` must be the number 1"));
            }
            let mut all = Vec::new();
            if let Some(node) = root.get("source") {
                keys(node, "`source`", &["vulnerabilities", "secrets"])?;
                all.extend(entries(node, "")?);
            }
            let images = list(&root, "images", |node| {
                keys(node, "an image", &["name", "vulnerabilities", "secrets"])?;
                entries(node, &required(node, "name", "an image")?)
            })?;
            all.extend(images.into_iter().flatten());
            let directory = name.strip_suffix(FILE_NAME).unwrap_or_default().to_owned();
            Ok(Self { name: name.to_owned(), directory, entries: all })
        });
        file.map_err(|YamlError { line, column, problem }| {
            let help = "correct the file: docs/scans.md has an example with every key; nothing was ignored";
            Failure::usage(format!("{name}, line {line}, column {column}: {problem}"), help)
        })
    }
}

fn wrong(node: &Node, problem: impl Into<String>) -> YamlError {
    YamlError { line: node.line, column: node.column, problem: problem.into() }
}

/// Checks that a node is a map with only these keys.
fn keys(node: &Node, what: &str, known: &[&str]) -> Result<(), YamlError> {
    let keys = known.join("`, `");
    let entries = node.entries();
    let entries = entries.ok_or_else(|| wrong(node, format!("{what} must be a map with `{keys}`")))?;
    let Some((name, value)) = entries.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let (line, column) = value.key.unwrap_or((value.line, value.column));
    let problem = format!("{what} has an unknown key {name:?}; the keys are `{keys}`");
    Err(YamlError { line, column, problem })
}

/// The items of a list. The list may be missing, but may not be null.
fn list<T>(
    parent: &Node,
    key: &str,
    item: impl FnMut(&Node) -> Result<T, YamlError>,
) -> Result<Vec<T>, YamlError> {
    let Some(node) = parent.get(key) else { return Ok(Vec::new()) };
    let items = node.items().ok_or_else(|| wrong(node, format!("`{key}` must be a list")))?;
    items.iter().map(item).collect()
}

/// The entries for an image, or for the source if `image` is empty.
fn entries(parent: &Node, image: &str) -> Result<Vec<Entry>, YamlError> {
    let mut all = list(parent, "vulnerabilities", |node| entry(node, image, false))?;
    all.extend(list(parent, "secrets", |node| entry(node, image, true))?);
    Ok(all)
}

fn entry(node: &Node, image: &str, secret: bool) -> Result<Entry, YamlError> {
    let known = match (secret, image) {
        (true, _) => &["id", "reason", "path", "expires"][..],
        (false, "") => &["id", "reason", "package", "expires", "paths"],
        (false, _) => &["id", "reason", "package", "expires"],
    };
    keys(node, "an entry", known)?;
    let path = |node: &Node| if image.is_empty() { path(node) } else { text(node, "`path`") };
    let paths = match (node.get("paths"), node.get("path")) {
        (Some(_), _) => Some(list(node, "paths", path)?),
        (None, Some(one)) => Some(vec![path(one)?]),
        (None, None) => None,
    };
    Ok(Entry {
        image: image.to_owned(),
        secret,
        id: required(node, "id", "an entry")?,
        reason: required(node, "reason", "an entry")?,
        package: node.get("package").map(|node| text(node, "`package`")).transpose()?,
        paths,
        expires: node.get("expires").map(date).transpose()?,
        line: node.line,
    })
}

fn required(node: &Node, key: &str, what: &str) -> Result<String, YamlError> {
    let value = node.get(key).ok_or_else(|| wrong(node, format!("{what} lacks `{key}`")))?;
    text(value, &format!("`{key}`"))
}

/// A text that is not empty, and that YAML does not take as a number or a truth value.
fn text(node: &Node, what: &str) -> Result<String, YamlError> {
    let text = node.text().filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| wrong(node, format!("{what} must be a text that is not empty")))?;
    let word = text.to_ascii_lowercase();
    let number = word.replace('_', "");
    let other = matches!(word.as_str(), "true" | "false" | "yes" | "no" | "on" | "off")
        || number.contains(|c: char| c.is_ascii_digit()) && number.parse::<f64>().is_ok();
    if other && matches!(&node.content, NodeContent::Text { plain: true, .. }) {
        return Err(wrong(node, format!("{what} must be a text: write it in quotes")));
    }
    Ok(text.to_owned())
}

fn date(node: &Node) -> Result<Date, YamlError> {
    let date = node.text().and_then(|text| text.parse::<Date>().ok().filter(|day| day.to_string() == text));
    date.ok_or_else(|| wrong(node, "`expires` must be a day of the calendar, such as 2027-01-31"))
}

/// A path relative to the file's directory.
fn path(node: &Node) -> Result<String, YamlError> {
    let text = text(node, "a path")?;
    let mut parts: Vec<&str> = Vec::new();
    let mut leaves = text.starts_with('/');
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => leaves |= parts.pop().is_none(),
            part => parts.push(part),
        }
    }
    if leaves {
        let problem = "a path must stay below the directory of the file: no `..` out of it, no `/` first";
        return Err(wrong(node, problem));
    }
    Ok(parts.join("/"))
}
