//! A kubeconfig: its parts, and the version for a target.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::error::KubeError;
use super::secrets;
use sys::private;
use workflow_commands::Secret;

/// The current context of [`Kubeconfig::empty`]. It does not exist, so kubectl and helm fail with `context was not
/// found: no-cluster`. Without any current context, they would connect to `localhost:8080`, or to the cluster of the
/// pod that they run in.
pub const NO_CLUSTER: &str = "no-cluster";

/// The clusters, users and contexts from one or more files, with absolute paths.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    pub(super) current: Option<String>,
    pub(super) clusters: Vec<Named>,
    pub(super) users: Vec<Named>,
    pub(super) contexts: Vec<Named>,
    /// Whether p2p made it for an account of the run. Otherwise the user gave it.
    pub(super) made: bool,
}

/// An item of one of the three lists.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: Map<String, Json>,
}

/// Shows only the names of the contexts, because the rest contains tokens and keys.
impl std::fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubeconfig")
            .field("current", &self.current)
            .field("contexts", &self.contexts().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// A kubeconfig without a cluster (see [`NO_CLUSTER`]).
    pub fn empty() -> Self {
        Self { current: Some(NO_CLUSTER.to_owned()), ..Self::default() }
    }

    /// A kubeconfig with a single, current context. Its cluster and user have the same name. client-go reads the
    /// user's token from the file every minute, so p2p renews the token by writing the file. `authority` is PEM in
    /// base64. Without it, the server must have a public certificate.
    pub fn with_token_file(context: &str, server: &str, authority: Option<&str>, token_file: &Path) -> Self {
        let item = |value: Json| Named {
            name: context.to_owned(),
            value: value.as_object().cloned().unwrap_or_default(),
        };
        let mut cluster = item(json!({ "server": server }));
        if let Some(authority) = authority {
            cluster.value.insert("certificate-authority-data".to_owned(), json!(authority));
        }
        Self {
            current: Some(context.to_owned()),
            clusters: vec![cluster],
            users: vec![item(json!({ "tokenFile": token_file.to_string_lossy() }))],
            contexts: vec![item(json!({ "cluster": context, "user": context }))],
            made: true,
        }
    }

    /// The secrets: tokens, passwords and keys.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for user in &self.users {
            secrets::gather(&Json::Object(user.value.clone()), &mut secrets);
        }
        secrets
    }

    /// The programs that return credentials for its users.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|user| user.value.get("exec")?.get("command")?.as_str())
    }

    /// The names of the contexts, in the order of the files.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.contexts.iter().map(|context| context.name.as_str())
    }

    /// The kubeconfig for a target: `context` (or the current one) with its cluster and user, and nothing else, so
    /// that no target can use another cluster. `namespace` becomes the current namespace; without it, the context
    /// keeps its own. Without a wanted context, a kubeconfig without clusters, such as [`Kubeconfig::empty`], stays
    /// unchanged.
    pub fn for_target(&self, context: Option<&str>, namespace: Option<&str>) -> Result<Self, KubeError> {
        let known = || self.contexts().map(str::to_owned).collect();
        if context.is_none() && *self == Self::empty() {
            return Ok(Self::empty());
        }
        let wanted =
            context.or(self.current.as_deref()).ok_or_else(|| KubeError::NoCurrent { known: known() })?;
        let mut context = find(&self.contexts, wanted)
            .cloned()
            .ok_or_else(|| KubeError::NoContext { wanted: wanted.to_owned(), known: known() })?;
        let named = |kind: &'static str, list: &[Named]| match context.value.get(kind).and_then(Json::as_str)
        {
            // A context without a user is anonymous, or the cluster identifies us in another way.
            None | Some("") if kind == "user" => Ok(Vec::new()),
            name => {
                let name = name.unwrap_or_default();
                find(list, name).map(|item| vec![item.clone()]).ok_or_else(|| KubeError::Dangling {
                    context: wanted.to_owned(),
                    kind,
                    name: name.to_owned(),
                })
            }
        };
        let (clusters, users) = (named("cluster", &self.clusters)?, named("user", &self.users)?);
        if let Some(namespace) = namespace {
            context.value.insert("namespace".to_owned(), json!(namespace));
        }
        Ok(Self {
            current: Some(wanted.to_owned()),
            clusters,
            users,
            contexts: vec![context],
            made: self.made,
        })
    }

    /// Writes it to a private file in one step, as JSON, which every reader of kubeconfigs accepts.
    pub fn write(&self, path: &Path) -> Result<(), KubeError> {
        private::write(path, self.json().to_string().as_bytes())
            .map_err(|source| KubeError::Write { path: path.to_owned(), source })
    }

    fn json(&self) -> Json {
        let list = |kind: &str, items: &[Named]| -> Json {
            items.iter().map(|item| json!({"name": item.name, kind: item.value})).collect()
        };
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.current.as_deref().unwrap_or_default(),
            "clusters": list("cluster", &self.clusters),
            "users": list("user", &self.users),
            "contexts": list("context", &self.contexts),
        })
    }
}

fn find<'a>(list: &'a [Named], name: &str) -> Option<&'a Named> {
    list.iter().find(|item| item.name == name)
}
