//! Artifact Registry on loopback: a real registry behind a door that takes access tokens of a loopback
//! Google, each for the project of its account alone. All projects are on one host.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Runtime;

use super::docker_registry::DockerRegistry;
use super::front::{Act, Front, Seen};
use super::google::Google;

/// The running registry; it stops when dropped.
pub(crate) struct ArtifactRegistry {
    front: Option<Front>,
    /// What is behind the door.
    pub(crate) registry: DockerRegistry,
    runtime: Option<Runtime>,
}

impl ArtifactRegistry {
    /// One that trusts this Google.
    pub(crate) fn start(google: &Google) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = DockerRegistry::start();
        let owner = google.owner();
        let rule = move |seen: &Seen| judge(seen, &owner);
        let front = runtime.block_on(Front::start(registry.host(), rule));
        Self { front: Some(front), registry, runtime: Some(runtime) }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> &str {
        self.front.as_ref().unwrap().host()
    }

    /// The registry of the tenant `shop` in a project.
    pub(crate) fn of(&self, project: &str) -> String {
        format!("{}/{project}/tenant/shop", self.host())
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.front.as_ref().unwrap().seen()
    }
}

impl Drop for ArtifactRegistry {
    fn drop(&mut self) {
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        drop(self.front.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn judge(seen: &Seen, owner: &impl Fn(&str) -> Option<String>) -> Act {
    let refuse = |status, code: &str| {
        let challenge = ("www-authenticate", "Basic realm=\"artifact registry\"".to_owned());
        let body = format!(r#"{{"errors": [{{"code": "{code}", "message": "{code}"}}]}}"#);
        Act::Answer(status, vec![challenge, ("content-type", "application/json".to_owned())], body)
    };
    let basic = seen.header("authorization").strip_prefix("Basic ").unwrap_or_default();
    let login = String::from_utf8(STANDARD.decode(basic).unwrap_or_default()).unwrap_or_default();
    let token = login.strip_prefix("oauth2accesstoken:");
    let Some(account) = token.and_then(owner) else { return refuse(401, "UNAUTHORIZED") };
    let project = seen.uri.path().strip_prefix("/v2/").and_then(|path| path.split('/').next());
    let allowed = match project {
        None | Some("") => true,
        Some(project) => account.contains(&format!("@{project}.")),
    };
    // A mount reads from another repository, maybe of another project.
    let from =
        seen.uri.query().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("from=")));
    let foreign = from.is_some_and(|from| from.split(['/', '%']).next() != project);
    if allowed && !foreign { Act::Pass } else { refuse(403, "DENIED") }
}
