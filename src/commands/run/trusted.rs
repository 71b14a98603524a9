//! The user's files and the programs on `PATH`. Targets may change them, and so may the Makefile, because make runs
//! its `$(shell …)` while it reads it. So p2p reads all of them before the Makefile.

use std::path::Path;

use crate::edges::kube::Kubeconfig;
use crate::gate::plan::Place;
use crate::inputs::Inputs;
use oci::Keyring;
use sys::error::Failure;
use sys::world::World;

/// The programs that p2p starts by name, besides those in login files and kubeconfigs.
const PROGRAMS: [&str; 5] = ["git", "make", "docker", "trivy", "trufflehog"];

/// The world with resolved programs, and the user's files.
pub(super) struct Trusted {
    pub(super) world: World,
    pub(super) keyring: Keyring,
    kubeconfig: Result<Kubeconfig, Failure>,
}

impl Trusted {
    /// Reads them. Relative paths start at `directory`.
    pub(super) fn read(world: &World, inputs: &Inputs, directory: &Path) -> Result<Self, Failure> {
        let mut world = world.clone();
        let input = inputs.kubeconfig.as_ref().map(|input| &input.0);
        let kubeconfig = Kubeconfig::find(input, &world.env, directory);
        world.env.hold(PROGRAMS);
        world.env.hold(kubeconfig.iter().flat_map(Kubeconfig::programs));
        let keyring = Keyring::from_env(&world.env)?;
        Ok(Self { world, keyring, kubeconfig: kubeconfig.map_err(Failure::from) })
    }

    /// The kubeconfig from which targets get their part. On GitHub it is the job's own. On a laptop it is used only
    /// if the user names a context.
    pub(super) fn kubeconfig(
        &self,
        inputs: &Inputs,
        place: Place,
        context: Option<&str>,
    ) -> Result<Kubeconfig, Failure> {
        let of_job = place == Place::Github && self.world.env.path("KUBECONFIG").is_some();
        if inputs.kubeconfig.is_some() || context.is_some() || of_job {
            self.kubeconfig.clone()
        } else {
            Ok(Kubeconfig::empty())
        }
    }
}
