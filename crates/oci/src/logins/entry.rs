//! An entry of `auths`.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value as Json};

use workflow_commands::Secret;

/// Accepts base64 with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text fields that docker reads.
const FIELDS: [&str; 7] =
    ["auth", "username", "password", "email", "serveraddress", "identitytoken", "registrytoken"];

/// Credentials for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User and password. They are sent to the registry, or exchanged for a token.
    Password {
        /// The user name. Google's registries accept `oauth2accesstoken` with an access token.
        username: String,
        password: Secret,
    },
    /// A refresh token for the registry's token server (Docker's `identitytoken`).
    Identity(Secret),
    /// A token that the registry accepts as Bearer (Docker's `registrytoken`).
    Bearer(Secret),
}

impl Credentials {
    /// Credentials of a user. With the user name `<token>`, the password is a refresh token.
    pub fn of(username: &str, password: &str) -> Self {
        let password = Secret::new(password);
        match username {
            "<token>" => Self::Identity(password),
            username => Self::Password { username: username.to_owned(), password },
        }
    }

    /// The secrets of a login: the password itself, and the form in which it is sent.
    pub fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Password { username, password } => {
                vec![password.clone(), Secret::new(encode(username, password.expose()))]
            }
            Self::Identity(secret) | Self::Bearer(secret) => vec![secret.clone()],
        }
    }
}

/// The secrets of an entry, even of an invalid one.
pub(super) fn secrets(entry: &Json) -> Vec<Secret> {
    let texts = ["auth", "password", "identitytoken", "registrytoken"].map(|name| entry.get(name)?.as_str());
    let login = credentials(entry).ok().flatten();
    let texts = texts.into_iter().flatten().map(Secret::new);
    texts.chain(login.iter().flat_map(Credentials::secrets)).collect()
}

/// The login in an entry. `None` if it is empty. The error says what is wrong without quoting it.
pub(super) fn credentials(entry: &Json) -> Result<Option<Credentials>, &'static str> {
    let entry = match entry {
        Json::Object(entry) => entry,
        Json::Null => return Ok(None),
        _ => return Err("it is not a JSON object"),
    };
    let text =
        |name: &str| entry.get(name).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::Identity(Secret::new(token))));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credentials::Bearer(Secret::new(token))));
    }
    if let Some(auth) = text("auth") {
        let (username, password) = decode(auth)?;
        return Ok(Some(Credentials::of(&username, &password)));
    }
    if let Some(username) = text("username") {
        let password = entry.get("password").and_then(Json::as_str).unwrap_or_default();
        return Ok(Some(Credentials::of(username, password)));
    }
    let says_nothing = |name: &&str| entry.get(*name).is_none_or(|value| value.is_null() || value == "");
    if ["auth", "username", "password", "identitytoken", "registrytoken"].iter().all(says_nothing) {
        return Ok(None);
    }
    Err("it has neither an \"auth\" nor a user name")
}

/// The entry without the fields that docker or podman would refuse. `None` if nothing is left.
pub(super) fn clean(entry: &Json) -> Option<Json> {
    let mut entry = match entry {
        Json::Object(entry) => entry.clone(),
        Json::Null => Map::new(),
        _ => return None,
    };
    entry.retain(|name, value| value.is_string() || !FIELDS.contains(&name.as_str()));
    if let Some(auth) = entry.get("auth").and_then(Json::as_str).filter(|auth| !auth.trim().is_empty()) {
        match decode(auth) {
            Ok((username, password)) => {
                entry.insert("auth".to_owned(), encode(&username, &password).into());
            }
            Err(_) => {
                entry.shift_remove("auth");
            }
        }
    } else if let Some(username) =
        entry.get("username").and_then(Json::as_str).filter(|name| !name.is_empty())
    {
        // podman and similar tools read no other field.
        let password = entry.get("password").and_then(Json::as_str).unwrap_or_default();
        let auth = encode(username, password);
        entry.retain(|name, _| !matches!(name.as_str(), "username" | "password"));
        entry.insert("auth".to_owned(), auth.into());
    }
    Some(entry.into())
}

/// The value of `auth`.
pub(crate) fn encode(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}"))
}

/// Decodes user and password in `auth`: base64 in either alphabet, with or without padding and line breaks.
fn decode(auth: &str) -> Result<(String, String), &'static str> {
    const WRONG: &str = "its \"auth\" is not the base64 of user:password";
    let standard = |character: u8| match character {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let mut auth: Vec<u8> = auth.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(standard).collect();
    auth.truncate(auth.len() - auth.iter().rev().take_while(|byte| **byte == b'=').count());
    let bytes = LENIENT.decode(auth).map_err(|_| WRONG)?;
    let text = String::from_utf8(bytes).map_err(|_| WRONG)?;
    let (username, password) = text.split_once(':').ok_or(WRONG)?;
    // Docker pads passwords with zeros.
    let password = password.trim_end_matches('\0');
    if username.contains('\0') || password.contains('\0') {
        return Err("its \"auth\" has zero bytes in it: it may be the base64 of UTF-16, not of UTF-8");
    }
    Ok((username.to_owned(), password.to_owned()))
}
