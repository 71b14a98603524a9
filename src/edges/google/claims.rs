//! The claims in GitHub's token for this job. They are only for errors: p2p does not check the signature.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

use sys::http::words;
use workflow_commands::Secret;

/// The claims that providers' conditions usually check, in the order in which they are shown.
const SHOWN: [&str; 5] = ["repository", "ref", "environment", "job_workflow_ref", "sub"];

/// The claims of a token that may be shown. Never the token itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims(Vec<(&'static str, String)>);

impl Claims {
    /// Reads the payload of a JSON Web Token (RFC 7519). An invalid token has no claims.
    pub(super) fn of(token: &Secret) -> Self {
        let payload = token.expose().split('.').nth(1).unwrap_or_default().trim_end_matches('=');
        let json = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        let claims: Map<String, Json> = serde_json::from_slice(&json).unwrap_or_default();
        let text = |name| claims.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        Self(SHOWN.into_iter().filter_map(|name| Some((name, words(text(name)?)))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, text)| text.as_str())
    }

    /// The claims with more than `most` bytes, with their length.
    pub(super) fn too_long(&self, most: usize) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().filter(move |(_, text)| text.len() > most).map(|(name, text)| (*name, text.len()))
    }
}

/// One claim per line, `name = value`.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("  (the token has no readable claims)");
        }
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (position, (name, text)) in self.0.iter().enumerate() {
            let break_before = if position == 0 { "" } else { "\n" };
            write!(f, "{break_before}  {name:width$} = {text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> Secret {
        Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn the_claims_of_conditions_are_shown_and_no_other() {
        let claims = Claims::of(&token(
            r#"{"sub":"repo:acme/shop:ref:refs/heads/main","jti":"s3cret","repository":"acme/shop","ref":"refs/heads/main","environment":""}"#,
        ));
        assert_eq!(
            claims.to_string(),
            "  repository = acme/shop\n  ref        = refs/heads/main\n  sub        = repo:acme/shop:ref:refs/heads/main"
        );
        assert_eq!(claims.get("repository"), Some("acme/shop"));
        assert_eq!(claims.too_long(15).collect::<Vec<_>>(), [("sub", 34)]);
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        for text in ["", "a", "a.b.c", "a.!!.c", "e30.W10.x"] {
            assert_eq!(Claims::of(&Secret::new(text)), Claims::default(), "{text}");
        }
    }
}
