//! Workflow commands: writing them, and reading them as the runner does.
//!
//! The rules are those of `ActionCommand.cs` and `ActionCommandManager.cs` in actions/runner:
//! `::name key=value,…::message` after leading white space, else the older
//! `##[name key=value;…]message` anywhere in the line.

use super::annotation::{Annotation, Level};
use crate::Secret;

/// The commands the runner knows, in lower case. It compares them without regard to case.
pub const NAMES: [&str; 16] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// `::name key=value,…::message` without a line end. Properties with an empty value are left out.
pub fn format(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let mut line = format!("::{name}");
    let mut separator = ' ';
    for (key, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
        line.push(separator);
        line.push_str(key);
        line.push('=');
        escape(value, NEW.property, &mut line);
        separator = ',';
    }
    line.push_str("::");
    escape(message, NEW.message, &mut line);
    line
}

/// The command that makes the runner mask `value`, which holds no line break.
pub fn add_mask(value: &Secret) -> String {
    format("add-mask", &[], value.expose())
}

/// Opens a group. Groups do not nest. A title of several lines is joined into one.
pub fn group(title: &str) -> String {
    format("group", &[], &title.replace(['\r', '\n'], " "))
}

/// Closes the open group.
pub fn end_group() -> String {
    format("endgroup", &[], "")
}

/// The command for an annotation.
pub fn annotation(annotation: &Annotation) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    format(
        annotation.level.name(),
        &[
            ("title", annotation.title.as_deref().unwrap_or_default()),
            ("file", annotation.file.as_deref().unwrap_or_default()),
            ("line", &number(annotation.line)),
            ("endLine", &number(annotation.end_line)),
            ("col", &number(annotation.col)),
            ("endColumn", &number(annotation.end_column)),
        ],
        &annotation.message,
    )
}

/// The escaped forms of a text: as a message, as a property, and as both in the older form.
pub(super) fn escaped(text: &str) -> [String; 3] {
    [NEW.message, NEW.property, OLD_ESCAPES].map(|escapes| {
        let mut out = String::with_capacity(text.len());
        escape(text, escapes, &mut out);
        out
    })
}

fn escape(text: &str, escapes: Escapes, out: &mut String) {
    for character in text.chars() {
        match escapes.iter().find(|(_, plain)| plain.starts_with(character)) {
            Some((code, _)) => out.push_str(code),
            None => out.push(character),
        }
    }
}

/// A command in a line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Mask this text.
    AddMask(Secret),
    /// Show this annotation. It has its full length: mask it first and then [check](Annotation::checked) it,
    /// because the masker cannot find a secret that was cut.
    Annotation(Annotation),
    /// Another command that the runner knows, by its name in lower case.
    Other(&'static str),
}

/// A command, and the position of its message in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The command.
    pub command: Command,
    /// The offset in bytes at which the message begins; it ends with the line.
    pub message_at: usize,
}

/// Parses one line (without its end) as the runner does. Returns `None` if the runner takes the line for plain
/// text, and for an annotation without a message.
pub fn parse(line: &[u8]) -> Option<Parsed> {
    let text = String::from_utf8_lossy(line);
    let raw = new_form(&text).or_else(|| old_form(&text))?;
    let message = unescape(raw.message, raw.escapes.message);
    let command = match (raw.name, Level::from_name(raw.name)) {
        ("add-mask", _) => Command::AddMask(Secret::new(message)),
        (_, Some(_)) if message.trim().is_empty() => return None,
        (_, Some(level)) => Command::Annotation(raw.annotation(level, message)),
        (name, None) => Command::Other(name),
    };
    // The message runs to the end of the line, so count from there. Decoding makes text that is not UTF-8
    // longer, so the position may be too early, but never too late.
    Some(Parsed { command, message_at: line.len().saturating_sub(raw.message.len()) })
}

type Escapes = &'static [(&'static str, &'static str)];

/// `%25` is last because the runner replaces one after the other.
struct Form {
    separator: char,
    property: Escapes,
    message: Escapes,
}

const NEW: Form = Form {
    separator: ',',
    property: &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")],
    message: &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")],
};

const OLD_ESCAPES: Escapes = &[("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%")];

const OLD: Form = Form { separator: ';', property: OLD_ESCAPES, message: OLD_ESCAPES };

struct Raw<'a> {
    name: &'static str,
    properties: &'a str,
    message: &'a str,
    escapes: &'static Form,
}

fn new_form(text: &str) -> Option<Raw<'_>> {
    let rest = text.trim_start().strip_prefix("::")?;
    let (head, message) = rest.split_once("::")?;
    Raw::new(head, message, &NEW)
}

fn old_form(text: &str) -> Option<Raw<'_>> {
    let (_, rest) = text.split_once("##[")?;
    let (head, message) = rest.split_once(']')?;
    Raw::new(head, message, &OLD)
}

impl<'a> Raw<'a> {
    fn new(head: &'a str, message: &'a str, escapes: &'static Form) -> Option<Self> {
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let name = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self { name, properties, message, escapes })
    }

    /// The last property of that name, names compared without regard to case.
    fn property(&self, name: &str) -> Option<String> {
        self.properties
            .trim()
            .split(self.escapes.separator)
            .filter_map(|pair| pair.trim_start_matches('=').split_once('='))
            .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| unescape(value, self.escapes.property))
            .next_back()
    }

    fn annotation(&self, level: Level, message: String) -> Annotation {
        let number = |name| self.property(name).and_then(|text| text.trim().parse().ok());
        Annotation {
            level,
            title: self.property("title"),
            file: self.property("file"),
            line: number("line"),
            end_line: number("endLine"),
            col: number("col"),
            end_column: number("endColumn"),
            message,
        }
    }
}

fn unescape(text: &str, escapes: Escapes) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    escapes.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn command(line: &str) -> Option<Command> {
        parse(line.as_bytes()).map(|parsed| parsed.command)
    }

    fn value(line: &str) -> Option<String> {
        match command(line)? {
            Command::AddMask(value) => Some(value.expose().to_owned()),
            _ => None,
        }
    }

    fn found(line: &str) -> Option<Annotation> {
        match command(line)? {
            Command::Annotation(annotation) => Some(annotation),
            _ => None,
        }
    }

    #[test]
    fn what_acts_in_text_is_escaped() {
        assert_eq!(
            format("error", &[("title", "a:b,c%"), ("file", "")], "50%\r\nfoo::bar,baz"),
            "::error title=a%3Ab%2Cc%25::50%25%0D%0Afoo::bar,baz"
        );
        assert_eq!(format("endgroup", &[], ""), "::endgroup::");
        assert_eq!(group("one\ntwo"), "::group::one two");
    }

    #[test]
    fn an_annotation_is_read_back_as_it_was_written() {
        let written = Annotation {
            level: Level::Warning,
            title: Some("a,b=c: 100%".into()),
            file: Some("src/ä.rs".into()),
            line: Some(3),
            end_line: None,
            col: Some(1),
            end_column: Some(9),
            message: "first::\nsecond, 100%0A".into(),
        };
        assert_eq!(command(&annotation(&written)).unwrap(), Command::Annotation(written));
    }

    #[test]
    fn the_new_form_stands_first_in_the_line() {
        assert_eq!(value("::add-mask::a%25b%0Ac").unwrap(), "a%b\nc");
        assert_eq!(value("\t \u{a0}\u{2003}::Add-Mask some=thing::x::y").unwrap(), "x::y");
        assert_eq!(command("x ::add-mask::y"), None);
        assert_eq!(command(":::add-mask::y"), None);
        assert_eq!(command("::add-mask:y"), None);
        assert_eq!(command(":: add-mask::y"), None);
        assert_eq!(command("::unknown::y"), None);
        assert_eq!(command("::set-output name=x::y"), Some(Command::Other("set-output")));
    }

    #[test]
    fn the_old_form_stands_anywhere() {
        assert_eq!(value("x##[add-mask]a%3Bb%0D%0Ac%5D%25").unwrap(), "a;b\r\nc]%");
        assert_eq!(value("::unknown::##[add-mask]y").unwrap(), "y");
        assert_eq!(value("###[add-mask]y").unwrap(), "y");
        assert_eq!(command("##[unknown] ##[add-mask]y"), None);
        assert_eq!(command("##[ add-mask]y"), None);
        assert_eq!(command("##[add-mask y"), None);
        let found = found("make: ##[error file=a b;line=3;]no").unwrap();
        assert_eq!((found.file.as_deref(), found.line), (Some("a b"), Some(3)));
    }

    #[test]
    fn properties_are_read_as_the_runner_reads_them() {
        let found = found("::error FILE=a=b,LINE=7,line=x,,title=%3A%2C%250A,col=2::no").unwrap();
        assert_eq!(found.file.as_deref(), Some("a=b"));
        assert_eq!(found.title.as_deref(), Some(":,%0A"));
        // The last one counts, and it is no number.
        assert_eq!((found.line, found.col), (None, Some(2)));
    }

    #[test]
    fn the_message_is_found_in_the_line() {
        for line in ["  ::add-mask::geheim", "läuft ##[add-mask]geheim"] {
            let at = parse(line.as_bytes()).unwrap().message_at;
            assert_eq!(&line[at..], "geheim");
        }
        assert!(parse(b"::add-mask::a\xffb").unwrap().message_at <= 12);
    }
}
