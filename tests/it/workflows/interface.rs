//! What tenants write stands on: names, types and defaults of inputs, secrets and outputs, and that each of
//! them leads somewhere. act looks at none of this.

use std::collections::BTreeMap;
use std::path::Path;

use ::sys::yaml::{Node, parse};
use p2p::inputs::SPECS;

/// The workflows: inputs with type and default (`!` is required), secrets, outputs.
const INTERFACE: [(&str, &str, &str, &str); 11] = [
    (
        "p2p-version",
        "main-branch: string = refs/heads/main, dry-run: boolean = false, version-prefix: string = v, \
         checkout-version: string = , runner-label: string = ",
        "git-token!, slack_webhook_url",
        "version, previous_version",
    ),
    (
        "p2p-workflow-fastfeedback",
        "version: string!, dry-run: boolean = false, main-branch: string = refs/heads/main, \
         checkout-version: string = , app-name: string = , tenant-name: string = , \
         region: string = , source: string = , destination: string = , \
         working-directory: string = ., runner-label: string = , make-flags: string = , timeout: string = , \
         on-existing: string = keep, run-fastfeedback-integration-on-prs: boolean = false, \
         skip-subnamespaces-create: boolean = false, artifacts: string = , \
         security-scan-enabled: boolean = true, security-scan-blocking-severity: string = off, \
         security-scan-fail-on-non-blocking-findings: boolean = false",
        SECRETS,
        "version",
    ),
    (
        "p2p-workflow-extended-test",
        "version: string!, version-prefix: string = v, dry-run: boolean = false, \
         main-branch: string = refs/heads/main, app-name: string = , tenant-name: string = , \
         region: string = , source: string = , destination: string = , \
         working-directory: string = ., runner-label: string = , make-flags: string = , timeout: string = , \
         on-existing: string = keep, skip-subnamespaces-create: boolean = false, artifacts: string = , \
         security-scan-enabled: boolean = true, security-scan-blocking-severity: string = off, \
         security-scan-fail-on-non-blocking-findings: boolean = false",
        SECRETS,
        "",
    ),
    (
        "p2p-workflow-prod",
        "version: string!, version-prefix: string = v, dry-run: boolean = false, \
         main-branch: string = refs/heads/main, app-name: string = , tenant-name: string = , \
         region: string = , source: string = , working-directory: string = ., \
         runner-label: string = , make-flags: string = , timeout: string = , \
         skip-subnamespaces-create: boolean = false, artifacts: string = , \
         security-scan-enabled: boolean = true, security-scan-blocking-severity: string = off, \
         security-scan-fail-on-non-blocking-findings: boolean = false",
        SECRETS,
        "",
    ),
    (
        "p2p-get-latest-image-extended-test",
        "image-name: string!, app-name: string = , environment: string = , registry-path: string = extended-test, \
         tenant-name: string = , region: string = , main-branch: string = refs/heads/main, \
         dry-run: boolean = false, working-directory: string = ., runner-label: string = ",
        "env_vars, slack_webhook_url",
        "version",
    ),
    (
        "p2p-get-latest-image-prod",
        "image-name: string!, app-name: string = , environment: string = , registry-path: string = prod, \
         tenant-name: string = , region: string = , main-branch: string = refs/heads/main, \
         dry-run: boolean = false, working-directory: string = ., runner-label: string = ",
        "env_vars, slack_webhook_url",
        "version",
    ),
    (
        "p2p-execute-command",
        "command: string!, github_env: string = , subnamespace: string = , version: string!, \
         pre-targets: string = , post-targets: string = , required-targets: string = , \
         dry-run: boolean = false, main-branch: string = refs/heads/main, checkout-version: string = , \
         app-name: string = , tenant-name: string = , region: string = , working-directory: string = ., \
         runner-label: string = , make-flags: string = , timeout: string = , \
         skip-subnamespaces-create: boolean = false, artifacts: string = , first-environment: boolean = true",
        SECRETS,
        "images",
    ),
    (
        "p2p-promote-image",
        "promotion-stage: string!, source_matrix: string!, dest_github_env: string!, version: string = , \
         images: string = , dry-run: boolean = false, main-branch: string = refs/heads/main, \
         version-prefix: string = v, checkout-version: string = , app-name: string = , tenant-name: string = , \
         region: string = , working-directory: string = ., runner-label: string = , make-flags: string = , \
         timeout: string = , on-existing: string = keep",
        SECRETS,
        "",
    ),
    (
        "p2p-workflow-source-security-scan",
        "secret-scan-scope: string!, app-name: string = , tenant-name: string = , \
         blocking-severity: string = off, security-scan-enabled: boolean = true, \
         fail-on-non-blocking-findings: boolean = false, ignore-unfixed: boolean = true, dry-run: boolean = false, \
         checkout-version: string = , timeout-minutes: number = 30, runner-label: string = ",
        "",
        "report-file, json-file, vulnerability-total, vulnerability-blocking, license-total, secret-total, \
         secret-blocking, security-risk, scan-status",
    ),
    (
        "p2p-workflow-image-scan",
        "pipeline-stage: string!, version: string!, images: string = , github_env: string = , tenant-name: string = , \
         app-name: string = , region: string = , working-directory: string = ., image-names: string = , \
         dry-run: boolean = false, checkout-version: string = , blocking-severity: string = off, \
         security-scan-enabled: boolean = true, fail-on-non-blocking-findings: boolean = false, \
         ignore-unfixed: boolean = true, timeout-minutes: number = 20, runner-label: string = ",
        "env_vars, container_registry_user, container_registry_pat, container_registry_url",
        "json-file, security-risk, scan-status",
    ),
    (
        "p2p-workflow-security-scan",
        "tenant-name: string = , app-name: string = , image-names: string = , working-directory: string = ., \
         region: string = , dry-run: boolean = false, checkout-version: string = , \
         security-scan-enabled: boolean = true, security-scan-blocking-severity: string = off, \
         security-scan-fail-on-non-blocking-findings: boolean = false, timeout-minutes: number = 30, \
         runner-label: string = ",
        "env_vars, container_registry_user, container_registry_pat, container_registry_url",
        "",
    ),
];

const SECRETS: &str =
    "env_vars, container_registry_user, container_registry_pat, container_registry_url, slack_webhook_url";

pub(super) const OURS: &str = "coreeng/p2p-action";

/// A workflow of this repository.
pub(super) struct Workflow {
    text: String,
    node: Node,
}

impl Workflow {
    pub(super) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".github/workflows/{name}.yaml"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let node = parse(&text).unwrap();
        Self { text, node }
    }

    pub(super) fn called_with(&self, what: &str) -> &[(String, Node)] {
        let call = self.node.get("on").unwrap().get("workflow_call").unwrap();
        call.get(what).and_then(Node::entries).unwrap_or_default()
    }

    /// The names, with what `describe` adds.
    fn list(&self, what: &str, describe: impl Fn(&Node) -> String) -> String {
        let entries = self.called_with(what).iter();
        entries.map(|(name, node)| format!("{name}{}", describe(node))).collect::<Vec<_>>().join(", ")
    }

    fn jobs(&self) -> &[(String, Node)] {
        self.node.get("jobs").unwrap().entries().unwrap()
    }

    /// The names that this text gives to a context, `inputs.` say.
    fn uses(&self, context: &str) -> Vec<&str> {
        let ends = |text: &str| text.find(|next: char| !next.is_alphanumeric() && !"-_".contains(next));
        let after = self.text.split(context).skip(1);
        after.map(|rest| &rest[..ends(rest).unwrap_or(rest.len())]).collect()
    }
}

pub(super) fn word<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key).and_then(Node::text)
}

pub(super) fn keys<'a>(node: &'a Node, key: &str) -> Vec<&'a str> {
    let entries = node.get(key).and_then(Node::entries).unwrap_or_default();
    entries.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn inputs_secrets_and_outputs_are_as_tenants_know_them() {
    for (name, inputs, secrets, outputs) in INTERFACE {
        let workflow = Workflow::read(name);
        let required = |node: &Node| word(node, "required") == Some("true");
        let input = |node: &Node| {
            let kind = word(node, "type").unwrap();
            let default = word(node, "default").unwrap_or_default();
            let rest = if required(node) { "!".to_owned() } else { format!(" = {default}") };
            format!(": {kind}{rest}")
        };
        assert_eq!(workflow.list("inputs", input), inputs, "{name}");
        let secret = |node: &Node| if required(node) { "!" } else { "" }.to_owned();
        assert_eq!(workflow.list("secrets", secret), secrets, "{name}");
        assert_eq!(workflow.list("outputs", |_| String::new()), outputs, "{name}");
    }
}

#[test]
fn every_input_and_secret_is_used_and_no_other() {
    for (name, ..) in INTERFACE {
        let workflow = Workflow::read(name);
        for (context, what) in [("inputs.", "inputs"), ("secrets.", "secrets")] {
            let mut used = workflow.uses(context);
            used.sort_unstable();
            used.dedup();
            let mut declared: Vec<_> =
                workflow.called_with(what).iter().map(|(name, _)| name.as_str()).collect();
            declared.sort_unstable();
            assert_eq!(used, declared, "{name}: {what}");
        }
    }
}

/// Whoever calls one of ours passes on everything that both have, and nothing that it does not know.
#[test]
fn calls_pass_on_what_there_is() {
    let known: BTreeMap<&str, Workflow> =
        INTERFACE.iter().map(|(name, ..)| (*name, Workflow::read(name))).collect();
    let mut called = Vec::new();
    for (name, workflow) in &known {
        for (id, job) in workflow.jobs() {
            let place = format!("{name}: {id}");
            for step in job.get("steps").and_then(Node::items).unwrap_or_default() {
                if word(step, "uses") == Some(&format!("{OURS}@v1")) {
                    for key in keys(step, "with") {
                        assert!(
                            SPECS.iter().any(|spec| spec.name == key),
                            "{place}: the action has no {key}"
                        );
                    }
                }
            }
            let Some(uses) = word(job, "uses") else { continue };
            let file = uses.strip_prefix(&format!("{OURS}/.github/workflows/")).unwrap();
            let target = &known[file.strip_suffix(".yaml@v1").unwrap()];
            for (what, given) in [("inputs", keys(job, "with")), ("secrets", keys(job, "secrets"))] {
                let there: Vec<_> = target.called_with(what).iter().map(|(name, _)| name.as_str()).collect();
                for key in &given {
                    assert!(there.contains(key), "{place}: {file} has no {key}");
                }
                for (key, _) in workflow.called_with(what) {
                    let must = there.contains(&key.as_str());
                    assert!(!must || given.contains(&key.as_str()), "{place}: {key} does not reach {file}");
                }
            }
            called.push(place);
        }
    }
    assert_eq!(
        called,
        [
            "p2p-workflow-extended-test: run-tests",
            "p2p-workflow-extended-test: security-image-scan",
            "p2p-workflow-extended-test: promote",
            "p2p-workflow-fastfeedback: build",
            "p2p-workflow-fastfeedback: security-source-scan",
            "p2p-workflow-fastfeedback: security-image-scan",
            "p2p-workflow-fastfeedback: functional-test",
            "p2p-workflow-fastfeedback: nft-test",
            "p2p-workflow-fastfeedback: integration-test",
            "p2p-workflow-fastfeedback: promote",
            "p2p-workflow-prod: security-image-scan",
            "p2p-workflow-prod: prod-deploy",
            "p2p-workflow-security-scan: security-source-scan",
            "p2p-workflow-security-scan: security-image-scan-fast-feedback",
            "p2p-workflow-security-scan: security-image-scan-extended-test",
            "p2p-workflow-security-scan: security-image-scan-prod",
        ]
    );
}

/// Check names, the order of deployments and protection rules: act ignores all of them.
#[test]
fn jobs_have_the_names_the_environments_and_the_queues_that_they_had() {
    let job = |name: &str, id: &str| {
        let workflow = Workflow::read(name);
        workflow.jobs().iter().find(|(name, _)| name == id).unwrap().1.clone()
    };
    let exec = job("p2p-execute-command", "exec");
    assert_eq!(word(&exec, "name"), Some("${{ inputs.command }} (${{ inputs.github_env }})"));
    assert_eq!(word(&exec, "environment"), Some("${{ inputs.github_env }}"));
    let queue = exec.get("concurrency").unwrap();
    assert_eq!(
        word(queue, "group"),
        Some(
            "${{ inputs.github_env }}/${{ inputs.tenant-name || vars.TENANT_NAME }}-${{ inputs.app-name }}-${{ inputs.command == 'p2p-build' && format('build-{0}', github.run_id) || inputs.subnamespace }}"
        )
    );
    let promote = job("p2p-promote-image", "promote-image");
    assert_eq!(word(&promote, "name"), Some("promote-to-${{ inputs.promotion-stage }}"));
    assert_eq!(word(&promote, "environment"), Some("${{ inputs.dest_github_env }}"));
    assert_eq!(word(&job("p2p-version", "increment-version"), "name"), Some("increment-version"));
    for (name, id, variable) in [
        ("p2p-workflow-fastfeedback", "build", "source || vars.FAST_FEEDBACK"),
        ("p2p-workflow-fastfeedback", "functional-test", "source || vars.FAST_FEEDBACK"),
        ("p2p-workflow-fastfeedback", "nft-test", "source || vars.FAST_FEEDBACK"),
        ("p2p-workflow-fastfeedback", "integration-test", "source || vars.FAST_FEEDBACK"),
        ("p2p-workflow-fastfeedback", "promote", "destination || vars.EXTENDED_TEST"),
        ("p2p-workflow-fastfeedback", "security-image-scan", "source || vars.FAST_FEEDBACK"),
        ("p2p-workflow-extended-test", "run-tests", "source || vars.EXTENDED_TEST"),
        ("p2p-workflow-extended-test", "security-image-scan", "source || vars.EXTENDED_TEST"),
        ("p2p-workflow-prod", "security-image-scan", "source || vars.PROD"),
        ("p2p-workflow-extended-test", "promote", "destination || vars.PROD"),
        ("p2p-workflow-prod", "prod-deploy", "source || vars.PROD"),
    ] {
        let job = job(name, id);
        let strategy = job.get("strategy").unwrap();
        let matrix = format!("${{{{ fromJSON(inputs.{variable}) }}}}");
        assert_eq!(word(strategy, "matrix"), Some(matrix.as_str()), "{name}: {id}");
        assert_eq!(word(strategy, "fail-fast"), Some("false"), "{name}: {id}");
    }
}

/// GitHub cancels all but the newest of those that wait, where nobody asks for a longer queue: a version that
/// is tagged and never promoted. It allows none where a newer run takes the place of an older one.
#[test]
fn no_run_that_waits_is_lost() {
    let mut seen = 0;
    let names = INTERFACE.iter().map(|(name, ..)| *name).chain(["release"]);
    for name in names {
        let workflow = Workflow::read(name);
        let jobs = workflow.jobs().iter().map(|(_, job)| job);
        for queue in [&workflow.node].into_iter().chain(jobs).filter_map(|place| place.get("concurrency")) {
            loses_nothing(queue, name);
            seen += 1;
        }
    }
    assert_eq!(seen, 2, "p2p-execute-command and release");
}

/// A group keeps all that wait, or replaces what runs on purpose.
pub(super) fn loses_nothing(queue: &Node, place: &str) {
    match word(queue, "cancel-in-progress") {
        None | Some("false") => assert_eq!(word(queue, "queue"), Some("max"), "{place}"),
        Some(replaces) => {
            assert_eq!((replaces, word(queue, "queue")), ("true", None), "{place}");
        }
    }
}

/// GitHub gives a job without a limit six hours, whatever its target was given.
#[test]
fn a_job_is_not_shorter_than_the_time_limit_of_its_target() {
    for (name, id) in [("p2p-execute-command", "exec"), ("p2p-promote-image", "promote-image")] {
        let workflow = Workflow::read(name);
        let (_, job) = workflow.jobs().iter().find(|(name, _)| name == id).unwrap();
        let limit = word(job, "timeout-minutes");
        assert_eq!(limit, Some("${{ inputs.timeout != '' && 7200 || 360 }}"), "{name}");
    }
}

/// A variable of the job's environment is known in the job alone, where it has to win: a matrix may have two
/// regions.
#[test]
fn the_region_is_looked_up_in_the_job_that_has_the_environment() {
    // These two know no environment.
    let placeless = ["p2p-version", "p2p-workflow-source-security-scan"];
    // What only reads outputs needs none.
    let acts = |id: &str| !id.ends_with("-policy");
    for (name, ..) in INTERFACE.iter().filter(|(name, ..)| !placeless.contains(name)) {
        let workflow = Workflow::read(name);
        let lines = workflow.text.lines().map(str::trim).filter_map(|line| line.strip_prefix("region: "));
        let seen: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let placed = |job: &Node| {
            word(job, "uses").is_some_and(|uses| !placeless.iter().any(|name| uses.contains(name)))
        };
        let calls = workflow.jobs().iter().filter(|(_, job)| placed(job)).count();
        let expected = if calls > 0 {
            vec!["${{ inputs.region }}"; calls]
        } else {
            let jobs = workflow.jobs().iter().filter(|(id, _)| acts(id)).count();
            vec!["${{ vars.REGION || inputs.region || 'europe-west2' }}"; jobs]
        };
        assert_eq!(seen, expected, "{name}");
        let job_of_its_own = |(id, job): &&(String, Node)| {
            acts(id)
                && word(job, "uses").is_none()
                && word(job, "if").is_none_or(|condition| !condition.contains("inputs.version == ''"))
        };
        let own = workflow.jobs().iter().filter(job_of_its_own);
        assert!(own.into_iter().all(|(_, job)| word(job, "environment").is_some()), "{name}");
    }
}

/// A caller that grants less than a called workflow asks for would not start, and one that asks for
/// nothing more than coreeng/p2p does starts as before.
#[test]
fn no_more_permissions_are_asked_for_than_before() {
    for (name, ..) in INTERFACE {
        let workflow = Workflow::read(name);
        let top = workflow.node.get("permissions");
        let restricted = name.starts_with("p2p-get-latest") || name == "p2p-promote-image";
        assert_eq!(top.and_then(Node::entries).map(<[_]>::len), restricted.then_some(0), "{name}");
        for (id, job) in workflow.jobs() {
            let granted = keys(job, "permissions");
            let expected: &[&str] =
                if restricted && id != "lookup" { &["contents", "id-token"] } else { &[] };
            assert_eq!(granted, expected, "{name}: {id}");
        }
    }
}

/// What waits for scans: a scan that is disabled is skipped and stops nothing. act ends a run at the first job that
/// fails, so it shows only some of this.
#[test]
fn promotions_wait_for_scans_and_production_only_for_those_that_may_block() {
    let condition = |name: &str, id: &str| {
        let workflow = Workflow::read(name);
        let job = workflow.jobs().iter().find(|(name, _)| name == id).unwrap().1.clone();
        let needs: Vec<_> =
            job.get("needs").unwrap().items().unwrap().iter().filter_map(Node::text).collect();
        format!("{}: {}", needs.join(" "), word(&job, "if").unwrap())
    };
    let image = "needs.security-image-scan.result == 'success'";
    for (name, scans) in [
        ("p2p-workflow-fastfeedback", format!("needs.security-source-scan.result == 'success' && {image}")),
        ("p2p-workflow-extended-test", image.to_owned()),
    ] {
        let promote = condition(name, "promote");
        assert!(promote.contains(&format!("(!inputs.security-scan-enabled || {scans})")), "{promote}");
    }
    let deploy = condition("p2p-workflow-prod", "prod-deploy");
    assert!(deploy.starts_with("validate-version security-image-scan: "), "{deploy}");
    let off = "contains(fromJSON('[\"off\",\"\"]'), inputs.security-scan-blocking-severity)";
    assert!(deploy.contains(&format!("(!inputs.security-scan-enabled || {off} || {image})")), "{deploy}");
}
