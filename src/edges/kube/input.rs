//! Finds out whether an input contains a kubeconfig or its path.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Accepts base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The content of an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// The kubeconfig itself.
    Content(Cow<'a, str>),
    /// Paths of files, if it is anything.
    Paths(&'a str),
}

impl<'a> Given<'a> {
    /// A kubeconfig has several lines or is JSON, and so has the decoded text of base64. Everything else is a path.
    pub(super) fn of(input: &'a str) -> Self {
        let input = input.trim_start_matches('\u{feff}').trim();
        if let Some(decoded) = decoded(input) {
            Self::Content(Cow::Owned(decoded))
        } else if is_content(input) {
            Self::Content(Cow::Borrowed(input))
        } else {
            Self::Paths(input)
        }
    }
}

fn is_content(text: &str) -> bool {
    text.starts_with('{') || text.contains(['\n', '\r'])
}

/// Decodes a kubeconfig in base64 (either alphabet, with or without line breaks). A path may look like base64, but
/// does not decode to a kubeconfig.
fn decoded(input: &str) -> Option<String> {
    let letter = |letter: u8| match letter {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let compact: Vec<u8> = input.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(letter).collect();
    let text = text(&BASE64.decode(compact).ok()?)?.trim().to_owned();
    let readable = text.chars().all(|letter| !letter.is_control() || letter.is_whitespace());
    (is_content(&text) && readable).then_some(text)
}

/// The text of a file: UTF-8, or UTF-16 as some Windows shells write it. Without the byte order mark.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let wide = |pairs: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<_> = pairs.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    const CONTENT: &str = "kind: Config\nusers:\n- {name: ü>>>???, user: {token: abc}}";

    fn content(text: &str) -> Option<String> {
        match Given::of(text) {
            Given::Content(text) => Some(text.into_owned()),
            Given::Paths(_) => None,
        }
    }

    #[test]
    fn base64_is_read_as_people_store_it() {
        let wrapped = |text: &str, ending: &str| {
            let lines: Vec<_> = text.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
            lines.join(ending) + ending
        };
        for text in [CONTENT.to_owned(), format!("{CONTENT}\n"), format!("{CONTENT}\n\n")] {
            for encoded in [
                STANDARD.encode(&text),
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                STANDARD.encode(format!("\u{feff}{text}")),
            ] {
                assert_eq!(content(&encoded).as_deref(), Some(CONTENT), "{encoded}");
                for ending in ["\n", "\r\n"] {
                    assert_eq!(content(&wrapped(&encoded, ending)).as_deref(), Some(CONTENT), "{encoded}");
                }
            }
        }
        let lines = CONTENT.replace('\n', "\r\n");
        assert_eq!(content(&STANDARD.encode(&lines)), Some(lines));
        let json = r#"{"kind":"Config"}"#;
        assert_eq!(content(&STANDARD.encode(json)).as_deref(), Some(json));
        let wide: Vec<u8> = format!("\u{feff}{CONTENT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(content(&STANDARD.encode(wide)).as_deref(), Some(CONTENT));
    }

    #[test]
    fn paths_and_other_words_are_no_content() {
        let noise = STANDARD.encode((0..=255).collect::<Vec<u8>>());
        for text in ["config", "/home/anna/kube/config", "a:b", "kube_config-1", "s3cret", &noise, ""] {
            assert_eq!(Given::of(text), Given::Paths(text), "{text}");
        }
        assert_eq!(Given::of("\u{feff}a: 1\nb: 2\n"), Given::Content("a: 1\nb: 2".into()));
        assert!(content(&STANDARD.encode("one line")).is_none());
    }
}
