//! What the job has access to: an id token, secrets, docker buildx.

use std::ffi::OsStr;
use std::time::Duration;

use super::{Host, Request};
use crate::domain::environment::inherited;
use crate::gate::plan::{Buildx, Cloud, INSPECT_BUILDER};
use crate::inputs::{BuildCache, Command, ID_TOKEN};
use sys::process::{Spec, capture_any};
use sys::world::World;

/// How long docker may take to show its builder. After that, p2p assumes that there is none.
const SHOWING: Duration = Duration::from_secs(20);

/// Reads the environment, and asks docker if a build may use its cache.
pub(super) async fn read(host: &Host<'_>, request: &Request) -> Cloud {
    let (world, job) = (host.world, host.job.as_ref());
    let inputs = &request.inputs;
    let asks = match inputs.build_cache {
        None => job.is_some(),
        Some(asked) => asked == BuildCache::Registry,
    };
    let builds = matches!(request.command, Command::FastFeedback | Command::Run);
    Cloud {
        id_token: ID_TOKEN.iter().all(|name| world.reserved.get(name).is_some()),
        buildx: if asks && builds { buildx(world).await } else { Buildx::Absent },
        runtime_token: world.env.get("ACTIONS_RUNTIME_TOKEN").is_some(),
    }
}

async fn buildx(world: &World) -> Buildx {
    let Some(docker) = world.env.find_program(OsStr::new("docker")) else { return Buildx::Absent };
    let spec = Spec::new(docker, INSPECT_BUILDER, &world.directory, inherited(&world.env));
    match capture_any(&spec, SHOWING).await {
        Ok(shown) if shown.succeeded() => Buildx::read(&String::from_utf8_lossy(&shown.stdout)),
        _ => Buildx::Absent,
    }
}
