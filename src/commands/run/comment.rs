//! The comment on the run's pull request. Every problem with it is only a notice.

use crate::edges::github::{GitHub, comment_marker};
use crate::gate::context::{self, GithubJob, Paths, Request};
use crate::gate::outcome::{Outcome, Verdict};
use crate::inputs::{Command, CommentOn, Inputs};
use crate::report::{Comment, Console, RunLinks};
use sys::error::{Exit, Failure};
use sys::world::Env;
use workflow_commands::{Level, Secret};

/// The pull request, and when to comment on it.
pub(super) struct Commenter {
    on: CommentOn,
    number: u64,
    /// Whether the pull request comes from a fork, whose runs may only read.
    fork: bool,
    job: GithubJob,
    token: Option<Secret>,
    /// The app's name, because several apps may comment on one pull request.
    app: String,
    comment: Comment,
}

impl Commenter {
    /// The pull request of a job, if a comment is wanted.
    pub(super) fn of(job: &GithubJob, request: &Request, paths: &Paths) -> Option<Self> {
        let number = job.pull_request()?;
        let about = matches!(
            request.command,
            Command::FastFeedback | Command::ExtendedTest | Command::Prod | Command::Run | Command::Promote
        );
        let on = context::comment_on(request, paths);
        if !about || request.dry_run || on == CommentOn::Never {
            return None;
        }
        let inputs = &request.inputs;
        let app = app(inputs, &job.repository);
        let environment = inputs.environment.as_deref().unwrap_or_default();
        let part = format!("{} {} {environment}", request.command, request.targets.join(" "));
        Some(Self {
            on,
            number,
            fork: job.lacks_secrets(),
            token: inputs.github_token.clone(),
            comment: Comment::new(
                &app,
                part.trim(),
                job.head_of_pull_request().unwrap_or_else(|| job.sha()),
                job.run,
            ),
            app,
            job: job.clone(),
        })
    }

    /// Comments on the result of the run, if that is wanted.
    pub(super) async fn comment(
        self,
        ended: &Result<Option<Outcome>, Failure>,
        console: &Console,
        env: &Env,
    ) {
        let (ended, verdict) = match ended {
            Ok(Some(outcome)) => (Ok(outcome), outcome.result),
            Err(Failure { exit: Exit::Interrupted(_), .. }) | Ok(None) => return,
            Err(failure) => (Err(failure), Verdict::Failure),
        };
        // After a job is cancelled, the runner does not wait long.
        if verdict == Verdict::Cancelled {
            return;
        }
        let (number, on) = (self.number, self.on);
        let notice = |text: &str| console.annotate_text(Level::Notice, "p2p", text);
        let creates = on == CommentOn::Always || verdict == Verdict::Failure;
        if self.fork {
            if creates {
                notice(&format!(
                    "no comment on pull request {number}: workflows of pull requests from forks may not write"
                ));
            }
            return;
        }
        let comment = self.comment.about(ended, &RunLinks::of(env), &console.masker());
        let text = |before: Option<&str>| {
            let replaces = before.is_some_and(|before| comment.replaces(before));
            let outdated = before.is_some_and(|before| comment.is_outdated(before));
            ((creates || replaces) && !outdated).then(|| comment.over(before))
        };
        let github = GitHub::new(&self.job.api_url, &self.job.repository, self.token.clone());
        let written = match github {
            Ok(github) => github.for_messages().keep_comment(number, &comment_marker(&self.app), text).await,
            Err(error) => Err(format!("no comment on pull request {number}: {error}")),
        };
        if let Err(why) = written {
            notice(&why);
        }
    }
}

/// The app's name in the comment: from the input, or else from the directory or the repository.
fn app(inputs: &Inputs, repository: &str) -> String {
    let directory = inputs.working_directory.clone();
    let directory = directory.trim_matches(['.', '/']);
    let name = inputs.app_name.clone();
    name.unwrap_or_else(|| if directory.is_empty() { repository } else { directory }.to_owned())
}
