use crate::gate::context::Context;
use crate::gate::plan::Plan;

/// The facts and the plan of one environment.
pub(super) struct Gathered {
    pub(super) context: Context,
    pub(super) plan: Plan,
    /// The environment, if there are several.
    pub(super) name: Option<String>,
    /// Whether it only promotes images that an earlier part tested.
    pub(super) promotes: bool,
}
