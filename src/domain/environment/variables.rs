//! The variables of a make target: the only table that names them all (contract §5 and §6), and the set for one
//! target.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::key::Key;
use super::stage::Stage;
use super::value::{Origin, write_table};
use sys::world::Env;
use workflow_commands::Secret;

/// The source of a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesFrom {
    /// A value of the environment. In a promotion, of the destination.
    Value(Key),
    /// The environment's name.
    Environment,
    /// The version.
    Version,
    /// The registry path of a stage.
    Path(Stage),
    /// The registry with the path of a stage.
    PathInRegistry(Stage),
    /// The `github-token` input.
    GithubToken,
    /// A value of the source, in a promotion.
    Source(Key),
    /// The name of the source, in a promotion.
    SourceEnvironment,
    /// The name of the destination, in a promotion.
    DestinationEnvironment,
    /// A file with the credentials of the environment, if the run uses its service account. It is set when the
    /// target starts.
    Credentials,
    /// A file or directory that exists only while the target runs. It is set when the target starts.
    Run,
}

/// A variable that p2p sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    /// The source of its value.
    pub from: ComesFrom,
}

/// The names of variables that are set when a target starts ([`ComesFrom::Run`]).
pub mod runtime {
    /// A kubeconfig for this target alone.
    pub const KUBECONFIG: &str = "KUBECONFIG";
    /// The same, for Terraform.
    pub const KUBE_CONFIG_PATH: &str = "KUBE_CONFIG_PATH";
    /// The environment's credential file, for Google's client libraries.
    pub const GOOGLE_APPLICATION_CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    /// The same, for gcloud.
    pub const CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE: &str = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE";
    /// The same, for Google's own actions.
    pub const GOOGLE_GHA_CREDS_PATH: &str = "GOOGLE_GHA_CREDS_PATH";
    /// The directory that make runs in.
    pub const PWD: &str = "PWD";
    /// The root of the workspace, or of its copy.
    pub const GITHUB_WORKSPACE: &str = "GITHUB_WORKSPACE";
    /// A directory with Docker's logins.
    pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
    /// A file with the logins of skopeo, buildah and podman.
    pub const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
    /// The absolute path of p2p, for Makefiles that use its commands.
    pub const P2P_BIN: &str = "P2P_BIN";
    /// The input `insecure-registries`, for p2p itself.
    pub const P2P_INSECURE_REGISTRIES: &str = "P2P_INSECURE_REGISTRIES";
    /// A file of the target's own, which p2p discards.
    pub const GITHUB_OUTPUT: &str = "GITHUB_OUTPUT";
    /// A file of the target's own, which p2p discards.
    pub const GITHUB_ENV: &str = "GITHUB_ENV";
    /// A file of the target's own, which p2p discards.
    pub const GITHUB_PATH: &str = "GITHUB_PATH";
    /// A file of the target's own, which p2p discards.
    pub const GITHUB_STATE: &str = "GITHUB_STATE";
    /// A file of the target's own. p2p appends its text to the step's summary.
    pub const GITHUB_STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
    /// The step's file of artifact subjects, which only p2p writes.
    pub const GITHUB_ARTIFACTS: &str = "GITHUB_ARTIFACTS";
    /// In a promotion: the credential file for the source.
    pub const SOURCE_AUTH_OVERRIDE: &str = "SOURCE_AUTH_OVERRIDE";
    /// In a promotion: the credential file for the destination.
    pub const DEST_AUTH_OVERRIDE: &str = "DEST_AUTH_OVERRIDE";
    /// In a promotion: the source's access token (secret).
    pub const SOURCE_ACCESS_TOKEN: &str = "SOURCE_ACCESS_TOKEN";
    /// In a promotion: the destination's access token (secret).
    pub const DEST_ACCESS_TOKEN: &str = "DEST_ACCESS_TOKEN";
}

/// Every variable that p2p sets. `env-vars` cannot contain them.
pub const TABLE: &[Entry] = &[
    row("REGISTRY", ComesFrom::Value(Key::Registry)),
    row("P2P_REGISTRY", ComesFrom::Value(Key::Registry)),
    row("VERSION", ComesFrom::Version),
    row("P2P_VERSION", ComesFrom::Version),
    row("TENANT_NAME", ComesFrom::Value(Key::TenantName)),
    row("P2P_TENANT_NAME", ComesFrom::Value(Key::TenantName)),
    row("P2P_APP_NAME", ComesFrom::Value(Key::AppName)),
    row("FAST_FEEDBACK_PATH", ComesFrom::Path(Stage::FastFeedback)),
    row("EXTENDED_TEST_PATH", ComesFrom::Path(Stage::ExtendedTest)),
    row("PROD_PATH", ComesFrom::Path(Stage::Prod)),
    row("P2P_REGISTRY_FAST_FEEDBACK_PATH", ComesFrom::Path(Stage::FastFeedback)),
    row("P2P_REGISTRY_EXTENDED_TEST_PATH", ComesFrom::Path(Stage::ExtendedTest)),
    row("P2P_REGISTRY_PROD_PATH", ComesFrom::Path(Stage::Prod)),
    row("P2P_REGISTRY_FAST_FEEDBACK", ComesFrom::PathInRegistry(Stage::FastFeedback)),
    row("P2P_REGISTRY_EXTENDED_TEST", ComesFrom::PathInRegistry(Stage::ExtendedTest)),
    row("P2P_REGISTRY_PROD", ComesFrom::PathInRegistry(Stage::Prod)),
    row("P2P_NAMESPACE_FUNCTIONAL", ComesFrom::Value(Key::NamespaceFunctional)),
    row("P2P_NAMESPACE_NFT", ComesFrom::Value(Key::NamespaceNft)),
    row("P2P_NAMESPACE_INTEGRATION", ComesFrom::Value(Key::NamespaceIntegration)),
    row("P2P_NAMESPACE_EXTENDED", ComesFrom::Value(Key::NamespaceExtended)),
    row("P2P_NAMESPACE_PROD", ComesFrom::Value(Key::NamespaceProd)),
    row("BASE_DOMAIN", ComesFrom::Value(Key::BaseDomain)),
    row("INTERNAL_SERVICES_DOMAIN", ComesFrom::Value(Key::InternalServicesDomain)),
    row("DPLATFORM", ComesFrom::Value(Key::Dplatform)),
    row("PLATFORM_ENVIRONMENT", ComesFrom::Environment),
    row("PROJECT_ID", ComesFrom::Value(Key::ProjectId)),
    row("PROJECT_NUMBER", ComesFrom::Value(Key::ProjectNumber)),
    row("REGION", ComesFrom::Value(Key::Region)),
    row("SERVICE_ACCOUNT", ComesFrom::Value(Key::ServiceAccount)),
    row("WORKLOAD_IDENTITY_PROVIDER", ComesFrom::Value(Key::WorkloadIdentityProvider)),
    row("CLOUDSDK_CORE_PROJECT", ComesFrom::Value(Key::ProjectId)),
    row("CLOUDSDK_PROJECT", ComesFrom::Value(Key::ProjectId)),
    row("GCLOUD_PROJECT", ComesFrom::Value(Key::ProjectId)),
    row("GCP_PROJECT", ComesFrom::Value(Key::ProjectId)),
    row("GOOGLE_CLOUD_PROJECT", ComesFrom::Value(Key::ProjectId)),
    row("GITHUB_TOKEN", ComesFrom::GithubToken),
    row("SOURCE_REGISTRY", ComesFrom::Source(Key::Registry)),
    row("SOURCE_PROJECT_ID", ComesFrom::Source(Key::ProjectId)),
    row("SOURCE_SERVICE_ACCOUNT", ComesFrom::Source(Key::ServiceAccount)),
    row("SOURCE_WORKLOAD_IDENTITY_PROVIDER", ComesFrom::Source(Key::WorkloadIdentityProvider)),
    row("SOURCE_GITHUB_ENV", ComesFrom::SourceEnvironment),
    row("DEST_GITHUB_ENV", ComesFrom::DestinationEnvironment),
    row(runtime::SOURCE_AUTH_OVERRIDE, ComesFrom::Run),
    row(runtime::DEST_AUTH_OVERRIDE, ComesFrom::Run),
    row(runtime::SOURCE_ACCESS_TOKEN, ComesFrom::Run),
    row(runtime::DEST_ACCESS_TOKEN, ComesFrom::Run),
    row(runtime::KUBECONFIG, ComesFrom::Run),
    row(runtime::KUBE_CONFIG_PATH, ComesFrom::Run),
    row(runtime::GOOGLE_APPLICATION_CREDENTIALS, ComesFrom::Credentials),
    row(runtime::CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE, ComesFrom::Credentials),
    row(runtime::GOOGLE_GHA_CREDS_PATH, ComesFrom::Credentials),
    row(runtime::PWD, ComesFrom::Run),
    row(runtime::GITHUB_WORKSPACE, ComesFrom::Run),
    row(runtime::DOCKER_CONFIG, ComesFrom::Run),
    row(runtime::REGISTRY_AUTH_FILE, ComesFrom::Run),
    row(runtime::P2P_BIN, ComesFrom::Run),
    row(runtime::P2P_INSECURE_REGISTRIES, ComesFrom::Run),
    row(runtime::GITHUB_OUTPUT, ComesFrom::Run),
    row(runtime::GITHUB_ENV, ComesFrom::Run),
    row(runtime::GITHUB_PATH, ComesFrom::Run),
    row(runtime::GITHUB_STATE, ComesFrom::Run),
    row(runtime::GITHUB_STEP_SUMMARY, ComesFrom::Run),
    row(runtime::GITHUB_ARTIFACTS, ComesFrom::Run),
];

const fn row(name: &'static str, from: ComesFrom) -> Entry {
    Entry { name, from }
}

/// The variables that a Makefile may override by an assignment. `PWD` is not among them, because its value is fixed,
/// and neither are the runner's files.
pub fn assignable() -> impl Iterator<Item = &'static str> {
    let files =
        [runtime::KUBECONFIG, runtime::KUBE_CONFIG_PATH, runtime::DOCKER_CONFIG, runtime::REGISTRY_AUTH_FILE];
    let named = move |entry: &&Entry| entry.from != ComesFrom::Run || files.contains(&entry.name);
    TABLE.iter().filter(named).map(|entry| entry.name)
}

/// The entry with this name.
pub(super) fn entry(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

/// Whether p2p sets a variable with this name.
pub fn is_ours(name: &str) -> bool {
    entry(name).is_some()
}

/// A variable's value with its source. A secret value is serialised and printed as `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    content: Content,
    /// Where the value came from.
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Plain(String),
    Secret(Secret),
}

impl Variable {
    /// A value that may be printed.
    pub fn plain(text: impl Into<String>, origin: Origin) -> Self {
        Self { content: Content::Plain(text.into()), origin }
    }

    /// A secret value.
    pub fn secret(secret: Secret, origin: Origin) -> Self {
        Self { content: Content::Secret(secret), origin }
    }

    pub fn is_secret(&self) -> bool {
        matches!(self.content, Content::Secret(_))
    }

    /// The value in a form that may be printed.
    pub fn shown(&self) -> &str {
        match &self.content {
            Content::Plain(text) => text,
            Content::Secret(_) => "***",
        }
    }

    /// The value, for the process that needs it.
    pub fn expose(&self) -> &str {
        match &self.content {
            Content::Plain(text) => text,
            Content::Secret(secret) => secret.expose(),
        }
    }
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut variable = serializer.serialize_struct("Variable", 3)?;
        variable.serialize_field("value", self.shown())?;
        variable.serialize_field("origin", &self.origin)?;
        variable.serialize_field("secret", &self.is_secret())?;
        variable.end()
    }
}

/// The variables of a target, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Variables {
    /// The variables to set.
    pub set: BTreeMap<String, Variable>,
    /// The variables to remove from the inherited environment, because they describe another environment.
    pub unset: BTreeSet<&'static str>,
}

impl Variables {
    /// The variable with this name, if it is set.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.set.get(name)
    }

    pub fn insert(&mut self, name: impl Into<String>, variable: Variable) {
        let name = name.into();
        self.unset.remove(name.as_str());
        self.set.insert(name, variable);
    }

    /// Sets the version, if there is one. It may differ from the planned one, if another run took that tag first.
    #[must_use]
    pub fn with_version(mut self, version: &str, origin: &Origin) -> Self {
        let ours = |entry: &&Entry| entry.from == ComesFrom::Version && !version.is_empty();
        for entry in TABLE.iter().filter(ours) {
            self.insert(entry.name, Variable::plain(version, origin.clone()));
        }
        self
    }

    /// The environment of a target: the inherited variables that targets may see, overridden by these.
    pub fn over(&self, process: &Env) -> Env {
        let mut env = inherited(process);
        for name in &self.unset {
            env.remove(name);
        }
        for (name, variable) in &self.set {
            env.set(name, variable.expose());
        }
        env
    }
}

/// One variable per line with its source, as `p2p plan` shows it.
impl fmt::Display for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.set.iter();
        write_table(f, set.map(|(name, variable)| (name.as_str(), variable.shown(), &variable.origin)))?;
        if !self.unset.is_empty() {
            let names: Vec<&str> = self.unset.iter().copied().collect();
            write!(f, "\nnot inherited: {}", names.join(", "))?;
        }
        Ok(())
    }
}

/// The inherited variables that targets may see. A variable of the table is left out if it is empty, because an
/// empty one would defeat a Makefile's `?=`.
pub fn inherited(process: &Env) -> Env {
    let ours = |name: &OsStr| name.to_str().is_some_and(|name| entry(name).is_some());
    let mut env = process.clone();
    env.retain(|name, value| !(value.is_empty() && ours(name)));
    env
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn no_name_stands_twice_in_the_table() {
        let names: BTreeSet<&str> = TABLE.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn empty_variables_of_ours_are_not_passed_on() {
        let process: Env = [
            ("PATH", "/bin"),
            ("REGION", ""),
            ("BASE_DOMAIN", "of-the-job"),
            ("EMPTY_OF_OTHERS", ""),
            ("PROJECT_ID", "of-the-job"),
        ]
        .into_iter()
        .collect();
        let mut variables = Variables::default();
        variables.unset.extend(["PROJECT_ID", "VERSION"]);
        variables.insert("VERSION", Variable::plain("1.2.3", Origin::Default));
        variables.insert("TOKEN", Variable::secret(Secret::new("s3cret"), Origin::EnvVars));
        let expected: Env = [
            ("PATH", "/bin"),
            ("BASE_DOMAIN", "of-the-job"),
            ("EMPTY_OF_OTHERS", ""),
            ("VERSION", "1.2.3"),
            ("TOKEN", "s3cret"),
        ]
        .into_iter()
        .collect();
        assert!(variables.over(&process) == expected, "{:?}", variables.over(&process));
    }

    #[test]
    fn a_plan_shows_no_secret() {
        let mut variables = Variables::default();
        variables.insert("TOKEN", Variable::secret(Secret::new("s3cret"), Origin::EnvVars));
        let shown = format!("{} {variables:?}", serde_json::to_string(&variables).unwrap());
        assert!(shown.starts_with(
            r#"{"set":{"TOKEN":{"value":"***","origin":"input env-vars","secret":true}},"unset":[]}"#
        ));
        assert!(!shown.contains("s3cret"));
    }
}
