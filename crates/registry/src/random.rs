//! Names that nobody can guess: of upload sessions and of tokens.

use std::io;

use super::names::hex;

/// 256 random bits as text.
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex(&bytes))
}
