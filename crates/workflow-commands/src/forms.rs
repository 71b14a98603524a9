//! The forms in which a secret may appear in output.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::command;
use super::controls::{plain, stripped};

/// Shorter texts are never masked: they would hide half of the log.
pub(super) const SHORTEST: usize = 4;

/// The length of the parts of an encoded text. Shorter parts would match too much other text.
const PART: usize = 8;

/// The length of the lines of `xxd -p`.
const HEX_WRAP: usize = 60;

/// The lines of a secret that are long enough to be masked. Lines of white space are not masked because white
/// space is everywhere.
pub(super) fn lines(secret: &str) -> impl Iterator<Item = &str> {
    secret.split(['\r', '\n']).filter(|line| line.len() >= SHORTEST && !line.trim().is_empty())
}

/// All texts to search for: the lines of the secret, the whole as base64, and both in hexadecimal, in JSON, in a
/// URL, in a workflow command, quoted for a shell and with single spaces. No form contains a line break or is
/// shorter than [`SHORTEST`]. A shorter secret has no forms.
pub(super) fn all(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    if secret.len() < SHORTEST || secret.trim().is_empty() {
        return forms;
    }
    base64(secret.as_bytes(), &mut forms);
    for text in lines(secret).chain([secret]) {
        forms.extend([text.to_owned(), stripped(text).into_owned(), plain(text).into_owned()]);
        forms.extend(command::escaped(text));
        // If single spaces change only the ends, a common word would be left.
        let spaced = one_line(text);
        if spaced != text.trim() {
            forms.insert(spaced);
        }
        json(text, &mut forms);
        // JSON in a string of JSON, as events and messages hold it.
        json(&json_string(text), &mut forms);
        shell(text, &mut forms);
        markup(text, &mut forms);
        hex(text, &mut forms);
        let strict = percent(text, b"-_.~");
        forms.insert(lower_hex(&strict));
        // Inside the parameter of a URL that is itself a parameter.
        forms.insert(percent(&strict, b"-_.~"));
        // What Python's quote and JavaScript's encodeURI keep.
        forms.insert(percent(text, b"-_.~/"));
        forms.insert(percent(text, b"-_.~!'()*;/?:@&=+$,#"));
        forms.insert(strict.replace("%20", "+"));
        forms.insert(strict);
        // The characters that JavaScript's encodeURIComponent keeps.
        forms.insert(percent(text, b"-_.~!'()*"));
    }
    forms.retain(|form| form.len() >= SHORTEST && !form.contains(['\r', '\n']));
    forms
}

/// Base64 without padding, and also from the second and third byte on, as in a longer text (`user:secret`). Adds
/// all overlapping parts of [`PART`] characters. They match in wrapped text, wherever the secret begins.
fn base64(secret: &[u8], forms: &mut BTreeSet<String>) {
    let mut both = |text: &str| {
        forms.insert(text.to_owned());
        if text.contains(['+', '/']) {
            forms.insert(text.replace('+', "-").replace('/', "_"));
        }
    };
    both(&STANDARD_NO_PAD.encode(secret));
    for skipped in 0..3 {
        let rest = secret.get(skipped..).unwrap_or_default();
        let whole = STANDARD_NO_PAD.encode(&rest[..rest.len() / 3 * 3]);
        let parts = (0..whole.len()).step_by(PART / 2).filter_map(|at| whole.get(at..at + PART));
        parts.filter(|part| !is_plain(part)).for_each(&mut both);
        if whole.len() >= PART {
            both(&whole);
        }
    }
}

/// Whether the text has few different characters, as encoded blanks and zeros have. Such texts are everywhere.
fn is_plain(part: &str) -> bool {
    let first = |(at, byte): &(usize, u8)| !part.as_bytes()[..*at].contains(byte);
    part.bytes().enumerate().filter(first).count() <= PART / 2
}

/// Hexadecimal in lower and upper case, also wrapped as by `xxd -p`.
fn hex(text: &str, forms: &mut BTreeSet<String>) {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or('0');
    let lower: String = text.bytes().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
    for whole in [lower.to_ascii_uppercase(), lower] {
        let lines = (0..whole.len()).step_by(HEX_WRAP).map(|at| &whole[at..whole.len().min(at + HEX_WRAP)]);
        forms.extend(lines.filter(|line| line.len() >= PART).map(str::to_owned));
        forms.insert(whole);
    }
}

/// The text inside a JSON string, as different writers escape it.
fn json(text: &str, forms: &mut BTreeSet<String>) {
    let plain = json_string(text);
    // Go also escapes these three, PHP the slash, .NET all characters with a meaning in HTML.
    let go = plain.replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026");
    let php = plain.replace('/', r"\/");
    let net = ascii(&plain.replace("\\\"", "\""), "<>&'+`\"", true);
    for form in [&plain, &go, &php] {
        forms.insert(ascii(form, "", false));
        forms.insert(ascii(form, "", true));
    }
    forms.extend([plain, go, php, net]);
}

/// The text inside a JSON string with the fewest escapes.
fn json_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

/// Escapes all characters beyond ASCII, and those of `more`, as `\u00e4` or as a surrogate pair (RFC 8259, section 7).
fn ascii(text: &str, more: &str, upper: bool) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii() && !more.contains(character) {
            out.push(character);
            continue;
        }
        for half in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = if upper { write!(out, "\\u{half:04X}") } else { write!(out, "\\u{half:04x}") };
        }
    }
    out
}

/// As `printf %q` of bash and zsh writes it: with backslashes, or between `$'` and `'` if there are control
/// characters. Also between single quotes.
fn shell(text: &str, forms: &mut BTreeSet<String>) {
    forms.insert(text.replace('\'', r"'\''"));
    // As Python's shlex.quote writes it.
    forms.insert(text.replace('\'', r#"'"'"'"#));
    for always in ["", ",", "#~="] {
        let special =
            |character: &char| " !\"$&'()*;<>?[\\]^`{|}".contains(*character) || always.contains(*character);
        forms.insert(
            text.chars()
                .flat_map(|character| special(&character).then_some('\\').into_iter().chain([character]))
                .collect(),
        );
    }
    forms.insert(ansi(text, true));
    forms.insert(ansi(text, false));
}

/// The text in XML and HTML, as different writers escape it, between single quotes of YAML, and in CSV.
fn markup(text: &str, forms: &mut BTreeSet<String>) {
    let tags = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for double in ["\"", "&quot;", "&#34;", "&#x22;"] {
        for single in ["'", "&#39;", "&#x27;", "&apos;"] {
            forms.insert(tags.replace('"', double).replace('\'', single));
        }
    }
    forms.extend([text.replace('\'', "''"), text.replace('"', "\"\"")]);
}

/// The text between `$'` and `'` (bash's manual, "ANSI-C Quoting").
fn ansi(text: &str, readable: bool) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            '\u{7}' => out.push_str(r"\a"),
            '\u{8}' => out.push_str(r"\b"),
            '\u{b}' => out.push_str(r"\v"),
            '\u{c}' => out.push_str(r"\f"),
            '\u{1b}' => out.push_str(r"\E"),
            '\\' | '\'' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ if readable && !character.is_control() => out.push(character),
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
        }
    }
    out
}

/// Percent-encoding (RFC 3986, section 2.1) of all but letters, digits and `kept`.
pub fn percent(text: &str, kept: &[u8]) -> String {
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

/// As our errors quote text: without control sequences, on one line, with single spaces.
pub fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
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
    fn inside_markup_json_in_json_and_urls_of_other_writers() {
        let secret = r#"it's <"a/b" & c>"#;
        for form in [
            "it's &lt;\"a/b\" &amp; c&gt;",
            "it&#39;s &lt;&#34;a/b&#34; &amp; c&gt;",
            "it&#x27;s &lt;&quot;a/b&quot; &amp; c&gt;",
            "it&apos;s &lt;&quot;a/b&quot; &amp; c&gt;",
            "it''s <\"a/b\" & c>",
            "it's <\"\"a/b\"\" & c>",
            r#"it'"'"'s <"a/b" & c>"#,
            r#"it's <\\\"a/b\\\" & c>"#,
            "it%27s%20%3C%22a/b%22%20%26%20c%3E",
            "it's%20%3C%22a/b%22%20&%20c%3E",
            "it%2527s%2520%253C%2522a%252Fb%2522%2520%2526%2520c%253E",
        ] {
            has(secret, form);
        }
        assert_eq!(
            all("plain-secret-1").len(),
            all("plain_secret-1").len(),
            "no form for what needs no escape"
        );
    }

    #[test]
    fn hexadecimal_in_both_cases_and_wrapped() {
        has("hunter2ö", "68756e74657232c3b6");
        has("hunter2ö", "68756E74657232C3B6");
        let long = "0123456789".repeat(9);
        has(&long, &"30313233343536373839".repeat(3));
    }

    #[test]
    fn json_of_other_writers() {
        has("pässwort", r"p\u00e4sswort");
        has("pässwort", r"p\u00E4sswort");
        has("key \u{1f511}/\"x\"", r#"key \ud83d\udd11/\"x\""#);
        has("key \u{1f511}/\"x\"", r#"key \uD83D\uDD11/\"x\""#);
        has("key \u{1f511}/\"x\"", r#"key \ud83d\udd11\/\"x\""#);
        has("it's <\"ö\">+", r"it\u0027s \u003C\u0022\u00F6\u0022\u003E\u002B");
    }

    #[test]
    fn quoted_for_a_shell() {
        has("a b$c'd,e", r"a\ b\$c\'d\,e");
        has("a b$c'd,e", r"a\ b\$c\'d,e");
        has("one\n't\tw\\o", r"one\n\'t\tw\\o");
        has("wörd\u{1b}", r"w\303\266rd\E");
        has("wörd\u{1b}", r"wörd\E");
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
