//! A certificate authority, and what it certifies.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority, made for one test.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    der: rustls::pki_types::CertificateDer<'static>,
    /// The certificate authority, in PEM.
    pub(crate) pem: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Authorities of one name would be taken for one, with a signature that is wrong.
        let name = format!("authority of {:?}", key.public_key_raw().first_chunk::<8>().unwrap());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self { issuer: Issuer::new(params, key), der, pem }
    }

    fn signed(&self, name: &str, until: Option<i32>) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if let Some(year) = until {
            params.not_after = date_time_ymd(year, 1, 1);
        }
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server whose certificate is for this name; it knows the clients that it has certified.
    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        self.serving(self.signed(name, None))
    }

    /// A server whose certificate is no longer valid.
    pub(crate) fn expired(&self, name: &str) -> ServerConfig {
        self.serving(self.signed(name, Some(2020)))
    }

    fn serving(&self, (certificate, key): (rcgen::Certificate, KeyPair)) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap()
    }

    /// A client's certificate and key, in PEM.
    pub(crate) fn client(&self) -> (String, String) {
        let (certificate, key) = self.signed("tenant", None);
        (certificate.pem(), key.serialize_pem())
    }
}
