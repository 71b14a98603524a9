//! The URLs of Google's services.

use reqwest::Url;

use super::error::GoogleError;
use sys::http::is_safe;

/// The domain of the public cloud. Sovereign clouds have their own.
const PUBLIC: &str = "googleapis.com";

/// The base URLs, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The domain in place of `googleapis.com` in audiences and scopes.
    pub universe: String,
    /// The Security Token Service.
    pub sts: String,
    /// The IAM Service Account Credentials API.
    pub iam_credentials: String,
    /// The Kubernetes Engine API.
    pub container: String,
    /// The Key Management Service.
    pub kms: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self::of_universe(PUBLIC)
    }
}

impl Endpoints {
    /// The endpoints of a universe: each service is a host below its domain.
    pub fn of_universe(domain: &str) -> Self {
        let of = |service: &str| format!("https://{service}.{domain}");
        Self {
            sts: of("sts"),
            iam_credentials: of("iamcredentials"),
            container: of("container"),
            kms: of("cloudkms"),
            universe: domain.to_owned(),
        }
    }

    /// All services on one server, for the tests' loopback Google.
    #[must_use]
    pub fn at(mut self, base: &str) -> Self {
        base.trim_end_matches('/').clone_into(&mut self.sts);
        self.iam_credentials.clone_from(&self.sts);
        self.container.clone_from(&self.sts);
        self.kms.clone_from(&self.sts);
        self
    }

    /// Whether it is a sovereign cloud.
    pub(super) fn is_sovereign(&self) -> bool {
        self.universe != PUBLIC
    }

    /// The scope of every token that p2p requests.
    pub(super) fn scope(&self) -> String {
        format!("https://www.{}/auth/cloud-platform", self.universe)
    }

    /// The audience of the token exchange for a provider.
    pub(super) fn exchange_audience(&self, provider: &str) -> String {
        format!("//iam.{}/{provider}", self.universe)
    }

    /// The audience of GitHub's token for a provider.
    pub(super) fn id_token_audience(&self, provider: &str) -> String {
        format!("https:{}", self.exchange_audience(provider))
    }

    /// The URL for the exchange of tokens.
    pub(super) fn exchange(&self) -> String {
        format!("{}/v1/token", self.sts)
    }

    /// The URL for tokens of a service account.
    pub(super) fn impersonation(&self, service_account: &str) -> String {
        format!(
            "{}/v1/projects/-/serviceAccounts/{service_account}:generateAccessToken",
            self.iam_credentials
        )
    }

    /// Checks that all URLs are safe for tokens: HTTPS or loopback.
    pub(super) fn check(&self) -> Result<(), GoogleError> {
        for url in [&self.sts, &self.iam_credentials, &self.container, &self.kms] {
            check(url)?;
        }
        Ok(())
    }
}

/// Checks that a URL is safe for secrets.
pub(super) fn check(url: &str) -> Result<Url, GoogleError> {
    Url::parse(url)
        .ok()
        .filter(|_| is_safe(url))
        .ok_or_else(|| GoogleError::Endpoint { url: url.split('?').next().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = "projects/1/locations/global/workloadIdentityPools/p/providers/q";

    #[test]
    fn a_universe_replaces_the_domain_everywhere() {
        let public = Endpoints::default();
        assert_eq!(public.exchange(), "https://sts.googleapis.com/v1/token");
        assert_eq!(public.scope(), "https://www.googleapis.com/auth/cloud-platform");
        assert_eq!(public.exchange_audience(PROVIDER), format!("//iam.googleapis.com/{PROVIDER}"));
        assert_eq!(public.id_token_audience(PROVIDER), format!("https://iam.googleapis.com/{PROVIDER}"));
        assert!(!public.is_sovereign());
        let other = Endpoints::of_universe("apis-berlin.example");
        assert_eq!(
            other.impersonation("a@b"),
            "https://iamcredentials.apis-berlin.example/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
        );
        assert_eq!(other.container, "https://container.apis-berlin.example");
        assert_eq!(other.scope(), "https://www.apis-berlin.example/auth/cloud-platform");
        assert!(other.is_sovereign());
    }

    #[test]
    fn tokens_go_over_https_or_to_this_machine() {
        assert!(Endpoints::default().at("http://127.0.0.1:9/").check().is_ok());
        for url in ["http://sts.googleapis.com", "sts.googleapis.com", "ftp://localhost", "https://"] {
            assert!(Endpoints::default().at(url).check().is_err(), "{url}");
        }
    }
}
