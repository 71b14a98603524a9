//! Reads a step's output as GitHub's runner does, independently of the product's own parser.
//!
//! After `ActionCommandManager.cs`, `ActionCommand.cs` and `ProcessInvoker.cs` of actions/runner.

use std::collections::{BTreeMap, BTreeSet};

const REGISTERED: [&str; 16] = [
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

/// A command that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Its name in lower case; `resume` for the end of a `stop-commands` region.
    pub(crate) name: String,
    /// Its properties, their names in lower case.
    pub(crate) properties: BTreeMap<String, String>,
    /// Its message.
    pub(crate) message: String,
}

/// What the runner made of an output.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The commands that took effect, in order.
    pub(crate) effects: Vec<Effect>,
    /// The lines that the log shows, masked by what `add-mask` had said by then.
    pub(crate) log: Vec<String>,
    /// Whether commands were still stopped at the end.
    pub(crate) stopped: bool,
}

impl Reading {
    /// The names of the commands that took effect.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.effects.iter().map(|effect| effect.name.as_str()).collect()
    }
}

/// Reads all that a step wrote to one of its streams.
pub(crate) fn read(output: &[u8]) -> Reading {
    let text = String::from_utf8_lossy(output);
    let mut registered: BTreeSet<String> = REGISTERED.iter().map(|name| (*name).to_owned()).collect();
    let mut token: Option<String> = None;
    let mut masks: Vec<String> = Vec::new();
    let mut reading = Reading::default();
    for line in lines(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        let parsed = new_form(line, &registered).or_else(|| old_form(line, &registered));
        match (parsed, token.clone()) {
            (Some(effect), Some(open)) if effect.name == open => {
                registered.remove(&open);
                token = None;
                reading.effects.push(Effect { name: "resume".to_owned(), ..effect });
            }
            (Some(effect), None) => {
                match effect.name.as_str() {
                    "stop-commands" => {
                        token = Some(effect.message.to_lowercase());
                        registered.insert(effect.message.to_lowercase());
                    }
                    "add-mask" if !effect.message.trim().is_empty() => {
                        masks.push(effect.message.clone());
                        masks.sort_by_key(|mask| std::cmp::Reverse(mask.len()));
                    }
                    _ => {}
                }
                reading.effects.push(effect);
            }
            _ => {
                let masked = masks.iter().fold(line.to_owned(), |line, mask| line.replace(mask, "***"));
                reading.log.push(masked);
            }
        }
    }
    reading.stopped = token.is_some();
    reading
}

/// `StreamReader.ReadLine`: lines end at LF, CR or CRLF.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        let pair = rest[end..].starts_with("\r\n");
        rest = &rest[end + usize::from(pair) + 1..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// `TryParseV2`.
fn new_form(line: &str, registered: &BTreeSet<String>) -> Option<Effect> {
    let message = line.trim_start();
    if !message.starts_with("::") {
        return None;
    }
    let end = 2 + message[2..].find("::")?;
    let (name, properties) = head(&message[2..end], registered)?;
    let unescape = |text: &str| replace(text, &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]);
    let property =
        |text: &str| replace(text, &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")]);
    Some(Effect {
        name,
        properties: pairs(properties.trim(), ',', property),
        message: unescape(&message[end + 2..]),
    })
}

/// `TryParse`.
fn old_form(line: &str, registered: &BTreeSet<String>) -> Option<Effect> {
    let start = line.find("##[")?;
    let end = start + line[start..].find(']')?;
    let (name, properties) = head(&line[start + 3..end], registered)?;
    let unescape =
        |text: &str| replace(text, &[("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%")]);
    Some(Effect { name, properties: pairs(properties, ';', unescape), message: unescape(&line[end + 1..]) })
}

fn head<'a>(info: &'a str, registered: &BTreeSet<String>) -> Option<(String, &'a str)> {
    let space = info.find(' ').unwrap_or(info.len());
    let name = info[..space].to_lowercase();
    registered.contains(&name).then(|| (name, info.get(space + 1..).unwrap_or_default()))
}

fn pairs(text: &str, separator: char, unescape: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    text.split(separator)
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (key.to_lowercase(), unescape(value)))
        .collect()
}

fn replace(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[test]
fn both_forms_act_and_stopped_ones_do_not() {
    let reading = read(
        b"plain\r  ::set-output name=a::1\r\nx ##[add-mask]hunter2\nhunter2\n::stop-commands::ToKen\n\
          ::error::no\n##[error]no\n::tOkEn::\n::warning file=a%2Cb,line=3::50%25\nx ::debug::no\n",
    );
    assert_eq!(reading.names(), ["set-output", "add-mask", "stop-commands", "resume", "warning"]);
    assert_eq!(reading.log, ["plain", "***", "::error::no", "##[error]no", "x ::debug::no"]);
    assert_eq!(reading.effects[4].properties["file"], "a,b");
    assert_eq!(reading.effects[4].message, "50%");
    assert!(!reading.stopped);
}
