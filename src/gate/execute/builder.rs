//! The buildx builder that exports caches.

use std::path::Path;
use std::time::Duration;

use crate::domain::environment::inherited;
use crate::gate::plan::{CREATE_BUILDER, Cache};
use sys::process::{Spec, capture_any};
use sys::world::Env;

/// How long docker may take to register a builder. Only the first build starts it.
const CREATING: Duration = Duration::from_mins(1);

/// Creates the builder in the user's own Docker directory, if the cache needs it. If that fails, builds run without
/// a cache, and p2p warns.
pub(crate) async fn builder(env: &Env, directory: &Path, cache: Cache) -> (Cache, Option<String>) {
    if !cache.builder {
        return (cache, None);
    }
    let spec = Spec::new("docker", CREATE_BUILDER, directory, inherited(env));
    let why = match capture_any(&spec, CREATING).await {
        Ok(made) if made.succeeded() => return (cache, None),
        Ok(made) => {
            // A runner that outlives a job has the builder already.
            if made.stderr.contains("existing instance") {
                return (cache, None);
            }
            sys::http::words(&made.stderr)
        }
        Err(error) => error.to_string(),
    };
    let warning = format!("images are built without a cache, as no builder could be made for it: {why}");
    (Cache::default(), Some(warning))
}
