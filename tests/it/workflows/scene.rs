//! A tenant's repository on GitHub with its environments, and the workflows that it calls.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::act::{Act, Run, product};
use crate::support::docker_registry::DockerRegistry;
use crate::support::git::Bare;
use crate::support::github::Github;
use crate::support::repository::Repository;
use crate::support::scanners::Scanners;

/// What the workflows upload with.
pub(super) const UPLOAD: &str = "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f";

/// What the workflows download with.
const DOWNLOAD: &str = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093";

/// A tenant's Makefile: the build pushes a small image, which differs from registry to registry; each
/// target notes that it ran.
pub(super) const MAKEFILE: &str = r#"
P2P_APP_NAME ?= web
image = $(P2P_APP_NAME):$(P2P_VERSION)
ran = @echo '$@ $(P2P_VERSION) $(notdir $(P2P_REGISTRY))' >> "$$KEPT/targets"

.PHONY: p2p-build p2p-functional p2p-nft p2p-integration p2p-extended-test p2p-prod
p2p-build:
	mkdir -p build/root
	echo '$(P2P_REGISTRY)/$(image)' > build/root/which
	"$$P2P_BIN" image push build/root "$(P2P_REGISTRY_FAST_FEEDBACK)/$(image)"
	$(ran)
p2p-functional p2p-nft p2p-integration p2p-extended-test p2p-prod:
	mkdir -p results && echo fine > results/$@.txt
	$(ran)
"#;

/// A repository whose `main` is at GitHub, one commit after `v1.2.3`. Its `.p2p.yaml` knows the environments
/// `dev`, `test` and `live`, which have paths of one registry.
pub(super) struct Scene {
    pub(super) repository: Repository,
    pub(super) bare: Bare,
    pub(super) github: Github,
    pub(super) registry: DockerRegistry,
    /// The scanners that are installed.
    pub(super) scanners: Scanners,
    /// The commit at the tip of `main`.
    pub(super) head: String,
    product: TempDir,
    slack: String,
    matrices: [(&'static str, &'static [&'static str]); 3],
    variables: Vec<(&'static str, &'static str)>,
}

/// The environments of the repository, and what their registry's path is called.
const ENVIRONMENTS: [&str; 3] = ["dev", "test", "live"];

impl Scene {
    /// With these files on `main`.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let (repository, bare, registry) = (Repository::new(), Bare::new(), DockerRegistry::start());
        repository.commit("before");
        repository.git(&["push", "--quiet", text(bare.path()), "HEAD:refs/tags/v1.2.3"]);
        for (path, content) in files {
            repository.file(path, content);
        }
        let entry = |name: &&str| format!("  {name}: {{ registry: '{}/{name}' }}\n", registry.host());
        let entries: String = ENVIRONMENTS.iter().map(entry).collect();
        repository.file(".p2p.yaml", format!("environments:\n{entries}"));
        let head = repository.commit("under test");
        repository.git(&["push", "--quiet", text(bare.path()), "main"]);
        let github = Github::start(bare.path());
        let scanners = Scanners::new();
        let product = with_binary(scanners.path());
        let matrices: [(_, &[_]); 3] =
            [("FAST_FEEDBACK", &["dev"]), ("EXTENDED_TEST", &["test"]), ("PROD", &["live"])];
        Self {
            repository,
            bare,
            github,
            registry,
            head,
            product,
            scanners,
            slack: String::new(),
            matrices,
            variables: Vec::new(),
        }
    }

    /// With another script in place of the action's own.
    pub(super) fn with_bootstrap(self, script: &str) -> Self {
        std::fs::write(self.product.path().join("dist/bootstrap"), script).unwrap();
        self
    }

    /// With the secret `SLACK_WEBHOOK_URL`.
    pub(super) fn with_slack(self, url: &str) -> Self {
        Self { slack: url.to_owned(), ..self }
    }

    /// With a variable of GitHub.
    pub(super) fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// With another list of environments in one of the variables.
    pub(super) fn with_matrix(mut self, variable: &str, names: &'static [&'static str]) -> Self {
        for (_, current) in self.matrices.iter_mut().filter(|(name, _)| *name == variable) {
            *current = names;
        }
        self
    }

    /// A workflow of these jobs, on a push of `main`.
    pub(super) fn push(&self, jobs: &str) -> Ended {
        self.event("push", json!({"ref": "refs/heads/main"}), jobs)
    }

    /// A workflow of these jobs, on an event.
    pub(super) fn event(&self, name: &str, payload: Value, jobs: &str) -> Ended {
        let head = format!("on: {name}\npermissions: {{ contents: write, id-token: write }}\njobs:\n");
        self.workflow(name, payload, &(head + jobs))
    }

    /// A workflow, on an event.
    pub(super) fn workflow(&self, name: &str, payload: Value, yaml: &str) -> Ended {
        let kept = tempfile::tempdir().unwrap();
        let upload = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/upload_artifact");
        let download = upload.with_file_name("download_artifact");
        let act = Act::new(self.repository.path())
            .action(self.product.path())
            .local_repository(UPLOAD, &upload)
            .local_repository(DOWNLOAD, &download)
            // What is checked out comes from GitHub, with the tags that runs before created there.
            .env("TEST_REPOSITORY", text(self.bare.path()))
            .env("GITHUB_SERVER_URL", &self.github.server_url)
            .env("GITHUB_API_URL", &self.github.api_url)
            .env("KEPT", text(kept.path()))
            .secret("GITHUB_TOKEN", self.github.token)
            .secret("SLACK_WEBHOOK_URL", &self.slack)
            .var("TENANT_NAME", "acme")
            .workflow(yaml)
            .event(name, payload);
        let act = self.matrices.iter().fold(act, |act, (name, names)| act.var(name, &matrix(names)));
        let act = self.variables.iter().fold(act, |act, (name, value)| act.var(name, value));
        Ended { run: act.run(), kept }
    }

    /// Puts an image into the registry path of a stage in the environment that it has here. Gives its digest.
    pub(super) fn image(&self, stage: &str, version: &str) -> String {
        let environment = ENVIRONMENTS
            [["fast-feedback", "extended-test", "prod"].iter().position(|name| *name == stage).unwrap()];
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("which"), version).unwrap();
        let name = format!("{environment}/{stage}/web:{version}");
        let reference = format!("{}/{name}", self.registry.host());
        let pushed = std::process::Command::new(env!("CARGO_BIN_EXE_p2p"))
            .args(["image", "push", text(root.path()), &reference])
            .output()
            .unwrap();
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        self.registry.digest(&name)
    }

    /// Sends `main` to GitHub as it is now.
    pub(super) fn push_main(&self) {
        self.repository.git(&["push", "--quiet", text(self.bare.path()), "main"]);
    }
}

/// A list of environments as GitHub's variables hold it.
pub(super) fn matrix(names: &[&str]) -> String {
    let include: Vec<_> = names.iter().map(|name| json!({"deploy_env": name})).collect();
    json!({"include": include}).to_string()
}

/// A checkout of the action whose `dist/bootstrap` starts the binary under test, with these scanners installed.
fn with_binary(scanners: &Path) -> TempDir {
    let product = product(Path::new(env!("CARGO_MANIFEST_DIR")));
    let dist = product.path().join("dist");
    std::fs::rename(dist.join("bootstrap"), dist.join("released-bootstrap")).unwrap();
    let binary = env!("CARGO_BIN_EXE_p2p");
    let path = scanners.display();
    let script = format!(
        "INPUT_BINARY_PATH='{binary}'\nexport PATH='{path}':$PATH\nsource \"$GITHUB_ACTION_PATH/dist/released-bootstrap\"\n"
    );
    std::fs::write(dist.join("bootstrap"), script).unwrap();
    product
}

/// What came of a run.
pub(super) struct Ended {
    pub(super) run: Run,
    kept: TempDir,
}

impl Ended {
    /// The targets that ran, in no order, each with the version and the environment of its registry.
    pub(super) fn targets(&self) -> Vec<String> {
        let mut targets: Vec<_> = self.file("targets").lines().map(str::to_owned).collect();
        targets.sort();
        targets
    }

    /// The jobs that ran, `<job that calls>/<workflow>/<job>: success` say. A job of a matrix has its number.
    pub(super) fn jobs(&self) -> Vec<String> {
        let ended = self.run.lines.iter().filter(|line| !line.job_result.is_empty());
        // act pads names to one length.
        let mut jobs: Vec<_> =
            ended.map(|line| format!("{}: {}", line.place.trim_end(), line.job_result)).collect();
        jobs.sort();
        jobs
    }

    /// A file that was kept; empty where there is none.
    pub(super) fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.kept.path().join(path)).unwrap_or_default()
    }

    /// The names of the files in a directory that was kept.
    pub(super) fn files(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.kept.path().join(directory)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The annotations of one level.
    pub(super) fn annotations(&self, level: &str) -> Vec<&str> {
        self.run.commands(level).into_iter().map(|line| line.arg.as_str()).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
