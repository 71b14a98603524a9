//! Who signs records, and whose signatures count, according to the keys of the environment.

use std::path::Path;

use attestation::{AllowedSigner, Services, TrustRoot, is_glob};

use super::trust::{KEY, Trust};
use crate::domain::environment::{Key, Values};
use crate::edges::google::KeyVersion;
use crate::inputs::{SigningInstance, Switch, Value as _, Words};
use reqwest::Url;
use sys::error::Failure;
use sys::retry::Retrying;
use sys::world::Env;

/// The server of github.com.
const GITHUB: &str = "https://github.com";
/// The issuer of GitHub's id tokens.
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The workflows of this product. They sign for the repositories that call them.
const OWN_WORKFLOWS: &str = "coreeng/p2p-action/.github/workflows/*";

#[derive(Debug, Clone, Default)]
pub struct SigningSettings {
    /// Who signs. By default the visibility of the repository decides.
    pub instance: Option<SigningInstance>,
    /// The key that signs, with [`SigningInstance::Key`].
    pub key: Option<KeyVersion>,
    /// The services of your own instance.
    pub services: Option<Services>,
    /// Its trust root, or the public keys.
    pub root: Option<TrustRoot>,
    /// The issuer of the id tokens. By default that of the job's GitHub.
    pub issuer: Option<String>,
    /// Globs of workflows. By default those of the repository, and this product's.
    pub workflows: Option<Vec<String>>,
    /// Whether GitHub's attestations get the records.
    pub attestations: bool,
}

/// The error for a key of the environment.
fn wrong(values: &Values, key: Key, help: &str) -> Failure {
    let found = values.text(key).map_or_else(|| "is missing".to_owned(), |text| format!("is {text:?}"));
    Failure::usage(format!("the key `{key}` {found}"), format!("{help}; nothing was run"))
}

/// Your own instance, if the environment names one.
fn services(values: &Values) -> Result<Option<Services>, Failure> {
    use Key::{SigstoreFulcioUrl, SigstoreRekorUrl, SigstoreTimestampUrl};
    for key in [SigstoreFulcioUrl, SigstoreRekorUrl, SigstoreTimestampUrl] {
        if values.text(key).is_some_and(|url| !sys::http::is_safe(url)) {
            return Err(wrong(values, key, "expected a URL that begins with `https://`"));
        }
    }
    let text = |key| values.text(key).map(str::to_owned);
    let (rekor, timestamps) = (text(SigstoreRekorUrl), text(SigstoreTimestampUrl));
    let missing = match (text(SigstoreFulcioUrl), rekor.is_some() || timestamps.is_some()) {
        (None, false) => return Ok(None),
        (Some(fulcio), true) => {
            return Ok(Some(Services { fulcio, rekor, timestamps, ..Services::public() }));
        }
        (Some(_), false) => SigstoreRekorUrl,
        (None, true) => SigstoreFulcioUrl,
    };
    let help =
        "an instance needs `sigstore-fulcio-url`, and `sigstore-rekor-url` or `sigstore-timestamp-url`";
    Err(wrong(values, missing, help))
}

/// The key that signs.
fn key(values: &Values) -> Result<KeyVersion, Failure> {
    let key = values.text(Key::SigningKey).and_then(KeyVersion::parse);
    let key = key.ok_or_else(|| {
        let help = "expected the version of a key: \
                    `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1`";
        wrong(values, Key::SigningKey, help)
    })?;
    if values.parsed(Key::GithubAttestations) == Some(Switch::On) {
        return Err(wrong(
            values,
            Key::GithubAttestations,
            "GitHub's attestations have certificates: set it to `off`",
        ));
    }
    Ok(key)
}

impl SigningSettings {
    /// Reads the settings of an environment.
    ///
    /// # Errors
    /// If a key is invalid or needs another key that is missing, or if the file of the trust root cannot be read or is
    /// invalid.
    pub fn of(values: &Values) -> Result<Self, Failure> {
        let text = |key: Key| values.text(key).map(str::to_owned);
        let workflows =
            text(Key::RecordWorkflows).and_then(|text| Words::parse(&text).ok()).map(|words| words.0);
        if workflows.iter().flatten().any(|glob| !is_glob(glob)) {
            let help = "expected globs such as `acme/shop/.github/workflows/*`, separated by commas";
            return Err(wrong(values, Key::RecordWorkflows, help));
        }
        let instance = values.parsed(Key::Signing);
        // Another environment may have set what this one does not use.
        let (key, services) = match (instance, values.text(Key::SigningKey)) {
            (Some(SigningInstance::Key), _) => (Some(key(values)?), None),
            (None, Some(_)) => return Err(wrong(values, Key::SigningKey, "set `signing: key` too")),
            _ => (None, services(values)?),
        };
        let root = values.text(Key::SigstoreTrustRoot).map(|path| Self::root(Path::new(path))).transpose()?;
        let fits = match &root {
            Some(root) => root.is_keys() == key.is_some(),
            None => key.is_none() && services.is_none(),
        };
        if !fits {
            let help = "`signing: key` needs a file with its public key, as `gcloud kms keys versions get-public-key` \
                        writes it, and an instance of Sigstore its `trusted_root.json`";
            return Err(wrong(values, Key::SigstoreTrustRoot, help));
        }
        let attestations = values.parsed(Key::GithubAttestations) == Some(Switch::On);
        let issuer = text(Key::SigstoreIssuer).filter(|_| key.is_none());
        Ok(Self { instance, key, services, root, issuer, workflows, attestations })
    }

    /// Reads a trust root.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn root(path: &Path) -> Result<TrustRoot, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"));
        text.and_then(|text| TrustRoot::parse(&text).map_err(|error| error.to_string())).map_err(|error| {
            let help = "a trust root is a `trusted_root.json`, as Sigstore's own tools write it, or public keys in PEM";
            Failure::usage(format!("{}: {error}", path.display()), help)
        })
    }

    /// Whether somebody is configured to sign. Then records are signed even if signatures are not required.
    pub fn sign(&self) -> bool {
        self.instance.is_some() || self.services.is_some()
    }

    /// The services that sign for a repository of this visibility. The public logs would reveal the name of a
    /// private repository.
    pub(super) fn services_for(&self, visibility: Option<&str>, retrying: Retrying) -> Services {
        let services = match (&self.services, self.instance, visibility) {
            (Some(services), ..) => services.clone(),
            (None, Some(SigningInstance::Public), _) | (None, None, Some("public")) => Services::public(),
            (None, ..) => Services::github(),
        };
        Services { retrying, ..services }
    }

    /// Whose signatures are valid.
    pub fn trust(&self) -> Trust {
        Trust::new(self.root.clone(), self.instance)
    }

    /// Who may sign the records of `repository` (`owner/name`) with this id, at the job's GitHub.
    pub fn allowed(&self, env: &Env, repository: &str, id: Option<String>) -> AllowedSigner {
        let issuer = || issuer(env.get("GITHUB_SERVER_URL").unwrap_or(GITHUB).trim_end_matches('/'));
        let workflows = || vec![format!("{repository}/.github/workflows/*"), OWN_WORKFLOWS.to_owned()];
        AllowedSigner {
            issuer: self.issuer.clone().unwrap_or_else(|| match &self.root {
                Some(root) if root.is_keys() => KEY.to_owned(),
                _ => issuer(),
            }),
            repository: repository.to_owned(),
            repository_id: id,
            workflows: self.workflows.clone().unwrap_or_else(workflows),
        }
    }
}

/// The issuer of id tokens: a GitHub Enterprise Server itself, or GitHub for its other servers. A server on this
/// machine stands in for github.com.
fn issuer(server: &str) -> String {
    let loopback = Url::parse(server).is_ok_and(|url| sys::http::is_loopback(&url));
    match server.strip_prefix("https://").filter(|host| host.ends_with(".ghe.com")) {
        Some(host) => format!("https://token.actions.{host}"),
        None if server == GITHUB || loopback => ISSUER.to_owned(),
        None => format!("{server}/_services/token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_github_has_its_issuer() {
        for (server, expected) in [
            (GITHUB, ISSUER),
            ("http://127.0.0.1:4000", ISSUER),
            ("https://acme.ghe.com", "https://token.actions.acme.ghe.com"),
            ("https://github.acme.io", "https://github.acme.io/_services/token"),
        ] {
            assert_eq!(issuer(server), expected);
        }
    }

    #[test]
    fn public_logs_learn_nothing_of_private_repositories() {
        let at = |settings: &SigningSettings, visibility| {
            settings.services_for(visibility, Retrying::default()).rekor.is_some()
        };
        let usual = SigningSettings::default();
        assert!(at(&usual, Some("public")));
        for visibility in [Some("private"), Some("internal"), Some("Public"), None] {
            assert!(!at(&usual, visibility), "{visibility:?}");
        }
        let public =
            SigningSettings { instance: Some(SigningInstance::Public), ..SigningSettings::default() };
        assert!(at(&public, Some("private")), "somebody said so");
    }
}
