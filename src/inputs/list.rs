//! The list itself.

use std::time::Duration;

use super::InputSpec;
use super::commands;
use super::globs::Globs;
use super::read::{Field, Reader};
use super::registry_logins::RegistryLogins;
use super::secrets::{PathOrContent, VariableLines, WebhookUrl};
use super::types::{
    BuildCache, Bump, Command, Federate, FloatingTags, IdToken, Integration, Lines, OnExisting, OnFork,
    OutputFormat, Parallel, Promotion, Records, ReleaseCommit, Size, Words,
};
use sys::error::Failure;
use workflow_commands::Secret;

/// The result of reading the inputs.
#[derive(Debug)]
pub struct Read {
    /// The inputs. An invalid one has its default.
    pub inputs: Inputs,
    /// The errors, each with its input.
    pub wrong: Vec<Failure>,
    /// The names of the invalid inputs.
    pub names: Vec<&'static str>,
    /// Everything in the secret inputs that must be masked, as a whole and in parts, including invalid ones.
    pub secrets: Vec<Secret>,
}

impl Read {
    /// The inputs, if all are valid.
    ///
    /// # Errors
    /// All errors.
    pub fn checked(self) -> Result<Inputs, Failure> {
        Failure::wrong_inputs(self.wrong).map_or(Ok(self.inputs), Err)
    }
}

macro_rules! inputs {
    ($($section:literal for $commands:ident { $(
        $(#[doc = $meaning:literal])+
        $field:ident($name:literal $(, $usual:ident)?) $(for $own:ident)?: $type:ty $(= $default:literal)?;
    )+ })+) => {
        /// All inputs, parsed and checked.
        #[derive(Debug, Clone)]
        pub struct Inputs { $($( $(#[doc = $meaning])+ pub $field: $type, )+)+ }

        /// The list of inputs, in the order of the documentation.
        pub const SPECS: &[InputSpec] = &[ $($( InputSpec {
            name: $name,
            kind: <$type as Field>::KIND,
            default: inputs!(@default $($default)?),
            section: $section,
            commands: inputs!(@commands $commands $($own)?),
            usual: inputs!(@usual $($usual)?),
            meaning: concat!($($meaning),+).trim_ascii(),
        }, )+)+ ];

        impl Inputs {
            /// Reads every input. `text` returns the text of an input, if it has one.
            ///
            /// # Errors
            /// Never for an invalid input: [`Read`] contains those errors.
            pub fn read(text: impl Fn(&InputSpec) -> Option<String>) -> Result<Read, Failure> {
                let mut reader = Reader::new(SPECS, text);
                let inputs = Self { $($( $field: reader.next()?, )+)+ };
                let Reader { wrong, names, secrets, .. } = reader;
                Ok(Read { inputs, wrong, names, secrets })
            }

            /// The text of the input with this name, if it has one and is not secret.
            pub fn text(&self, name: &str) -> Option<String> {
                match name { $($($name => Field::text(&self.$field),)+)+ _ => None }
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@commands $section:ident) => { commands::$section };
    (@commands $section:ident $own:ident) => { commands::$own };
    (@usual) => { false };
    (@usual usual) => { true };
}

// A section names the commands that read its inputs, unless an input has its own list. The short help shows the
// `usual` ones.
inputs! {
    "What to do" for EVERY {
        /// The command to run. `fast-feedback` is the whole gate. `extended-test` and `prod` are the later
        /// gates.
        command("command"): Command = "fast-feedback";
        /// What the command works on: the make targets of `run`, the stage of `promote`, the gate of `latest`
        /// (`extended-test` or `prod`), or the command that `plan` plans.
        target("target"): Option<Words>;
        /// The directory that make runs in, relative to the workspace.
        working_directory("working-directory", usual): String = ".";
        /// Print the plan and stop. p2p runs, creates and promotes nothing.
        dry_run("dry-run", usual): bool = "false";
        /// The format of `plan` and `dry-run`. Other runs take `text` only. `matrix` prints the environments
        /// of the gate for `strategy.matrix`, and nothing else.
        output("output"): OutputFormat = "text";
    }
    "Who you are" for WORK {
        /// The team's space on the platform. Default: `P2P_TENANT_NAME` of the Makefile.
        tenant_name("tenant-name", usual): Option<String>;
        /// The name of the app. Default: `P2P_APP_NAME` of the Makefile.
        app_name("app-name", usual): Option<String>;
        /// The name of this job's own environment, such as `gcp-dev`. Default: the first environment in the
        /// matrix of the gate. `run` uses the gate that its targets belong to; `promote` uses the gate to
        /// promote from.
        environment("environment", usual): Option<String>;
        /// The environments that a gate runs in, one after the other: a matrix (`{"include": [{"deploy_env":
        /// "gcp-dev"}]}`) or names. Default: `environment`, else the gate's variable in `vars`:
        /// `FAST_FEEDBACK`, `EXTENDED_TEST` or `PROD`.
        matrix("matrix") for GATES: Option<String>;
        /// The token for GitHub's API and for git. The action passes the token of the job.
        github_token("github-token") for EVERY: Option<Secret>;
    }
    "Version" for EVERY {
        /// The version that an earlier job computed. p2p then computes and creates none. Default of
        /// `extended-test` and `prod`: the latest version in their registry path.
        version("version", usual): Option<String>;
        /// The text before the number in a version tag. It is literal text. In a monorepo each app has its
        /// own prefix. Set `none` if your tags are the number only.
        version_prefix("version-prefix", usual): String = "v";
        /// The branch whose commits get versions and are promoted.
        main_branch("main-branch"): String = "refs/heads/main";
        /// The commit, branch or tag that you checked out instead of the event's own commit.
        checkout_version("checkout-version") for COMMIT: Option<String>;
        /// Branches besides the main branch whose version tags the later gates trust: globs of branch names,
        /// separated by white space or commas.
        release_branches("release-branches") for WORK: Option<Words>;
        /// The part of the version that p2p increases on the main branch. `conventional` reads the commit
        /// messages since the last version tag: `feat:` is minor, `!` and `BREAKING CHANGE` are major,
        /// everything else is patch.
        bump("bump", usual) for NUMBERING: Bump = "patch";
        /// Tags that follow the releases: `major` (`v1`), `minor` (`v1.2`). `version` and `release` move
        /// them, and never backwards.
        floating_tags("floating-tags", usual) for RELEASING: Option<FloatingTags>;
    }
    "Release" for RELEASE {
        /// The commit that gets the version tag. `own` is the commit under test; `version` creates the tag.
        /// `child` is a commit on top of it that `release` creates with `release-files`, on no branch.
        release_commit("release-commit") for RELEASING: ReleaseCommit = "own";
        /// The files that a `child` commit adds or replaces, as they are in `working-directory`: one glob per
        /// line.
        release_files("release-files"): Option<Lines>;
        /// The files that the GitHub release offers for download, below `working-directory`: one glob per
        /// line. A glob that matches nothing is an error.
        release_assets("release-assets", usual): Option<Lines>;
        /// The text of the GitHub release: `generated` by GitHub, `none`, or the path of a Markdown file
        /// below `working-directory`.
        release_notes("release-notes", usual): String = "generated";
    }
    "Stages" for WORK {
        /// Whether the gate runs `p2p-integration`. `optional` skips it with a warning if the Makefile has no
        /// such target. `required` makes that an error. `off` never runs it.
        integration("integration", usual) for FIRST: Integration = "optional";
        /// Whether `p2p-integration` also runs on pull requests.
        integration_on_prs("integration-on-prs") for FIRST: bool = "true";
        /// Targets that the Makefile must define, besides the targets of `run`. A missing one is an error
        /// before anything runs. Set it if other jobs run those targets.
        required_targets("required-targets") for RUN: Option<Words>;
        /// The time limit of each target: minutes, or a number with `s`, `m` or `h`. Default: 60 minutes for
        /// the targets of fast feedback. All other targets may run as long as the job.
        timeout("timeout", usual): Option<Duration>;
        /// Whether functional and nft run at the same time, with nft in a copy of the workspace. With `auto`
        /// they run one after the other if recipes of both name a container or write `~/.config/gcloud`.
        parallel("parallel") for FAST_FEEDBACK: Parallel = "auto";
        /// Files to keep that targets leave behind: one glob per line, relative to `working-directory`, or
        /// YAML with a list of globs for each target. p2p brings the files of nft back from its copy of the
        /// workspace.
        artifacts("artifacts", usual): Option<Globs>;
        /// What happens on a pull request from a fork, which gets no id token and no secrets from GitHub.
        /// `failure` fails, `skipped` skips, and `run` runs it like any other (if it needs no secrets, or
        /// your organisation sends secrets to forks).
        on_fork("on-fork"): OnFork = "failure";
        /// Variables for every target: one `KEY=VALUE` per line, or `KEY<<DELIM` … `DELIM` for a value with
        /// several lines. p2p masks every value. make expands a `$` if a recipe uses `$(KEY)`, and keeps it
        /// in `$$KEY`.
        env_vars("env-vars"): Option<VariableLines>;
    }
    "Images and promotion" for WORK {
        /// The images to record and promote. Default: the output of the target `p2p-images`, else the app's
        /// name.
        image_names("image-names", usual): Option<Words>;
        /// How images are promoted. `auto` runs the promotion target if its recipe is in a file that git
        /// tracks, and otherwise copies natively. `make` and `native` force one of the two.
        promotion("promotion", usual) for PROMOTING: Promotion = "auto";
        /// The images that an earlier job recorded: its output `images` or `digests`. p2p promotes these
        /// digests.
        images("images"): Option<String>;
        /// Whether a native copy includes what refers to the image: signatures, SBOMs, attestations.
        include_referrers("include-referrers") for PROMOTING: bool = "true";
        /// What happens if a tag at the destination names another image. `keep` keeps it and passes if it was
        /// promoted from the same commit; otherwise it is an error. `overwrite` moves the tag. `fail` is
        /// always an error.
        on_existing("on-existing") for PROMOTING: OnExisting = "keep";
        /// How p2p uses the records that gates leave on images. With `required`, p2p refuses an image that
        /// lacks the records of the earlier gates. With `signed` only signed records count, and p2p signs its own.
        /// With `expected` a missing record is a warning. `off` neither writes nor reads records.
        promotion_record("promotion-record"): Records = "required";
        /// The registry path of images in fast feedback.
        fast_feedback_path("fast-feedback-path"): String = "test";
        /// The registry path of images in extended test.
        extended_test_path("extended-test-path"): String = "extended-test";
        /// The registry path of images in production.
        prod_path("prod-path"): String = "prod";
    }
    "Registry" for WORK {
        /// The registry with its path: `ghcr.io/acme/shop`. Default on the platform:
        /// `<region>-docker.pkg.dev/<project-id>/tenant/<tenant-name>`.
        registry("registry", usual): Option<String>;
        /// The user name at the registry. Default: the login in Docker's configuration.
        registry_username("registry-username"): Option<String>;
        /// The password or token at the registry.
        registry_password("registry-password"): Option<Secret>;
        /// Logins to further registries, for the targets and for p2p itself: one `REGISTRY USER PASSWORD` per
        /// line. `REGISTRY` is a host, or a host with a path if the login is for that path only. The longest
        /// path that fits an image wins. Blank lines and lines that begin with `#` are skipped.
        registry_logins("registry-logins"): Option<RegistryLogins>;
        /// Registries to reach over plain HTTP, besides those on loopback: hosts with an optional port, or
        /// `*.svc.cluster.local` for all names below. Passwords for them travel unencrypted.
        insecure_registries("insecure-registries"): Option<Words>;
        /// The most that the registry of local runs keeps of images. Above it, p2p removes the oldest
        /// versions first.
        cache_limit("cache-limit") for EVERY: Size = "10GiB";
        /// The name of the environment to promote from. Default: this job's own.
        source_environment("source-environment") for PROMOTE: Option<String>;
        /// The name of the environment to promote to. Default: the first `deploy_env` of the next stage's
        /// variable in `vars`, else this job's own.
        dest_environment("dest-environment") for PROMOTING: Option<String>;
        /// Where image builds keep their layers. `registry` gives make the variable `p2p_image_cache`, with a
        /// cache beside each image. `off` sets it to nothing. `keep` does not touch it. Default: `registry`
        /// on GitHub if docker buildx is there, else `keep`.
        build_cache("build-cache") for FIRST: Option<BuildCache>;
    }
    "Environment" for WORK {
        /// The environments by name, as YAML or JSON: a map from the name of an environment to its values.
        /// docs/environments.md lists the keys. `.p2p.yaml` in the repository can hold the same.
        environments("environments"): Option<String>;
        /// GitHub's configuration variables: `${{ toJSON(vars) }}`.
        vars("vars"): Option<String>;
        /// The domain that applications are served under.
        base_domain("base-domain"): Option<String>;
        /// The domain of the platform's internal services.
        internal_services_domain("internal-services-domain"): Option<String>;
        /// The name of the platform.
        dplatform("dplatform"): Option<String>;
        /// The id of the cloud project.
        project_id("project-id"): Option<String>;
        /// The number of the cloud project.
        project_number("project-number"): Option<String>;
        /// The region of the cloud project and its cluster.
        region("region"): Option<String>;
        /// The service account that targets act as.
        service_account("service-account"): Option<String>;
        /// The workload identity provider that trusts this repository.
        workload_identity_provider("workload-identity-provider"): Option<String>;
        /// The namespace that the targets' subnamespaces are named after. Default: `<tenant>-<app>`, or the
        /// tenant alone if the app has no name or the tenant's name. None without a tenant.
        base_namespace("base-namespace"): Option<String>;
        /// A kubeconfig: a path, the content itself, or the content in base64. p2p then looks up no cluster.
        kubeconfig("kubeconfig"): Option<PathOrContent>;
        /// The context of the kubeconfig to use. Default: its current context.
        kube_context("kube-context", usual): Option<String>;
        /// Whether p2p creates no subnamespaces, because they exist already or are created in another way.
        skip_subnamespaces_create("skip-subnamespaces-create"): bool = "false";
    }
    "Google Cloud" for WORK {
        /// Whether the job acts as the environment's service account. `auto` does so on GitHub if the
        /// provider and the account are known, unless a registry password and a kubeconfig are given. `on`
        /// does so anywhere; it is an error if they are not known. `off` never does.
        federation("federation"): Federate = "auto";
        /// Whether targets can request id tokens from GitHub. `withhold` removes the variables for such
        /// requests from their environment; `pass` keeps them.
        id_token("id-token"): IdToken = "withhold";
    }
    "Slack" for EVERY {
        /// A Slack webhook. p2p sends a message if the main branch fails, and when production has a new
        /// version. It can be an incoming webhook or one that starts a workflow.
        slack_webhook_url("slack-webhook-url"): Option<WebhookUrl>;
    }
    "The binary" for EVERY {
        /// A `p2p` binary to run instead of the released one.
        binary_path("binary-path"): Option<String>;
        /// Where the action downloads releases from: a mirror of
        /// `https://github.com/coreeng/p2p-action/releases/download`.
        download_base_url("download-base-url"): Option<String>;
    }
}
