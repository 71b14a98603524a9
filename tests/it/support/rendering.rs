//! What people see of our Markdown: GitHub's dialect by a library of others, diagrams by Mermaid's own parser.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Markdown as a browser has it.
#[derive(Deserialize)]
pub(crate) struct Rendered {
    /// The type of each Mermaid diagram, or why it was refused.
    pub(crate) diagrams: Vec<String>,
    /// Each element with its attributes, in order.
    pub(crate) elements: Vec<(String, Map<String, Value>)>,
    /// The text outside of code, one piece for each text node.
    pub(crate) prose: Vec<String>,
    /// The tables, as rows of cells.
    pub(crate) tables: Vec<Vec<Vec<String>>>,
}

impl Rendered {
    /// Renders Markdown.
    pub(crate) fn of(markdown: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules = root.join("target/tools/rendering");
        assert!(modules.join("node_modules").is_dir(), "the parsers are not installed: run scripts/tools");
        let mut judge = Command::new("node")
            .arg(root.join("tests/it/support/rendering/judge.mjs"))
            .env("P2P_TEST_MODULES", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        judge.stdin.take().unwrap().write_all(markdown.as_bytes()).unwrap();
        let output = judge.wait_with_output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asserts that there is nothing that we do not write ourselves, that tables have their shape, and that Mermaid
    /// draws every diagram.
    #[track_caller]
    pub(crate) fn is_harmless(&self, own: &[&str]) {
        const OURS: [&str; 22] = [
            "a",
            "blockquote",
            "br",
            "code",
            "details",
            "em",
            "h2",
            "h3",
            "hr",
            "li",
            "p",
            "pre",
            "span",
            "strong",
            "summary",
            "table",
            "tbody",
            "td",
            "th",
            "thead",
            "tr",
            "ul",
        ];
        for (name, attributes) in &self.elements {
            assert!(OURS.contains(&name.as_str()) || own.contains(&name.as_str()), "<{name}> {attributes:?}");
            for (name, value) in attributes {
                assert!(["align", "class", "href"].contains(&name.as_str()), "{name}={value}");
                let link = value.as_str().unwrap();
                assert!(name != "href" || link.starts_with("http"), "{link}");
            }
        }
        for table in &self.tables {
            assert!(table.iter().all(|row| row.len() == table[0].len()), "{table:?}");
        }
        let drawn = |kind: &String| kind == "gantt";
        assert!(self.diagrams.iter().all(drawn), "{:?}", self.diagrams);
        for text in &self.prose {
            let mut pairs = text.chars().zip(text.chars().skip(1));
            let mention = pairs.any(|(one, next)| {
                one == '@' && next.is_alphanumeric() || one == '#' && next.is_ascii_digit()
            });
            assert!(!mention, "a mention: {text:?}");
        }
    }
}
