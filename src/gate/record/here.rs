//! Reads from the job's environment who judges and whose records count.

use super::refs::Refs;
use super::rule::Rule;
use super::value::By;
use sys::world::Env;
use workflow_commands::run_url;

impl By {
    /// This job. On a laptop, all fields are empty.
    pub fn here(env: &Env, on_github: bool) -> Self {
        let read = |name: &str| env.get(name).filter(|_| on_github).map(str::to_owned);
        let repository = read("GITHUB_REPOSITORY");
        let server = read("GITHUB_SERVER_URL");
        let run = repository
            .as_ref()
            .zip(read("GITHUB_RUN_ID"))
            .map(|(repository, id)| run_url(server.as_deref(), repository, &id));
        Self {
            repository,
            repository_id: read("GITHUB_REPOSITORY_ID"),
            commit: None,
            git_ref: read("GITHUB_REF"),
            event: read("GITHUB_EVENT_NAME"),
            workflow: read("GITHUB_WORKFLOW_REF").or_else(|| read("GITHUB_WORKFLOW")),
            run,
            attempt: read("GITHUB_RUN_ATTEMPT"),
            actor: read("GITHUB_ACTOR"),
            environment: None,
        }
    }
}

impl Rule {
    /// Accepts the records of this job's repository. On a laptop, those of any repository.
    pub fn here(env: &Env, on_github: bool, refs: Refs) -> Self {
        let By { repository, repository_id, .. } = By::here(env, on_github);
        Self { repository, repository_id, commit: None, version: None, image: None, refs, signed: None }
    }
}
