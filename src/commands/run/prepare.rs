//! Splits a request into the parts of a run: one for each environment of the gate, and one for each promotion after
//! the first. All parts are planned before any part runs. docs/design/prepare.md describes the steps.

use super::gathered::Gathered;
use super::wiring::Wiring;
use crate::domain::image::ImagePath;
use crate::gate::context::{self, Asking, Context, Paths, Request};
use crate::gate::plan::{Action, Job, Plan};
use sys::error::Failure;

/// Gathers the facts of all parts and plans them.
pub(super) async fn gather(
    wiring: &Wiring<'_>,
    request: Request,
    paths: &Paths,
) -> Result<Vec<Gathered>, Failure> {
    let host = wiring.host;
    let mut parts: Vec<Gathered> = Vec::new();
    let requests = context::split(request)?;
    let several = requests.len() > 1;
    for mut request in requests {
        // All environments of a later gate test the version of the first one, because only that is promoted.
        request.decided = parts.first().and_then(|part| part.context.later.as_ref()?.version.clone());
        if !parts.is_empty() {
            request.embedded_registry = None;
        }
        let name = request.target_environment.as_ref().map(|name| name.text.clone()).filter(|_| several);
        let gathered = async {
            let paths = name.as_ref().map_or_else(|| Ok(paths.clone()), |name| paths.apart(name))?;
            let client = async |asking: Asking<'_>| wiring.client(asking).await;
            let context = Context::gather(host, request, paths, client).await?;
            Ok::<_, Failure>((context.plan()?, context))
        };
        let (plan, context) = Box::pin(gathered).await.map_err(|failure: Failure| match &name {
            Some(name) => failure.context(format!("the gate cannot run in the environment {name}")),
            None => failure,
        })?;
        parts.push(Gathered { context, plan, name, promotes: false });
    }
    let promotions = other_promotions(wiring, &parts).await?;
    let named = several || !promotions.is_empty();
    for Gathered { context, plan, name, .. } in &mut parts {
        plan.name_environments(name.as_deref(), context.destination_environment().filter(|_| named));
    }
    parts.extend(promotions);
    Ok(parts)
}

/// The promotions to the other environments of the next gate.
async fn other_promotions(wiring: &Wiring<'_>, parts: &[Gathered]) -> Result<Vec<Gathered>, Failure> {
    let mut promotions: Vec<Gathered> = Vec::new();
    let Some((first, there)) = parts.first().and_then(|first| Some((first, destination(&first.plan)?)))
    else {
        return Ok(promotions);
    };
    let gate = &first.context;
    let requests = context::other_promotions(&gate.request, gate.environment(), &first.plan.version.version);
    for request in requests {
        let name = request.inputs.dest_environment.clone().unwrap_or_default();
        let paths = gate.paths.apart(&name)?;
        let client = async |asking: Asking<'_>| wiring.client(asking).await;
        let context = Box::pin(Context::gather(wiring.host, request, paths, client)).await?;
        let mut plan = context.plan().map_err(|failure| {
            failure.context(format!("nothing can be promoted to the environment {name}"))
        })?;
        // Environments may share a registry.
        if destination(&plan) != Some(there) {
            plan.name_environments(Some(&name), Some(&name));
            promotions.push(Gathered { context, plan, name: Some(name), promotes: true });
        }
    }
    Ok(promotions)
}

/// The destination of a plan's promotion.
fn destination(plan: &Plan) -> Option<&ImagePath> {
    plan.steps.iter().filter(|step| step.action == Action::Run).find_map(|step| match &step.job {
        Job::Promote(promotion) => Some(&promotion.destination),
        _ => None,
    })
}
