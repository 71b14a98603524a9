//! What p2p takes from the user's files and from `PATH`. A target may write there, and so may the Makefile: make runs
//! its `$(shell …)` when it reads it. So all of it is read before the Makefile.

use std::path::Path;

use crate::edges::kube::Kubeconfig;
use crate::gate::plan::Place;
use crate::inputs::Inputs;
use oci::Keyring;
use sys::error::Failure;
use sys::world::World;

/// The programs that p2p starts by name, besides those that login files and kubeconfigs name.
const PROGRAMS: [&str; 5] = ["git", "make", "docker", "trivy", "trufflehog"];

/// The world with its programs looked up, and the user's files.
pub(super) struct Trusted {
    pub(super) world: World,
    pub(super) keyring: Keyring,
    kubeconfig: Result<Kubeconfig, Failure>,
}

impl Trusted {
    /// Relative paths start at `directory`.
    pub(super) fn read(world: &World, inputs: &Inputs, directory: &Path) -> Result<Self, Failure> {
        let mut world = world.clone();
        let input = inputs.kubeconfig.as_ref().map(|input| &input.0);
        let kubeconfig = Kubeconfig::find(input, &world.env, directory);
        world.env.hold(PROGRAMS);
        world.env.hold(kubeconfig.iter().flat_map(Kubeconfig::programs));
        let keyring = Keyring::from_env(&world.env)?;
        Ok(Self { world, keyring, kubeconfig: kubeconfig.map_err(Failure::from) })
    }

    /// The kubeconfig that targets get a part of. A job's own is what the job is about; a laptop's is used only
    /// where a context is named.
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
