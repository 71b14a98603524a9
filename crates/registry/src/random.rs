//! Random names of upload sessions.

use std::io;

/// 256 random bits as text.
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(oci::Digest::of(bytes).hex().to_owned())
}
