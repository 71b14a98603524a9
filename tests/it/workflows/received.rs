//! Where every input and secret of every workflow ends up: the action's binary is replaced by a script that
//! notes what it was given. One call of each workflow gives nothing that need not be given, another gives
//! everything.

use std::fmt::Write as _;

use p2p::inputs::{SPECS, Spec};
use serde_json::json;

use super::{Scene, matrix};

/// Notes the inputs that are there, and the tag of the commit that is checked out.
const NOTE: &str = r#"
words=$(echo $INPUT_TARGET)
file="$KEPT/received/$INPUT_COMMAND ${words:-x} ${INPUT_ENVIRONMENT:-x} ${INPUT_VERSION:-x}"
mkdir -p "$KEPT/received"
{ echo "checked out: $(git -c protocol.file.allow=always ls-remote "file://$TEST_REPOSITORY" | awk -v head="$(git rev-parse HEAD)" '$1 == head && $2 != "HEAD" { printf "%s ", $2 }')"
  env | grep -E '^INPUT_[A-Z_]+=.' | grep -vE '^INPUT_(COMMAND|TARGET|BINARY_PATH)=' | sed 's/^INPUT_//' | sort
} > "$file"
printf 'version=7.7.7\nprevious-version=7.7.6\ndigests={"%s": "sha256:0"}\nartifacts=%s\n' \
  "$INPUT_ENVIRONMENT" "$GITHUB_WORKSPACE/Makefile" >> "$GITHUB_OUTPUT"
"#;

/// What every input is set to; `VERSION` has the tag `x-<version>`.
const EVERYTHING: &str = r"
  version:
    uses: coreeng/p2p-action/.github/workflows/p2p-version.yaml@v1
    with:
      main-branch: refs/heads/trunk
      dry-run: true
      version-prefix: x-
      checkout-version: x-2.0.0
    secrets:
      git-token: a-token-of-git
      slack_webhook_url: https://slack.example/version

  fastfeedback:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with:
      version: 1.0.0
      main-branch: refs/heads/trunk
      checkout-version: x-1.0.0
      app-name: an-app
      tenant-name: a-tenant
      region: a-region
      source: 'SOURCE'
      destination: 'DESTINATION'
      working-directory: a-directory
      run-fastfeedback-integration-on-prs: true
      skip-subnamespaces-create: true
      artifacts: 'p2p-build: [a-file]'
      security-scan-enabled: true
      security-scan-fail-on-non-blocking-findings: true
SECRETS
  extended-test:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-extended-test.yaml@v1
    with:
      version: 2.0.0
      version-prefix: x-
      main-branch: refs/heads/trunk
      app-name: an-app
      tenant-name: a-tenant
      region: a-region
      source: 'SOURCE'
      destination: 'DESTINATION'
      working-directory: a-directory
      skip-subnamespaces-create: true
      artifacts: 'p2p-extended-test: [a-file]'
      security-scan-enabled: false
      security-scan-blocking-severity: high
SECRETS
  prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-prod.yaml@v1
    with:
      version: 3.0.0
      version-prefix: x-
      main-branch: refs/heads/trunk
      app-name: an-app
      tenant-name: a-tenant
      region: a-region
      source: 'SOURCE'
      working-directory: a-directory
      skip-subnamespaces-create: true
      artifacts: 'p2p-prod: [a-file]'
      security-scan-enabled: false
      security-scan-blocking-severity: high
SECRETS
  latest:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-extended-test.yaml@v1
    with: &latest
      image-name: an-image
      environment: 'SOURCE'
      registry-path: a-path
      tenant-name: a-tenant
      region: a-region
      main-branch: refs/heads/trunk
      working-directory: a-directory
    secrets: &latest-secrets
      env_vars: KEY=a-value
      slack_webhook_url: https://slack.example/hook

  latest-prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-prod.yaml@v1
    with: *latest
    secrets: *latest-secrets

  command:
    uses: coreeng/p2p-action/.github/workflows/p2p-execute-command.yaml@v1
    with:
      command: a-command
      version: 4.0.0
      pre-targets: before and
      post-targets: after

  dry:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: { version: 5.0.0, main-branch: refs/heads/trunk, dry-run: true, checkout-version: nowhere }

  dry-latest:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-extended-test.yaml@v1
    with: { image-name: an-image, main-branch: refs/heads/trunk, dry-run: true }

  dry-latest-prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-prod.yaml@v1
    with: { image-name: an-image, main-branch: refs/heads/trunk, dry-run: true }

  dry-later:
    needs: dry-latest
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-extended-test.yaml@v1
    with:
      version: ${{ needs.dry-latest.outputs.version }}
      main-branch: refs/heads/trunk
      dry-run: true

  dry-prod:
    needs: dry-latest-prod
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-prod.yaml@v1
    with:
      version: ${{ needs.dry-latest-prod.outputs.version }}
      main-branch: refs/heads/trunk
      dry-run: true
";

const SECRETS: &str = "    secrets:
      env_vars: KEY=a-value
      container_registry_user: a-user
      container_registry_pat: a-password
      container_registry_url: registry.example
      slack_webhook_url: https://slack.example/hook
";

/// Every workflow with what it must have and no more.
const NOTHING: &str = r"
  version:
    uses: coreeng/p2p-action/.github/workflows/p2p-version.yaml@v1
    secrets:
      git-token: a-token-of-git

  fastfeedback:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: { version: 1.0.0 }

  extended-test:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-extended-test.yaml@v1
    with: { version: 2.0.0 }

  prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-prod.yaml@v1
    with: { version: 3.0.0 }

  latest:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-extended-test.yaml@v1
    with: { image-name: an-image }

  latest-prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-prod.yaml@v1
    with: { image-name: an-image }
";

/// Whether it is what the action has where nothing is given.
fn is_default(line: &str) -> bool {
    let default = |spec: &Spec| Some(format!("{}={}", spec.variable(), spec.default?));
    SPECS.iter().filter_map(default).any(|default| default == format!("INPUT_{line}"))
}

/// Everything that was noted, and what else there is to see.
fn seen(prefix: &str, branch: &str, jobs: &str) -> String {
    let scene = Scene::new(&[("Makefile", "p2p-build:\n")]).with_bootstrap(NOTE);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        scene.repository.commit(version);
        scene.repository.git(&[
            "push",
            "--quiet",
            scene.bare.path().to_str().unwrap(),
            &format!("HEAD:refs/tags/{prefix}{version}"),
        ]);
    }
    scene.repository.commit("tip");
    scene.push_main();
    let ended = scene.event("push", json!({"ref": branch}), jobs);
    ended.run.passed();
    let mut text = String::new();
    for (title, directory) in [("received", "received"), ("uploaded", "artifacts")] {
        for file in ended.files(directory) {
            let content = ended.file(&format!("{directory}/{file}"));
            let told = content.lines().filter(|line| !is_default(line));
            writeln!(text, "## {title}: {file}\n{}\n", told.collect::<Vec<_>>().join("\n")).unwrap();
        }
    }
    let mut notices = ended.annotations("notice");
    notices.sort_unstable();
    text + &format!("## jobs\n{}\n\n## notices\n{}\n", ended.jobs().join("\n"), notices.join("\n"))
}

#[test]
fn defaults_reach_the_action() {
    insta::assert_snapshot!("defaults", seen("v", "refs/heads/main", NOTHING));
}

/// Where a value is changed above, or is not passed on, this changes.
#[test]
fn every_input_and_secret_reaches_the_action() {
    let jobs = EVERYTHING
        .replace("SECRETS\n", &format!("{SECRETS}\n"))
        .replace("SOURCE", &matrix(&["one"]))
        .replace("DESTINATION", &matrix(&["three", "one"]));
    insta::assert_snapshot!("everything", seen("x-", "refs/heads/trunk", &jobs));
}

/// What the later gates check out, of tags that begin with `prefix`.
fn checked_out(prefix: &str, with: &str) -> Vec<String> {
    let jobs = format!(
        r"
  extended-test:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-extended-test.yaml@v1
    with: {{ {with}2.0.0' }}

  prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-prod.yaml@v1
    with: {{ {with}3.0.0' }}
"
    );
    let text = seen(prefix, "refs/heads/main", &jobs);
    text.lines()
        .filter_map(|line| line.strip_prefix("checked out: "))
        .map(|refs| refs.trim().to_owned())
        .collect()
}

/// As `p2p extended-test` itself has it.
#[test]
fn a_registry_s_own_v_and_no_prefix_lead_to_the_tag() {
    let tags = |prefix: &str| {
        let tag = |version: &str| format!("refs/tags/{prefix}{version}");
        vec![tag("2.0.0"), tag("2.0.0"), tag("3.0.0")]
    };
    assert_eq!(checked_out("v", "version: 'v"), tags("v"));
    assert_eq!(checked_out("", "version-prefix: none, version: '"), tags(""));
    assert_eq!(checked_out("", "version-prefix: '', version: '"), tags(""));
}
