//! Reads the Makefile, and finds which of its promotion recipes are the team's own.

use std::path::PathBuf;
use std::time::Duration;

use super::{Host, Paths, Request};
use crate::domain::environment::{
    Key, Origin, Sources, Stage, TARGETS, TargetEnvironment, Value, Values, assignable, is_ours,
    target_variables,
};
use crate::edges::git::{Git, GitError};
use crate::edges::make::{self, Makefile, ProbeRequest, Unwanted};
use crate::gate::plan::IMAGES;
use crate::inputs::Command;
use sys::error::Failure;
use sys::private;
use sys::world::Env;

/// The longest that make may take to read a Makefile.
const READING: Duration = Duration::from_mins(2);

/// The targets that promote.
fn promotions() -> impl Iterator<Item = &'static str> {
    Stage::ALL.into_iter().filter_map(Stage::promotion)
}

/// The version while there is none yet. No Makefile uses it by chance, so p2p recognises versions that a Makefile
/// derives from it.
const UNSETTLED: &str = "0.0.0-unsettled";

const TENANT: &str = "P2P_TENANT_NAME";

/// The variables with which a team says whether programs use colours.
pub(crate) const COLOUR_SETTINGS: [&str; 6] =
    ["NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CARGO_TERM_COLOR", "PY_COLORS"];

/// Stands for the tenant until the Makefile has been read.
const UNKNOWN_TENANT: &str = "unknown-tenant";

/// Reads the Makefile through make, in the environment that its targets will have.
pub(super) async fn read(
    host: &Host<'_>,
    request: &Request,
    paths: &Paths,
    sources: &Sources,
    version: Option<&str>,
) -> Result<Makefile, Failure> {
    let env = environment(host, request, paths, &expected(request, sources)?, version)?;
    check_flags(&env)?;
    // These names do not come from a pattern rule.
    let gates = TARGETS
        .iter()
        .map(|target| target.name)
        .chain(promotions())
        .filter(|_| request.command != Command::Run);
    let required = request.inputs.required_targets.iter().flat_map(|words| &words.0);
    let named = request.targets.iter().filter(|_| request.command != Command::Scan);
    let mut targets: Vec<_> = named.chain(required).map(String::as_str).collect();
    targets.extend(gates.map(|name| -> &str { name }));
    let given: Vec<_> = assignable().collect();
    let variables = [&[TENANT, "P2P_APP_NAME"], &COLOUR_SETTINGS[..]].concat();
    let makefile = make::probe(ProbeRequest {
        directory: &paths.directory,
        env: &env,
        scratch: &paths.temp,
        targets: &targets,
        variables: &variables,
        given: &given,
        limit: READING,
    });
    Ok(makefile.await?)
}

/// The environment in which make answers questions before the plan. A Makefile may refuse to be read without
/// what its targets will have for certain.
pub(super) fn environment(
    host: &Host<'_>,
    request: &Request,
    paths: &Paths,
    values: &Values,
    version: Option<&str>,
) -> Result<Env, Failure> {
    let version = version.unwrap_or(UNSETTLED);
    let version = Value::new(version, Origin::Run("what targets get is settled later".to_owned()));
    let mut variables = target_variables(&TargetEnvironment {
        values,
        source: None,
        paths: &request.paths,
        version: Some(&version),
        github_token: request.inputs.github_token.as_ref(),
        env_vars: &request.env_vars,
    });
    // Only the Makefile's own value counts.
    variables.set.retain(|_, variable| variable.expose() != UNKNOWN_TENANT);
    let mut env = variables.over(&host.world.env);
    // A `$(shell …)` must not write to the runner's files, as a target must not.
    if host.job.is_some() {
        for (name, file) in private::runner_files(paths.scratch()?)? {
            env.set(name, file);
        }
    }
    Ok(env)
}

/// Refuses options of make that would let a target pass without running, or that replace our values.
fn check_flags(env: &Env) -> Result<(), Failure> {
    let (variable, what) = match make::unwanted(env, is_ours) {
        None => return Ok(()),
        Some(Unwanted::Untested { variable, word }) => {
            (variable, format!("`{word}`, with which a target might pass although nothing is tested"))
        }
        Some(Unwanted::Assigned { variable, name }) => {
            (variable, format!("a value of `{name}`, which the gate sets"))
        }
    };
    Err(Failure::usage(
        format!("the variable `{variable}` holds {what}"),
        format!(
            "take it out of `{variable}`; in the reusable workflows the input `make-flags`, else the variable `P2P_MAKEFLAGS`, gives it; nothing was run"
        ),
    ))
}

/// The values that targets will get. If only the Makefile knows the tenant, a placeholder stands for it in the
/// values that are derived from it.
fn expected(request: &Request, sources: &Sources) -> Result<Values, Failure> {
    let values = sources.target_values(request)?;
    if values.get(Key::TenantName).is_some() {
        return Ok(values);
    }
    let makefile = Sources::makefile(Some(UNKNOWN_TENANT), None);
    Sources { makefile, ..sources.clone() }.target_values(request)
}

/// The files that git tracks among those that define a promotion or `p2p-images`. Recipes in these files are the
/// team's own.
pub(super) async fn tracked(
    git: &Git,
    makefile: Option<&Makefile>,
    paths: &Paths,
) -> Result<Vec<PathBuf>, Failure> {
    let mut tracked = Vec::new();
    for target in promotions().chain([IMAGES]) {
        let Some(make::State::Defined { recipes }) = makefile.map(|makefile| makefile.target(target).state)
        else {
            continue;
        };
        for place in recipes {
            if tracked.contains(&place.file) {
                continue;
            }
            match git.is_tracked(&paths.directory, &place.file).await {
                Ok(true) => tracked.push(place.file),
                // A local run works without git.
                Ok(false) | Err(GitError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(tracked)
}
