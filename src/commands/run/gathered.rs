use crate::gate::context::Context;
use crate::gate::plan::Plan;

/// What is planned in one environment.
pub(super) struct Gathered {
    pub(super) context: Context,
    pub(super) plan: Plan,
    /// The environment, where there are several.
    pub(super) name: Option<String>,
    /// Whether it only promotes what the gate before it tested.
    pub(super) promotes: bool,
}
