//! Where every input and secret of every workflow ends up: the action's binary is replaced by a script that
//! notes what it was given. One call of each workflow gives nothing that need not be given, another gives
//! everything.

use std::fmt::Write as _;

use p2p::inputs::{InputSpec, SPECS};
use serde_json::json;

use super::scene::Ended;
use super::{Scene, matrix};

/// Notes the inputs that are there, and the tag of the commit that is checked out.
const NOTE: &str = r#"
words=$(echo $INPUT_TARGET | sed "s#/.*/##")
file="$KEPT/received/$INPUT_COMMAND ${words:-x} ${INPUT_ENVIRONMENT:-x} ${INPUT_VERSION:-${INPUT_CHECKOUT_VERSION:-x}}"
mkdir -p "$KEPT/received"
{ echo "checked out: $(git -c protocol.file.allow=always ls-remote "file://$TEST_REPOSITORY" | awk -v head="$(git rev-parse HEAD)" '$1 == head && $2 != "HEAD" { printf "%s ", $2 }')"
  env | grep -E '^(INPUT_[A-Z_]+|MAKEFLAGS)=.' | grep -vE '^INPUT_(COMMAND|TARGET|BINARY_PATH)=' | sed 's/^INPUT_//' | sort
} > "$file"
scan='{"directory": "'$GITHUB_WORKSPACE'/scanned", "security-risk": "ok", "scan-status": "ok", "vulnerability-blocking": 0, "secret-blocking": 0}'
mkdir -p "$GITHUB_WORKSPACE/scanned"
[ "$INPUT_COMMAND" != scan ] || echo "scans={\"source\": $scan, \"images\": $scan}" >> "$GITHUB_OUTPUT"
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
      runner-label: ubuntu-24.04
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
      runner-label: ubuntu-24.04
      make-flags: --jobs=4
      timeout: 8h
      on-existing: overwrite
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
      runner-label: ubuntu-24.04
      make-flags: -k
      timeout: 90
      on-existing: overwrite
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
      runner-label: ubuntu-24.04
      make-flags: -s
      timeout: 90s
      skip-subnamespaces-create: true
      artifacts: 'p2p-prod: [a-file]'
      security-scan-enabled: false
      security-scan-blocking-severity: high
SECRETS
  latest:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-extended-test.yaml@v1
    with: &latest
      image-name: an-image
      app-name: an-app
      runner-label: ubuntu-24.04
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
      subnamespace: a-subnamespace
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
    let default = |spec: &InputSpec| Some(format!("{}={}", spec.variable(), spec.default?));
    SPECS.iter().filter_map(default).any(|default| default == format!("INPUT_{line}"))
}

impl Scene {
    /// Whose action only notes what it was given.
    fn noting() -> Self {
        Self::new(&[("Makefile", "p2p-build:\n")]).with_bootstrap(NOTE)
    }
}

/// Runs jobs with a tag of each version that they name.
fn received(scene: &Scene, prefix: &str, branch: &str, jobs: &str) -> Ended {
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
    ended
}

/// Everything that was noted, and what else there is to see.
fn seen(prefix: &str, branch: &str, jobs: &str) -> String {
    let ended = received(&Scene::noting(), prefix, branch, jobs);
    let mut text = String::new();
    for (title, directory) in [("received", "received"), ("uploaded", "artifacts")] {
        for file in ended.files(directory) {
            let content = ended.file(&format!("{directory}/{file}"));
            let message = content.lines().filter(|line| !is_default(line));
            writeln!(text, "## {title}: {file}\n{}\n", message.collect::<Vec<_>>().join("\n")).unwrap();
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

/// The regions of all jobs, where the environments have the variable `REGION`, and where they do not.
#[test]
fn the_variable_of_the_environment_wins_over_the_input() {
    let given = NOTHING.replace(" 1.0.0 }", " 1.0.0, region: of-the-input }");
    assert_ne!(given, NOTHING);
    let regions = |scene: Scene, jobs: &str| {
        let ended = received(&scene, "v", "refs/heads/main", jobs);
        let mut regions = std::collections::BTreeMap::new();
        // These have no environment.
        let placeless = ["version", "scan secrets", "scan dependencies", "scan report"];
        let files = ended.files("received");
        for file in files.into_iter().filter(|file| !placeless.iter().any(|name| file.starts_with(name))) {
            let text = ended.file(&format!("received/{file}"));
            let region = text.lines().find_map(|line| line.strip_prefix("REGION=")).unwrap().to_owned();
            let source = text.split(r#""region":""#).nth(1).map(|rest| rest.split('"').next().unwrap());
            assert!(source.is_none_or(|source| source == region), "{file}: {text}");
            regions.entry(region).or_insert_with(Vec::new).push(file.ends_with(" 1.0.0"));
        }
        regions
    };
    let with = regions(Scene::noting().with_variable("REGION", "of-the-environment"), &given);
    assert_eq!(with.keys().collect::<Vec<_>>(), ["of-the-environment"]);
    let without = regions(Scene::noting(), &given);
    assert_eq!(without.keys().collect::<Vec<_>>(), ["europe-west2", "of-the-input"]);
    assert!(without["of-the-input"].iter().all(|first| *first), "{without:?}");
    assert!(without["europe-west2"].iter().all(|first| !first), "{without:?}");
}

/// Options of make come from the variable where no input gives them.
#[test]
fn options_of_make_come_from_the_variable() {
    let scene = Scene::noting().with_variable("P2P_MAKEFLAGS", "--jobs=2");
    let given = NOTHING.replace(" 3.0.0 }", " 3.0.0, make-flags: -k }");
    let ended = received(&scene, "v", "refs/heads/main", &given);
    for (file, flags) in [("run p2p-build dev 1.0.0", "--jobs=2"), ("run p2p-prod live 3.0.0", "-k")] {
        let text = ended.file(&format!("received/{file}"));
        assert!(text.contains(&format!("MAKEFLAGS={flags}\n")), "{file}: {text}");
    }
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
        // Promotion, both tests, and the scans of both.
        vec![tag("2.0.0"), tag("2.0.0"), tag("3.0.0"), tag("2.0.0"), tag("3.0.0")]
    };
    assert_eq!(checked_out("v", "version: 'v"), tags("v"));
    assert_eq!(checked_out("", "version-prefix: none, version: '"), tags(""));
    assert_eq!(checked_out("", "version-prefix: '', version: '"), tags(""));
}
