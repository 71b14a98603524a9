//! YAML as a tree that keeps the text and the place of each scalar. It also reads JSON, which is YAML.
//!
//! Scalars are not converted: a project number keeps its digits, and a token that looks like a number stays a token.
//! Errors name the line and never quote the text, which may be secret.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

/// The deepest accepted nesting. Files that people write stay below ten.
const DEPTH: usize = 64;
/// The most nodes after aliases are expanded, so a small text cannot fill the memory.
const NODES: usize = 100_000;

/// A text that is not YAML, or is YAML that p2p does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What is wrong, without the text itself.
    pub problem: String,
}

/// A value with the place where it starts.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// Line and column of its key, for a value of a map.
    pub key: Option<(usize, usize)>,
    /// The value.
    pub content: NodeContent,
}

/// The value of a [`Node`].
#[derive(Clone, PartialEq, Eq)]
pub enum NodeContent {
    /// A scalar as it was written, quotes and escapes undone.
    Text {
        /// The text.
        text: String,
        /// Whether it had no quotes, so that `null` and `true` may be more than text.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text; no key occurs twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The text of a scalar; `None` for a list, a map and a null.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            NodeContent::Text { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Whether it is empty or one of YAML's words for null.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, NodeContent::Text { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The entries of a map.
    pub fn entries(&self) -> Option<&[(String, Node)]> {
        match &self.content {
            NodeContent::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.content {
            NodeContent::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key, if this is a map with that key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Reads one document. An empty text is a null.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let mut reader =
        Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, at: (1, 1) };
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if document.is_some() => {
                return Err(error(place(&span.start), "a second document begins; one is expected"));
            }
            event => document = Some(reader.node(event, span, 0)?),
        }
    }
    Ok(document.unwrap_or_else(|| node((1, 1), NodeContent::Text { text: String::new(), plain: true })))
}

fn node((line, column): (usize, usize), content: NodeContent) -> Node {
    Node { line, column, key: None, content }
}

fn error((line, column): (usize, usize), problem: impl Into<String>) -> YamlError {
    YamlError { line: line.max(1), column: column.max(1), problem: problem.into() }
}

/// Line and column, both counted from 1.
fn place(marker: &Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}

impl From<ScanError> for YamlError {
    fn from(scan: ScanError) -> Self {
        error(place(scan.marker()), scan.info())
    }
}

struct Reader<'text> {
    events: Parser<'text, StrInput<'text>>,
    /// The node of each anchor. The anchor of an unfinished node is absent.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Line and column of the last event.
    at: (usize, usize),
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, YamlError> {
        let next = self.events.next().transpose()?;
        if let Some((_, span)) = &next {
            self.at = place(&span.start);
        }
        Ok(next)
    }

    /// The next event inside a list or a map.
    fn inside(&mut self) -> Result<(Event<'text>, Span), YamlError> {
        self.next()?.ok_or_else(|| error(self.at, "the text ends too early"))
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let at = place(&span.start);
        if depth > DEPTH {
            return Err(error(at, format!("nested more than {DEPTH} deep")));
        }
        self.count(at, 1)?;
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (NodeContent::Text { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| error(at, "an alias is inside the node that it names"))?;
                self.count(at, size(&node))?;
                return Ok(node);
            }
            _ => return Err(error(at, "a value is expected")),
        };
        let node = node(at, content);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, at: (usize, usize), more: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > NODES {
            return Err(error(at, format!("more than {NODES} values, aliases counted as what they name")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<NodeContent, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.inside()? {
                (Event::SequenceEnd, _) => return Ok(NodeContent::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<NodeContent, YamlError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut inherited = Vec::new();
        loop {
            let (event, span) = self.inside()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let merges = matches!(&event, Event::Scalar(key, ScalarStyle::Plain, ..) if key == "<<");
            let key = self.node(event, span, depth + 1)?;
            let at = (key.line, key.column);
            let NodeContent::Text { text: name, .. } = key.content else {
                return Err(error(at, "a key must be text"));
            };
            let (event, span) = self.inside()?;
            let value = Node { key: Some(at), ..self.node(event, span, depth + 1)? };
            if merges {
                inherited.extend(to_merge(value)?);
            } else if entries.iter().any(|(known, _)| *known == name) {
                return Err(error(at, format!("the key {name:?} is there twice")));
            } else {
                entries.push((name, value));
            }
        }
        // A map's own keys win over merged keys, and earlier merges win over later ones.
        for (name, value) in inherited {
            if !entries.iter().any(|(known, _)| *known == name) {
                entries.push((name, value));
            }
        }
        Ok(NodeContent::Map(entries))
    }
}

/// The entries that `<<: *base` or `<<: [*a, *b]` brings (YAML 1.1's merge key, widely used).
fn to_merge(value: Node) -> Result<Vec<(String, Node)>, YamlError> {
    let refused = error((value.line, value.column), "`<<` takes a map or a list of maps");
    match value.content {
        NodeContent::Map(entries) => Ok(entries),
        NodeContent::List(items) => {
            let mut all = Vec::new();
            for item in items {
                let NodeContent::Map(entries) = item.content else { return Err(refused) };
                all.extend(entries);
            }
            Ok(all)
        }
        NodeContent::Text { .. } => Err(refused),
    }
}

/// How many nodes a tree has.
fn size(node: &Node) -> usize {
    1 + match &node.content {
        NodeContent::Text { .. } => 0,
        NodeContent::List(items) => items.iter().map(size).sum(),
        NodeContent::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
        path.iter().fold(node, |node, key| node.get(key).unwrap())
    }

    fn problem(text: &str) -> String {
        parse(text).err().unwrap().to_string()
    }

    #[test]
    fn scalars_keep_their_text() {
        let node = parse("a: 012345678901234567890\nb: 1e5\nc: 'null'\nd: ~\ne:\nf: \"x\\ty\"\n").unwrap();
        assert_eq!(at(&node, &["a"]).text(), Some("012345678901234567890"));
        assert_eq!(at(&node, &["b"]).text(), Some("1e5"));
        assert_eq!(at(&node, &["c"]).text(), Some("null"));
        assert!(at(&node, &["d"]).is_null() && at(&node, &["e"]).is_null());
        assert_eq!(at(&node, &["f"]).text(), Some("x\ty"));
        let c = at(&node, &["c"]);
        assert_eq!((c.line, c.column, c.key), (3, 4, Some((3, 1))));
    }

    #[test]
    fn json_is_read() {
        let node =
            parse("{\n\t\"a\": {\"n\": 12, \"s\": \"\\ud83d\\ude00/\\/\"},\n\t\"l\": [true]\n}").unwrap();
        assert_eq!(at(&node, &["a", "n"]).text(), Some("12"));
        assert_eq!(at(&node, &["a", "s"]).text(), Some("😀//"));
        assert_eq!(at(&node, &["l"]).items().unwrap()[0].text(), Some("true"));
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let node = parse("base: &b {region: eu, x: 1}\ndev: {<<: *b, x: 2}\nprod: *b\n").unwrap();
        assert_eq!(at(&node, &["dev", "region"]).text(), Some("eu"));
        assert_eq!(at(&node, &["dev", "x"]).text(), Some("2"));
        assert_eq!(at(&node, &["prod", "x"]).text(), Some("1"));
    }

    #[test]
    fn nothing_written_is_a_null() {
        assert!(parse("").unwrap().is_null());
        assert!(parse("# only a comment\n").unwrap().is_null());
    }

    #[test]
    fn errors_name_the_line_and_quote_nothing() {
        assert_eq!(problem("a: 1\nb: 2\na: 3\n"), "line 3: the key \"a\" is there twice");
        assert_eq!(problem("a: 1\n---\nb: 2\n"), "line 3: a second document begins; one is expected");
        assert_eq!(problem("? [a]\n: b\n"), "line 1: a key must be text");
        let unclosed = problem("a:\n  b: \"s3cret\n");
        assert!(unclosed.starts_with("line 2: ") && !unclosed.contains("s3cret"), "{unclosed}");
    }

    #[test]
    fn a_small_text_cannot_grow_without_bound() {
        let level = |level: usize| {
            let before = format!("*a{},", level - 1).repeat(10);
            format!("a{level}: &a{level} [{before}]\n")
        };
        let bomb = format!("a0: &a0 [x]\n{}", (1..10).map(level).collect::<String>());
        assert!(problem(&bomb).contains("more than 100000 values"));
        assert!(problem(&"- ".repeat(100)).contains("nested more than 64 deep"));
        assert!(problem(&"[".repeat(5000)).starts_with("line 1: "));
        assert!(problem("a: &a [*a]").starts_with("line 1: "));
    }
}
