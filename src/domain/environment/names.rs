//! The names derived from tenant, app and environment (contract §4), and the rules for them.

use std::time::Duration;

use super::error::EnvironmentError;
use super::key::Key;
use super::value::{Given, Origin, Value};
use crate::inputs::{
    BlockingSeverity, ClusterEndpoint, CommentOn, SigningInstance, Size, Switch, Value as _,
};

/// The domain of Google's registries.
pub(super) const PKG_DEV: &str = "pkg.dev";

/// Adds every value that can be derived, then checks all values.
pub(super) fn complete(mut values: Given) -> Result<Given, EnvironmentError> {
    for (key, value) in &values {
        check(*key, value)?;
    }
    for key in Key::ALL {
        if !values.contains_key(&key)
            && let Some(value) = derive(key, &values)
        {
            check_namespace(key, &value, &values)?;
            values.insert(key, value);
        }
    }
    Ok(values)
}

/// The derived value of a key, if everything that it depends on is known.
fn derive(key: Key, values: &Given) -> Option<Value> {
    let text = |key: Key| values.get(&key).map(|value| value.text.as_str());
    let child = |ending: &str| Some(format!("{}-{ending}", text(Key::BaseNamespace)?));
    let mut from = key.derived_from().to_vec();
    let derived = match key {
        Key::ClusterName => text(Key::Dplatform)?.to_owned(),
        Key::Registry => format!(
            "{}-docker.{}/{}/tenant/{}",
            text(Key::Region)?,
            text(Key::ArtifactRegistryDomain).unwrap_or(PKG_DEV),
            text(Key::ProjectId)?,
            text(Key::TenantName)?
        ),
        Key::ServiceAccount => {
            format!("p2p-{}@{}.iam.gserviceaccount.com", text(Key::TenantName)?, text(Key::ProjectId)?)
        }
        Key::WorkloadIdentityProvider => {
            let (number, tenant) = (text(Key::ProjectNumber)?, text(Key::TenantName)?);
            format!(
                "projects/{number}/locations/global/workloadIdentityPools/p2p-{tenant}/providers/p2p-{tenant}"
            )
        }
        Key::KubeContext => {
            format!("gke_{}_{}_{}", text(Key::ProjectId)?, text(Key::Region)?, text(Key::ClusterName)?)
        }
        Key::BaseNamespace => {
            let tenant = text(Key::TenantName)?;
            match text(Key::AppName) {
                Some(app) => {
                    from.push(Key::AppName);
                    if app == tenant { tenant.to_owned() } else { format!("{tenant}-{app}") }
                }
                None => tenant.to_owned(),
            }
        }
        Key::Namespace => child(text(Key::Subnamespace)?)?,
        key => child(key.ending()?)?,
    };
    Some(Value::new(derived, Origin::Derived(from)))
}

/// Checks a value that was given.
fn check(key: Key, value: &Value) -> Result<(), EnvironmentError> {
    let text = value.text.as_str();
    let unexpected = match key {
        Key::ClusterEndpoint => ClusterEndpoint::parse(text).err(),
        Key::SubnamespacesTimeout | Key::ScanDbMaxAge => Duration::parse(text).err(),
        Key::CopyLimit => Size::parse(text).err(),
        Key::Comment => CommentOn::parse(text).err(),
        Key::Scan
        | Key::ScanIgnoreUnfixed
        | Key::ScanVerifySecrets
        | Key::GithubAttestations
        | Key::LinkedArtifacts => Switch::parse(text).err(),
        Key::ScanBlockingSeverity => BlockingSeverity::parse(text).err(),
        Key::Signing => SigningInstance::parse(text).err(),
        _ => None,
    };
    let wrong = unexpected.map(|expected| format!("is wrong: {expected}"));
    let refused = wrong.or_else(|| rule(key, value).map(str::to_owned));
    refused.map_or(Ok(()), |problem| {
        let text = if key == Key::ScannerBaseUrl { "(not shown)" } else { text };
        // The part before `@` may be a password.
        let shown = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("***@{host}"));
        let (text, origin) = (workflow_commands::cut(&shown, QUOTED), value.origin.clone());
        Err(EnvironmentError::Malformed { key, text, origin, problem })
    })
}

/// Longer values are cut in messages, to this many characters.
const QUOTED: usize = 100;

/// Whether a text is a URL without a login. Plans print it.
fn is_open_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#']))
}

/// The rule that the value breaks, if any.
fn rule(key: Key, value: &Value) -> Option<&'static str> {
    Some(match key {
        // Tenant and app become parts of namespaces and repositories, and the tenant also of an account's name.
        Key::TenantName
        | Key::AppName
        | Key::BaseNamespace
        | Key::NamespaceFunctional
        | Key::NamespaceNft
        | Key::NamespaceIntegration
        | Key::NamespaceExtended
        | Key::NamespaceProd
        | Key::Subnamespace
        | Key::Namespace
            if !dns_label(&value.text) =>
        {
            "is not a DNS label: up to 63 lower-case letters, digits and dashes, a letter or digit at both ends"
        }
        Key::Region if !is_label(&value.text) => "is not a region: lower-case letters, digits and dashes",
        // The id may begin with a domain: `example.com:shop`.
        Key::ProjectId if !value.text.split([':', '.']).all(is_label) => {
            "is not a project id: lower-case letters, digits and dashes"
        }
        Key::Registry if !names_a_host(&value.text) => {
            "is not a registry: a host and a path without `https://`, such as `ghcr.io/acme/shop` or `docker.io/acme`"
        }
        Key::ProjectNumber if !value.text.bytes().all(|byte| byte.is_ascii_digit()) => {
            "is not a number; the project's id is another value, project-id"
        }
        Key::ScanHistory if !matches!(value.text.as_str(), "changes" | "full") => {
            "is neither `changes` nor `full`"
        }
        Key::RecordScans if !matches!(value.text.as_str(), "off" | "required") => {
            "is neither `off` nor `required`"
        }
        Key::ScannerBaseUrl if !is_open_address(&value.text) => {
            "is not a URL that begins with `https://` and contains no user, password or query"
        }
        Key::TrivyPath | Key::TrufflehogPath if !value.text.chars().any(char::is_control) => return None,
        // Several globs, or texts with a unit.
        Key::Sarif | Key::TestReports | Key::SubnamespacesTimeout | Key::ScanDbMaxAge | Key::CopyLimit => {
            return None;
        }
        _ if value.text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            "holds a space, a line break or a control character"
        }
        _ => return None,
    })
}

/// Whether a text consists of lower-case letters, digits and dashes, so that it can be a part of a host name or a
/// path.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a registry begins with a host. Docker takes a first part without dot and port as a path at Docker Hub,
/// which would then receive the password.
fn names_a_host(registry: &str) -> bool {
    let host = registry.split('/').next().unwrap_or_default();
    !registry.contains("://") && (host.contains(['.', ':']) || host == "localhost")
}

/// Whether a text is a label according to RFC 1123, as Kubernetes requires for namespaces.
fn dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Checks the length of a derived namespace. Its labels have been checked, so nothing else can be wrong.
fn check_namespace(key: Key, value: &Value, values: &Given) -> Result<(), EnvironmentError> {
    let of_namespaces = key == Key::BaseNamespace || key.derived_from().contains(&Key::BaseNamespace);
    if !of_namespaces || dns_label(&value.text) {
        return Ok(());
    }
    let text = |key: Key| values.get(&key).map(|value| value.text.clone());
    Err(EnvironmentError::Namespace {
        namespace: value.text.clone(),
        key,
        tenant: text(Key::TenantName).unwrap_or_default(),
        app: text(Key::AppName),
    })
}
