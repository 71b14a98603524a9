//! Slack on the other end of a webhook: what it is told, when, and that nothing of it can fail a gate.

use std::time::Duration;

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::server::{Reply, Seen, Server};

const SERVICE: &str = "/services/T0000/B0000/s3cretOfSlack";
const TRIGGER: &str = "/triggers/E0000/12345/s3cretOfSlack";
const LINK: &str = "https://github.example/acme/shop/actions/runs/41";

/// A push to main, with this webhook at a server that takes everything.
fn scene(makefile: &str, path: &str) -> (Gate, Server) {
    let server = Server::start(None, |_| Reply::text(200, "ok"));
    let gate = Gate::new(makefile).input("slack-webhook-url", &format!("http://{}{path}", server.address));
    (gate, server)
}

fn fails() -> String {
    MAKEFILE.replace(
        "p2p-functional p2p-nft p2p-integration:\n",
        "p2p-functional p2p-nft p2p-integration:\n\t@false\n",
    )
}

/// The secret of the URL is nowhere.
#[track_caller]
fn leaks_nothing(run: &Run) {
    for (name, text) in run.texts() {
        let text: String = text.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        assert!(!text.contains("s3cretOfSlack"), "{name}: {text}");
    }
}

#[test]
fn a_failure_on_the_main_branch_is_told_with_blocks() {
    let (gate, slack) = scene(&fails(), SERVICE);
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    leaks_nothing(&run);
    let message = slack.requests();
    assert_eq!(message.iter().map(Seen::line).collect::<Vec<_>>(), [format!("POST {SERVICE}")]);
    assert_eq!(message[0].header("content-type"), "application/json");
    let text = ":x: fast-feedback of shop 0.0.1 failed: p2p-functional, p2p-nft";
    let link = message[0].json()["blocks"][1]["elements"][0]["text"].as_str().unwrap().to_owned();
    assert!(
        link.starts_with("acme/shop · <http") && link.ends_with("/acme/shop/actions/runs/41|the run>"),
        "{link}"
    );
    assert_eq!(
        message[0].json(),
        json!({
            "text": text,
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": text}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": link}]},
            ],
        })
    );
}

#[test]
fn a_failure_is_told_with_its_cause() {
    let recipe = "p2p-functional p2p-nft p2p-integration:\n\t@echo 'error: the load is too high'; false\n";
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:\n", recipe);
    let (gate, slack) = scene(&makefile, TRIGGER);
    gate.run(&["fast-feedback"]).ended(2);
    let (gate, own) = scene(MAKEFILE, TRIGGER);
    let run = gate.input("image-names", "other").run(&["fast-feedback"]);
    assert_eq!(run.step("images"), "failed");
    for (slack, text) in [
        (slack, "failed: p2p-functional, p2p-nft: error: the load is too high"),
        (own, "failed: images: the image 127.0.0.1:"),
    ] {
        let message = slack.requests()[0].json();
        let notification = message["notification"].as_str().unwrap();
        assert!(notification.contains(text), "{text}: {notification}");
    }
}

#[test]
fn a_workflow_is_started_with_its_variables() {
    for path in [TRIGGER, "/workflows/T0000/A0000/12345/s3cretOfSlack"] {
        let (gate, slack) = scene(&fails(), path);
        let gate = gate.env("GITHUB_SERVER_URL", "https://github.example").input("version", "7.0.0");
        gate.run(&["fast-feedback"]).ended(2);
        assert_eq!(
            slack.requests()[0].json(),
            json!({
                "notification": "fast-feedback of shop 7.0.0 failed: p2p-functional, p2p-nft",
                "app_name": "shop",
                "version": "7.0.0",
                "workflow_link": LINK,
            })
        );
    }
}

#[test]
fn what_fails_before_there_is_a_plan_is_told_too() {
    let (gate, slack) = scene(MAKEFILE, TRIGGER);
    let gate = gate.env("GITHUB_SERVER_URL", "https://github.example");
    gate.run(&["fast-feedback", "--integration", "perhaps"]).ended(64);
    gate.run(&["prod", "--version", "not a version"]).ended(64);
    gate.run(&["fast-feedback", "--working-directory", "nowhere", "--app-name", "shop"]).ended(64);
    let message: Vec<_> = slack.requests().iter().map(Seen::json).collect();
    assert_eq!(
        message[0],
        json!({
            "notification": "fast-feedback of acme/shop failed before anything ran: the input `integration` is \"perhaps\"",
            "app_name": "acme/shop",
            "version": "unknown",
            "workflow_link": LINK,
        })
    );
    assert!(
        message[1]["notification"]
            .as_str()
            .unwrap()
            .starts_with("prod of acme/shop not a version failed before")
    );
    assert_eq!(message[2]["app_name"], "shop");
    assert_eq!(message.len(), 3);
}

#[test]
fn a_new_version_in_production_is_good_news() {
    let (gate, slack) = scene(&format!("{MAKEFILE}p2p-extended-test p2p-prod: ; @echo $@\n"), TRIGGER);
    gate.run(&["prod"]).passed();
    gate.run(&["fast-feedback"]).passed();
    gate.run(&["extended-test"]).passed();
    assert!(slack.requests().is_empty(), "nothing is new in production");
    gate.run(&["prod", "--dry-run"]).passed();
    gate.run(&["plan", "prod"]).passed();
    assert!(slack.requests().is_empty(), "nothing was done");
    gate.run(&["prod"]).passed();
    let message = slack.requests();
    assert_eq!(message.len(), 1);
    assert_eq!(message[0].json()["notification"], "shop 0.0.1 is in production");
    assert_eq!(message[0].json()["version"], "0.0.1");
}

#[test]
fn other_branches_and_pull_requests_are_nobodys_business() {
    let (gate, slack) = scene(&fails(), SERVICE);
    let gate = gate.git_ref("refs/heads/topic");
    gate.run(&["fast-feedback"]).ended(2);
    gate.run(&["fast-feedback", "--integration", "perhaps"]).ended(64);
    let gate = gate.git_ref("refs/heads/main").event("pull_request_target", json!({}));
    gate.run(&["fast-feedback"]).ended(2);
    let gate = gate.event("push", json!({})).git_ref("refs/heads/trunk");
    gate.run(&["fast-feedback"]).ended(2);
    assert!(slack.requests().is_empty());
    gate.run(&["fast-feedback", "--main-branch", "trunk"]).ended(2);
    assert_eq!(slack.requests().len(), 1);
}

#[test]
fn slack_fails_no_gate_and_leaks_nothing() {
    let answers = [
        (Reply::text as fn(u16, &str) -> Reply, 403, "invalid_token"),
        (Reply::text, 404, "no_service"),
        (Reply::text, 302, "elsewhere"),
    ];
    for (answer, status, text) in answers {
        let (gate, slack) = scene(&fails(), SERVICE);
        slack.fault(move |seen| Some(answer(status, &format!("{text} {}", seen.path))));
        let run = gate.run(&["fast-feedback"]);
        run.ended(2);
        leaks_nothing(&run);
        let expected = format!("Slack answered {status}: {text} /***; the result of the gate is unaffected");
        assert!(run.stdout.contains(&expected), "{}", run.stdout);
        assert_eq!(slack.requests().len(), 1);
    }
    // One that is in trouble for a moment is asked again.
    let (gate, slack) = scene(&fails(), SERVICE);
    let mut broken = 2;
    slack.fault(move |_| {
        broken -= 1;
        (broken >= 0).then(Reply::hang_up)
    });
    assert!(gate.run(&["fast-feedback"]).ended(2).stdout.contains("sent the notification to Slack"));
    assert_eq!(slack.requests().len(), 3);
}

#[test]
fn a_slack_that_never_answers_holds_a_gate_up_for_seconds_only() {
    let (gate, slack) = scene(&fails(), SERVICE);
    slack.delay(Duration::from_mins(10));
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    leaks_nothing(&run);
    assert!(run.stdout.contains("Slack did not answer within 8 s"), "{}", run.stdout);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
}

#[test]
fn what_is_no_webhook_is_a_warning_that_shows_nothing_of_it() {
    for url in [
        "s3cretOfSlack",
        "http://hooks.slack.example/services/s3cretOfSlack",
        "https://",
        "file:///s3cretOfSlack",
    ] {
        let gate = Gate::new(&fails()).input("slack-webhook-url", url);
        let run = gate.run(&["fast-feedback"]);
        run.ended(2);
        leaks_nothing(&run);
        assert!(
            run.stdout.contains("the input `slack-webhook-url` is not an https URL"),
            "{url}: {}",
            run.stdout
        );
    }
}
