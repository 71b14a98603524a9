//! The certificate authorities that are trusted besides those of the system.
//!
//! Each variable has the meaning of the program that introduced it: `SSL_CERT_FILE` (OpenSSL) replaces the system's
//! authorities, `NODE_EXTRA_CA_CERTS` (Node.js) adds to them. The TLS library itself reads the store of the operating
//! system and `SSL_CERT_FILE`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reqwest::{Certificate, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::world::Env;

const REPLACES: &str = "SSL_CERT_FILE";
const ADDS: &str = "NODE_EXTRA_CA_CERTS";

/// What to do if a server's certificate is not trusted.
pub const AUTHORITY_HELP: &str = "make the server's certificate authority known: set NODE_EXTRA_CA_CERTS to a PEM file that holds it, or SSL_CERT_FILE to one that holds every authority";

/// The extra authorities of this process. There is one set for the whole process, because the TLS library reads the
/// process environment too.
static NAMED: OnceLock<Named> = OnceLock::new();

#[derive(Default)]
struct Named {
    replacement: Option<PathBuf>,
    extra: Vec<Certificate>,
}

/// Reads the extra authorities that the environment names. Call it once, before the first client is built. Like
/// Node.js it ignores an unusable file, with a warning.
pub fn trust(env: &Env) -> Option<String> {
    let (extra, warning) = match env.path(ADDS).map(|path| (certificates(&path), path)) {
        None => (Vec::new(), None),
        Some((Ok(found), _)) => (found, None),
        Some((Err(reason), path)) => {
            (Vec::new(), Some(format!("{ADDS} is ignored: {}: {reason}", path.display())))
        }
    };
    let extra = extra.iter().filter_map(|found| Certificate::from_der(found).ok()).collect();
    // The directory may contain what the file lacks.
    let replacement = env.path(REPLACES).filter(|_| env.path("SSL_CERT_DIR").is_none());
    let _first = NAMED.set(Named { replacement, extra });
    warning
}

/// A client that also trusts the extra authorities.
///
/// # Errors
/// If `SSL_CERT_FILE` names a file without certificates, so that nothing would be trusted.
pub fn trusting(builder: ClientBuilder) -> Result<ClientBuilder, String> {
    let Some(named) = NAMED.get() else { return Ok(builder) };
    if let Some(path) = &named.replacement {
        certificates(path).map_err(|reason| {
            format!("{REPLACES} names no certificate authorities: {}: {reason}", path.display())
        })?;
    }
    Ok(builder.tls_certs_merge(named.extra.iter().cloned()))
}

/// The usable certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let usable = |found: &CertificateDer<'static>| RootCertStore::empty().add(found.clone()).is_ok();
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).flatten().filter(usable).collect();
    if found.is_empty() { Err("it holds no certificate in PEM".to_owned()) } else { Ok(found) }
}
