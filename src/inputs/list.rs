//! The list itself.

use std::time::Duration;

use super::Spec;
use super::commands;
use super::globs::Globs;
use super::read::{Field, Read, Reader};
use super::registry_logins::RegistryLogins;
use super::secrets::{PathOrContent, VariableLines, WebhookUrl};
use super::types::{
    BuildCache, Bump, Command, Federate, FloatingTags, IdToken, Integration, Lines, OnExisting, OnFork,
    OutputFormat, Parallel, Promotion, Records, ReleaseCommit, Size, Words,
};
use sys::error::Failure;
use workflow_commands::Secret;

macro_rules! inputs {
    ($($section:literal for $commands:ident { $(
        $(#[doc = $meaning:literal])+
        $field:ident($name:literal $(, $usual:ident)?) $(for $own:ident)?: $type:ty $(= $default:literal)?;
    )+ })+) => {
        /// Every input, parsed and checked.
        #[derive(Debug, Clone)]
        pub struct Inputs { $($( $(#[doc = $meaning])+ pub $field: $type, )+)+ }

        /// The list of inputs, in the order of the documents.
        pub const SPECS: &[Spec] = &[ $($( Spec {
            name: $name,
            kind: <$type as Field>::KIND,
            default: inputs!(@default $($default)?),
            section: $section,
            commands: inputs!(@commands $commands $($own)?),
            usual: inputs!(@usual $($usual)?),
            meaning: concat!($($meaning),+).trim_ascii(),
        }, )+)+ ];

        impl Inputs {
            /// Reads every input; `text` gives the text of one, if there is any.
            ///
            /// # Errors
            /// None for a wrong input: [`Read`] has those.
            pub fn read(text: impl Fn(&Spec) -> Option<String>) -> Result<Read, Failure> {
                let mut reader = Reader::new(text);
                let inputs = Self { $($( $field: reader.next()?, )+)+ };
                Ok(reader.ended(inputs))
            }

            /// The text of the input of this name, where it has one that is not secret.
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

// A section says which commands read its inputs, and so does an input that differs; `usual` ones are in the
// short help.
inputs! {
    "What to do" for EVERY {
        /// What to do. `fast-feedback` is the whole gate; `extended-test` and `prod` are the later
        /// ones.
        command("command"): Command = "fast-feedback";
        /// What the command is about: the make targets of `run`, the stage of `promote`
        /// and the gate of `latest` (`extended-test` or `prod`), the command that `plan` plans.
        target("target"): Option<Words>;
        /// The directory make runs in, relative to the workspace.
        working_directory("working-directory", usual): String = ".";
        /// Print the plan and stop: nothing is run, created or promoted.
        dry_run("dry-run", usual): bool = "false";
        /// How `plan` and `dry-run` print; a run that prints no plan takes `text` alone. `matrix`
        /// prints the environments of the gate and nothing else, for `strategy.matrix`.
        output("output"): OutputFormat = "text";
    }
    "Who you are" for WORK {
        /// The team's space on the platform. Default: `P2P_TENANT_NAME` of the Makefile.
        tenant_name("tenant-name", usual): Option<String>;
        /// The deployable. Default: `P2P_APP_NAME` of the Makefile.
        app_name("app-name", usual): Option<String>;
        /// The name of this job's own environment, such as `gcp-dev`. Default: the first
        /// environment of the gate's matrix; of `run`, of the gate that the targets belong to; of
        /// `promote`, of the gate that is promoted from.
        environment("environment", usual): Option<String>;
        /// The environments that a gate runs in, one after the other: a matrix
        /// (`{"include": [{"deploy_env": "gcp-dev"}]}`), or names. Default: `environment`, else
        /// the gate's variable in `vars`: `FAST_FEEDBACK`, `EXTENDED_TEST` or `PROD`.
        matrix("matrix") for GATES: Option<String>;
        /// The token for GitHub's API and for git. The action passes the job's own.
        github_token("github-token") for EVERY: Option<Secret>;
    }
    "Version" for EVERY {
        /// The version, as an earlier job computed it. Nothing is computed or created then. Default
        /// of `extended-test` and `prod`: the latest in their registry path.
        version("version", usual): Option<String>;
        /// What stands before the number in a version tag. Literal text; a monorepo has one an app.
        /// `none` for tags that are the number alone.
        version_prefix("version-prefix", usual): String = "v";
        /// The branch whose commits get versions and are promoted.
        main_branch("main-branch"): String = "refs/heads/main";
        /// The commit, branch or tag that was checked out instead of the event's own commit.
        checkout_version("checkout-version") for COMMIT: Option<String>;
        /// Branches besides the main branch whose version tags the later gates trust: globs of branch
        /// names, separated by white space or commas.
        release_branches("release-branches") for WORK: Option<Words>;
        /// The part of the version that is counted up on the main branch; `conventional` decides it by
        /// the commit messages since the last version tag (`feat:` is minor, `!` and
        /// `BREAKING CHANGE` are major, all else is patch).
        bump("bump", usual) for NUMBERING: Bump = "patch";
        /// Tags that follow the releases, moved by `version` and `release` and never backwards:
        /// `major` (`v1`), `minor` (`v1.2`).
        floating_tags("floating-tags", usual) for RELEASING: Option<FloatingTags>;
    }
    "Release" for RELEASE {
        /// The commit that a version tag is put on: `own` is the commit under test, by `version`; `child`
        /// is a commit that `release` makes on top of it, with `release-files`, on no branch.
        release_commit("release-commit") for RELEASING: ReleaseCommit = "own";
        /// The files that a `child` commit adds or replaces, as they are in `working-directory`: globs,
        /// one a line.
        release_files("release-files"): Option<Lines>;
        /// The files that the GitHub release offers for download, below `working-directory`: globs, one
        /// a line. A glob that matches nothing is an error.
        release_assets("release-assets", usual): Option<Lines>;
        /// The text of the GitHub release: `generated` by GitHub, `none`, or the path of a Markdown
        /// file below `working-directory`.
        release_notes("release-notes", usual): String = "generated";
    }
    "Stages" for WORK {
        /// What `p2p-integration` is to the gate: `optional` skips it with a warning where the
        /// Makefile has none, `required` makes that an error, `off` never runs it.
        integration("integration", usual) for FIRST: Integration = "optional";
        /// Whether `p2p-integration` runs on pull requests too.
        integration_on_prs("integration-on-prs") for FIRST: bool = "true";
        /// Targets that the Makefile must have, besides those that `run` runs: an error before anything
        /// runs, where the others run in jobs of their own.
        required_targets("required-targets") for RUN: Option<Words>;
        /// The time limit of each target: minutes, or a number with `s`, `m` or `h`. Default: 60 minutes
        /// for the targets of fast feedback; all others may run as long as the job may.
        timeout("timeout", usual): Option<Duration>;
        /// Whether functional and nft run at the same time, nft in a copy of the workspace. With `auto` they run
        /// one after the other if recipes of both name a container or write `~/.config/gcloud`.
        parallel("parallel") for FAST_FEEDBACK: Parallel = "auto";
        /// Files that targets leave behind and that are wanted afterwards: globs, one a line,
        /// relative to `working-directory`; or YAML, a list of globs for each target. Those of nft
        /// are brought back from its copy.
        artifacts("artifacts", usual): Option<Globs>;
        /// What becomes of a pull request from a fork, to which GitHub gives neither id token nor
        /// secrets: `failure`, `skipped`, or `run` as any other one (where it needs none, or the
        /// organisation sends secrets to forks).
        on_fork("on-fork"): OnFork = "failure";
        /// Variables for every target, one `KEY=VALUE` a line, or `KEY<<DELIM` … `DELIM` for a
        /// value of several lines. Every value is masked. make expands a `$` where a recipe uses
        /// `$(KEY)`, and leaves it alone in `$$KEY`.
        env_vars("env-vars"): Option<VariableLines>;
    }
    "Images and promotion" for WORK {
        /// The images to record and promote. Default: what the target `p2p-images` prints, else
        /// the app's name.
        image_names("image-names", usual): Option<Words>;
        /// Who promotes: `auto` runs the promotion target where its recipe stands in a file that
        /// git tracks and copies natively otherwise; `make` and `native` decide it.
        promotion("promotion", usual) for PROMOTING: Promotion = "auto";
        /// The images that an earlier job recorded: its output `images` or `digests`. Their digests
        /// are what is promoted.
        images("images"): Option<String>;
        /// Whether what refers to an image comes along when it is copied natively: signatures,
        /// SBOMs, attestations.
        include_referrers("include-referrers") for PROMOTING: bool = "true";
        /// What happens where a tag at the destination names another image: `keep` leaves it and passes
        /// where it was promoted from the same commit, and is an error elsewhere; `overwrite` moves the
        /// tag; `fail` is always an error.
        on_existing("on-existing") for PROMOTING: OnExisting = "keep";
        /// What becomes of the records that gates leave on images: with `required` an image that lacks
        /// the records of the earlier gates does not go on, with `expected` that is a warning, `off`
        /// neither writes nor reads them.
        promotion_record("promotion-record"): Records = "required";
        /// The registry path of images under fast feedback.
        fast_feedback_path("fast-feedback-path"): String = "test";
        /// The registry path of images under extended test.
        extended_test_path("extended-test-path"): String = "extended-test";
        /// The registry path of images in production.
        prod_path("prod-path"): String = "prod";
    }
    "Registry" for WORK {
        /// The registry, with its path: `ghcr.io/acme/shop`. Default on the platform:
        /// `<region>-docker.pkg.dev/<project-id>/tenant/<tenant-name>`.
        registry("registry", usual): Option<String>;
        /// The user at the registry. Default: what Docker's configuration holds.
        registry_username("registry-username"): Option<String>;
        /// The password or token at the registry.
        registry_password("registry-password"): Option<Secret>;
        /// Logins to further registries, for the targets and for p2p itself: `REGISTRY USER PASSWORD` a line.
        /// `REGISTRY` is a host, with a path where the login is for that part of it alone; the longest path
        /// that fits an image wins. Blank lines and lines that begin with `#` are skipped.
        registry_logins("registry-logins"): Option<RegistryLogins>;
        /// Registries that are reached over plain HTTP, besides those on loopback: hosts with an optional
        /// port, or `*.svc.cluster.local` for all names below. Passwords for them travel unencrypted.
        insecure_registries("insecure-registries"): Option<Words>;
        /// The most that the registry of local runs keeps of images. Above it the oldest versions are
        /// removed first.
        cache_limit("cache-limit") for EVERY: Size = "10GiB";
        /// The name of the environment to promote from. Default: this job's own.
        source_environment("source-environment") for PROMOTE: Option<String>;
        /// The name of the environment to promote to. Default: the first `deploy_env` of the next
        /// stage's variable in `vars`, else this job's own.
        dest_environment("dest-environment") for PROMOTING: Option<String>;
        /// Where the layers of image builds are kept: `registry` gives the variable `p2p_image_cache`
        /// to make, with a cache beside each image; `off` empties it; `keep` leaves it alone.
        /// Default: `registry` on GitHub where docker buildx is, else all is left alone.
        build_cache("build-cache") for FIRST: Option<BuildCache>;
    }
    "Environment" for WORK {
        /// The environments by name, as YAML or JSON: a map from an environment's name to its values. The
        /// keys are in docs/environments.md. `.p2p.yaml` in the repository may hold the same.
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
        /// The namespace that the targets' subnamespaces are named after. Default: `<tenant>-<app>`; the
        /// tenant alone where no app's name is known, or it is the tenant's; none without a tenant.
        base_namespace("base-namespace"): Option<String>;
        /// A kubeconfig: a path, the content itself, or the content in base64. No cluster is looked up then.
        kubeconfig("kubeconfig"): Option<PathOrContent>;
        /// The context of the kubeconfig to use. Default: its current one.
        kube_context("kube-context", usual): Option<String>;
        /// Whether the subnamespaces of the targets are there already, or made by other means.
        skip_subnamespaces_create("skip-subnamespaces-create"): bool = "false";
    }
    "Google Cloud" for WORK {
        /// Whether the job acts as the environment's service account: `auto` does on GitHub where
        /// provider and account are known, unless a registry's password and a kubeconfig are given;
        /// `on` does anywhere, and it is an error where they are not known; `off` never does.
        federation("federation"): Federate = "auto";
        /// Whether targets may ask GitHub for id tokens themselves: `withhold` keeps the request's
        /// variables from them, `pass` leaves them in their environment.
        id_token("id-token"): IdToken = "withhold";
    }
    "Slack" for EVERY {
        /// A webhook of Slack: told of failures on the main branch, and when production has a new
        /// version. An incoming webhook, or one that starts a workflow.
        slack_webhook_url("slack-webhook-url"): Option<WebhookUrl>;
    }
    "The binary" for EVERY {
        /// A `p2p` binary to run instead of the released one.
        binary_path("binary-path"): Option<String>;
        /// Where releases are downloaded from: a mirror of
        /// `https://github.com/coreeng/p2p-action/releases/download`.
        download_base_url("download-base-url"): Option<String>;
    }
}
