//! Where image builds keep their layers. GitHub gives `run` steps no token for its cache, so the `type=gha` that
//! Makefiles request through `p2p_image_cache` has no effect there. A cache in the registry, beside the image,
//! works.

use serde::Serialize;

use super::Place;
use crate::inputs::BuildCache;

/// The assignment on make's command line. make expands it for each target and each `$(call …)`, so every image has a
/// cache of its own: `p2p_image` is a pattern-specific variable in the Makefiles that have it. Without `p2p_image`
/// there is no cache. The assignment checks the variable's origin first, because make can warn about undefined
/// variables. A registry that refuses the cache must not fail the build, and not all registries accept a cache that
/// is no image. (Only the last argument of a make function may contain commas, hence `foreach` over a single image.)
const REGISTRY: &str = "p2p_image_cache=$(foreach p2p_cached,$(if $(filter-out undefined,$(origin p2p_image)),$(p2p_image)),\
--cache-from=type=registry,ref=$(p2p_cached):cache \
--cache-to=type=registry,ref=$(p2p_cached):cache,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true)";

/// The assignment without a cache.
const NONE: &str = "p2p_image_cache=";

/// The name of our builder. Targets get it in `BUILDX_BUILDER`.
pub const BUILDER: &str = "p2p";

/// The arguments of `docker` that create our builder. Unlike the default `docker` driver, it can export a cache, and
/// `docker image push` finds its images.
pub const CREATE_BUILDER: [&str; 8] = [
    "buildx",
    "create",
    "--name",
    BUILDER,
    "--driver",
    "docker-container",
    "--driver-opt",
    "default-load=true",
];

/// The arguments of `docker` that show the current builder. [`Buildx::read`] reads the output.
pub const INSPECT_BUILDER: [&str; 2] = ["buildx", "inspect"];

/// Whether docker buildx can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buildx {
    /// It is not installed, or Docker is not running.
    Absent,
    /// The current builder is Docker's own, which exports no cache.
    Plain,
    /// Somebody chose the current builder, and it exports caches.
    Capable,
}

impl Buildx {
    /// Reads the output of `docker buildx inspect`.
    pub fn read(inspected: &str) -> Self {
        let driver = inspected.lines().find_map(|line| line.strip_prefix("Driver:")).map(str::trim);
        match driver {
            None => Self::Absent,
            Some("docker") => Self::Plain,
            Some(_) => Self::Capable,
        }
    }
}

/// What p2p does for the build cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// An assignment on make's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<&'static str>,
    /// Whether our builder is needed ([`CREATE_BUILDER`]).
    pub builder: bool,
    /// A warning for the user.
    #[serde(skip)]
    pub warning: Option<&'static str>,
}

/// Decides about the build cache. `asked` is the input `build-cache`. Without it, a job on GitHub with buildx uses a
/// cache in the registry, and every other run leaves the cache alone. `token` is whether the job has the token of
/// GitHub's cache (`ACTIONS_RUNTIME_TOKEN`).
pub fn cache(asked: Option<BuildCache>, place: Place, buildx: Buildx, token: bool) -> Cache {
    let alone = Cache { assignment: None, builder: false, warning: None };
    match asked {
        None if place == Place::Local || buildx == Buildx::Absent => alone,
        Some(BuildCache::Registry) if buildx == Buildx::Absent => Cache {
            warning: Some(
                "`build-cache: registry` needs docker buildx, and there is none: nothing is cached",
            ),
            ..alone
        },
        None | Some(BuildCache::Registry) => {
            Cache { assignment: Some(REGISTRY), builder: buildx == Buildx::Plain, warning: None }
        }
        Some(BuildCache::Off) => Cache { assignment: Some(NONE), ..alone },
        Some(BuildCache::Keep) if place == Place::Github && !token => Cache {
            warning: Some(
                "`build-cache: keep`: a build cache of `type=gha` does nothing here, because GitHub gives its token \
                 to actions and not to `run` steps; `build-cache: registry` works",
            ),
            ..alone
        },
        Some(BuildCache::Keep) => alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BuildCache::{Keep, Off, Registry};
    use Buildx::{Absent, Capable, Plain};

    #[test]
    fn the_registry_is_the_default_where_it_can_work() {
        let on = |buildx| cache(None, Place::Github, buildx, false);
        assert_eq!(on(Plain), Cache { assignment: Some(REGISTRY), builder: true, warning: None });
        assert_eq!(on(Capable), Cache { assignment: Some(REGISTRY), builder: false, warning: None });
        assert_eq!(on(Absent), Cache { assignment: None, builder: false, warning: None });
        assert_eq!(cache(None, Place::Local, Plain, false), on(Absent));
        assert_eq!(cache(Some(Registry), Place::Local, Plain, false), on(Plain));
    }

    #[test]
    fn what_was_asked_for_and_cannot_be_is_warned_of() {
        let warned = |asked, place, buildx, token| cache(Some(asked), place, buildx, token).warning.is_some();
        assert!(warned(Registry, Place::Github, Absent, false));
        assert!(warned(Keep, Place::Github, Plain, false));
        assert!(!warned(Keep, Place::Github, Plain, true), "the token was passed on");
        assert!(!warned(Keep, Place::Local, Plain, false));
        assert!(!warned(Off, Place::Github, Plain, false));
    }

    #[test]
    fn off_takes_the_cache_away_and_keep_leaves_it() {
        assert_eq!(cache(Some(Off), Place::Github, Plain, false).assignment, Some("p2p_image_cache="));
        assert_eq!(cache(Some(Keep), Place::Github, Plain, false).assignment, None);
        assert!(!cache(Some(Keep), Place::Github, Plain, false).builder);
    }

    #[test]
    fn the_driver_is_read() {
        let inspected = |driver| format!("Name:          x\nDriver:        {driver}\n\nNodes:\nName: x0\n");
        assert_eq!(Buildx::read(&inspected("docker")), Plain);
        assert_eq!(Buildx::read(&inspected("docker-container")), Capable);
        assert_eq!(Buildx::read(&inspected("remote")), Capable);
        assert_eq!(Buildx::read("ERROR: no builder \"x\" found"), Absent);
        assert_eq!(Buildx::read(""), Absent);
    }
}
