//! Slack messages about failures on the main branch and about new versions in production. Every problem with them is
//! only a warning.

use crate::domain::environment::{Key, PROD};
use crate::edges::slack::{self, Notification};
use crate::gate::outcome::{Outcome, StepResult, Verdict};
use crate::inputs::{Command, Inputs};
use crate::report::Console;
use sys::error::{Exit, Failure};
use sys::retry::Watcher;
use sys::world::World;
use workflow_commands::{Level, Secret, run_url};

/// What must be known before the inputs are read, because they may be invalid.
pub(super) struct Slack {
    webhook: Secret,
    /// Whether the run is on the main branch.
    on_main: bool,
    command: String,
    app: Option<String>,
    version: Option<String>,
    repository: String,
    link: String,
}

impl Slack {
    /// `None` outside GitHub and without a webhook.
    pub(super) fn new(world: &World, inputs: &Inputs, console: &Console) -> Option<Self> {
        let webhook = inputs.slack_webhook_url.clone().filter(|_| console.is_github())?.0;
        let env = |name: &str| world.env.get(name).unwrap_or_default().to_owned();
        // Both events also carry the main branch's ref.
        let pull_request = env("GITHUB_EVENT_NAME").starts_with("pull_request");
        let shown = inputs.dry_run || inputs.command == Command::Plan;
        let repository = env("GITHUB_REPOSITORY");
        (!shown).then(|| Self {
            webhook,
            on_main: !pull_request && env("GITHUB_REF") == inputs.main_branch_ref(),
            command: inputs.command.word().to_owned(),
            app: inputs.app_name.clone(),
            version: inputs.version.clone(),
            link: run_url(world.env.get("GITHUB_SERVER_URL"), &repository, &env("GITHUB_RUN_ID")),
            repository,
        })
    }

    /// Sends a message about the result of a run, if it is worth one.
    pub(super) async fn notify(&self, ended: &Result<Option<Outcome>, Failure>, console: &Console) {
        let notification = match ended {
            Ok(Some(outcome)) => self.of_outcome(outcome),
            Err(failure) => self.of_failure(failure),
            Ok(None) => None,
        };
        let Some(mut notification) = notification else { return };
        notification.text = console.masker().clean(&notification.text);
        match slack::notify(&self.webhook, &notification, Watcher::default()).await {
            Ok(()) => console.say("sent the notification to Slack"),
            Err(error) => console.annotate_text(
                Level::Warning,
                "p2p",
                &format!("{error}; the result of the gate is unaffected"),
            ),
        }
    }

    fn of_outcome(&self, outcome: &Outcome) -> Option<Notification> {
        let plan = &outcome.plan;
        let version = Some(plan.version.version.clone()).filter(|version| !version.is_empty());
        let app = plan.environment.text(Key::AppName).map(str::to_owned).or_else(|| self.app.clone());
        // In a job of its own, it is one of several targets.
        let deployed = self.command == "run"
            && self.on_main
            && outcome.steps.iter().any(|step| step.target.as_deref() == Some(PROD));
        let good = match outcome.result {
            Verdict::Failure if self.on_main => false,
            Verdict::Success if (self.command == "prod" || deployed) && version.is_some() => true,
            _ => return None,
        };
        let failed = outcome.steps.iter().filter(|step| !step.status.passes()).map(|step| step.name.as_str());
        let failed: Vec<_> = failed.collect();
        let says = |step: &StepResult| step.cause.is_some() || step.failure.is_some();
        let mut because = outcome.steps.iter().filter(|step| says(step)).filter_map(StepResult::failed_step);
        let because = because.next().map(|failed| format!(": {}", failed.headline())).unwrap_or_default();
        let text = |what: &str| {
            if good {
                format!("{what} is in production")
            } else {
                format!("{} of {what} failed: {}{because}", plan.command, failed.join(", "))
            }
        };
        Some(self.notification(good, app, version, text))
    }

    fn of_failure(&self, failure: &Failure) -> Option<Notification> {
        if !self.on_main || matches!(failure.exit, Exit::Interrupted(_)) {
            return None;
        }
        let text =
            |what: &str| format!("{} of {what} failed before anything ran: {}", self.command, failure.what);
        Some(self.notification(false, self.app.clone(), self.version.clone(), text))
    }

    fn notification(
        &self,
        good: bool,
        app: Option<String>,
        version: Option<String>,
        text: impl FnOnce(&str) -> String,
    ) -> Notification {
        let app = app.unwrap_or_else(|| self.repository.clone());
        let what = version.as_ref().map_or_else(|| app.clone(), |version| format!("{app} {version}"));
        let (repository, link) = (self.repository.clone(), self.link.clone());
        Notification { good, text: text(&what), app, version, repository, link }
    }
}
