//! The shapes in which a secret turns up in output.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::command;

/// Text shorter than this is never masked: it would blot out half of the log.
pub(super) const SHORTEST: usize = 4;

/// Parts of a base64 text that are shorter say too little and hit too much.
const SHORTEST_PART: usize = 8;

/// The line lengths at which `base64` and `openssl` break their output.
const WRAPS: [usize; 2] = [76, 64];

/// The lines of a secret that are long enough to be masked: a secret of one line is its own. White space
/// says nothing and is everywhere.
pub(super) fn lines(secret: &str) -> impl Iterator<Item = &str> {
    secret.split(['\r', '\n']).filter(|line| line.len() >= SHORTEST && !line.trim().is_empty())
}

/// Every text to look for: the lines of the secret, and the whole and its lines as base64, inside
/// JSON, inside a URL, inside a workflow command, between single quotes and with single spaces. None holds a line break, none is shorter than
/// [`SHORTEST`]; a whole that is shorter has none.
pub(super) fn all(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    if secret.len() < SHORTEST || secret.trim().is_empty() {
        return forms;
    }
    base64(secret.as_bytes(), &mut forms);
    for text in lines(secret).chain([secret]) {
        forms.insert(text.to_owned());
        forms.insert(text.replace('\'', r"'\''"));
        forms.extend(command::escaped(text));
        // Where that changes only its ends, a common word would be left.
        let spaced = one_line(text);
        if spaced != text.trim() {
            forms.insert(spaced);
        }
        let json = json(text);
        // Go escapes these three as well.
        forms.insert(json.replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026"));
        forms.insert(json);
        let strict = percent(text, b"-_.~");
        forms.insert(lower_hex(&strict));
        forms.insert(strict.replace("%20", "+"));
        forms.insert(strict);
        // What JavaScript's encodeURIComponent leaves alone.
        forms.insert(percent(text, b"-_.~!'()*"));
    }
    forms.retain(|form| form.len() >= SHORTEST && !form.contains(['\r', '\n']));
    forms
}

/// Without padding, so that padding does not matter; also from the second and third byte on, as
/// inside a longer text (`user:secret`), and in the lines that the usual tools break it into.
fn base64(secret: &[u8], forms: &mut BTreeSet<String>) {
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let whole = engine.encode(secret);
        for wrap in WRAPS.into_iter().filter(|wrap| whole.len() > *wrap) {
            forms.extend(parts(&whole, wrap).filter(|part| part.len() >= SHORTEST_PART).map(str::to_owned));
        }
        forms.insert(whole);
        for skipped in 0..3 {
            let rest = secret.get(skipped..).unwrap_or_default();
            let part = engine.encode(&rest[..rest.len() / 3 * 3]);
            if part.len() >= SHORTEST_PART {
                forms.insert(part);
            }
        }
    }
}

/// ASCII text in parts of `length`.
fn parts(text: &str, length: usize) -> impl Iterator<Item = &str> {
    (0..text.len()).step_by(length).map(move |at| &text[at..text.len().min(at + length)])
}

/// The text as it stands between the quotes of a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

/// Percent-encoding (RFC 3986, section 2.1) of all but letters, digits and `kept`.
fn percent(text: &str, kept: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// As errors quote others: on one line, with single spaces (`web::words`).
pub(crate) fn one_line(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A percent-encoded text with its hexadecimal digits in lower case.
fn lower_hex(encoded: &str) -> String {
    let mut digits = 0;
    encoded
        .chars()
        .map(|character| {
            if character == '%' {
                digits = 2;
                return character;
            }
            let lower = if digits > 0 { character.to_ascii_lowercase() } else { character };
            digits = usize::saturating_sub(digits, 1);
            lower
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(secret: &str, form: &str) {
        assert!(all(secret).contains(form), "{form:?} is not among the forms of {secret:?}");
    }

    #[test]
    fn base64_of_both_alphabets_without_padding() {
        has("hunter2?>", "aHVudGVyMj8+");
        has("hunter2?>", "aHVudGVyMj8-");
        has("hunter22", "aHVudGVyMjI");
    }

    #[test]
    fn base64_inside_a_longer_text_at_each_place() {
        for before in ["", "u", "us", "use", "user:"] {
            let whole = STANDARD_NO_PAD.encode(format!("{before}correct horse battery!more"));
            assert!(
                all("correct horse battery").iter().any(|form| form.len() > 20 && whole.contains(form)),
                "{before:?}"
            );
        }
    }

    #[test]
    fn base64_as_the_tools_wrap_it() {
        let secret = "0123456789".repeat(20);
        let whole = STANDARD_NO_PAD.encode(&secret);
        has(&secret, &whole[76..152]);
        has(&secret, &whole[64..128]);
    }

    #[test]
    fn json_url_and_shell() {
        has("a\"b\\c", r#"a\"b\\c"#);
        has("one\ntwo", r"one\ntwo");
        has("a<b&c", r"a\u003cb\u0026c");
        has("p@ss/wörd 1", "p%40ss%2Fw%C3%B6rd%201");
        has("p@ss/wörd 1", "p%40ss%2fw%c3%b6rd%201");
        has("p@ss/wörd 1", "p%40ss%2Fw%C3%B6rd+1");
        has("p@ss(1)", "p%40ss(1)");
        has("it's me", r"it'\''s me");
    }

    #[test]
    fn workflow_commands_of_both_forms() {
        has("100%:a,b;c]", "100%25:a,b;c]");
        has("100%:a,b;c]", "100%25%3Aa%2Cb;c]");
        has("100%:a,b;c]", "100%25:a,b%3Bc%5D");
        has("one\r\ntwo", "one%0D%0Atwo");
    }

    #[test]
    fn lines_stand_alone_and_short_ones_are_left_out() {
        let forms = all("first line\r\nabc\nlast line\n");
        assert!(forms.contains("first line") && forms.contains("last line"));
        assert!(!forms.contains("abc"));
        assert!(forms.iter().all(|form| form.len() >= SHORTEST && !form.contains(['\r', '\n'])));
        assert!(all("abc").is_empty());
        assert!(all("    \n\t\t\t\t\t").is_empty());
        let forms = all("{\n    \n    key: s3cret\n}\n");
        assert!(forms.contains("    key: s3cret") && !forms.contains("    "));
    }
}
