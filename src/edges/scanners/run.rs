//! Starts the scanners.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use sys::error::{Exit, Failure, FileError};
use sys::private;
use sys::process::{ProcessError, Spec, capture, capture_any};
use sys::world::{Env, is_program};
use tokio::sync::OnceCell;

use super::fetch::{ScannerSources, fetch};
use super::output::{AGAIN, parse, unreadable};
use super::release::{Release, Scanner};
use super::trivy::{self, TrivyReport};
use super::trufflehog;
use crate::domain::scan::{Database, LeakedSecret, ScanOptions};

/// The variables that scanners inherit: for programs, proxies and certificates. They get no other variable of the
/// job.
const INHERITED: &str =
    "PATH HTTPS_PROXY https_proxy HTTP_PROXY http_proxy NO_PROXY no_proxy SSL_CERT_FILE SSL_CERT_DIR LANG";
/// Settings for scanners. Git, which TruffleHog starts, reads no other configuration and asks no questions. Trivy
/// sends no usage reports.
const FIXED: [(&str, &str); 8] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_CONFIG_COUNT", "1"),
    ("GIT_CONFIG_KEY_0", "safe.directory"),
    ("GIT_CONFIG_VALUE_0", "*"),
    ("TRIVY_DISABLE_TELEMETRY", "true"),
    ("TRIVY_SKIP_VERSION_CHECK", "true"),
];
/// The options of Trivy's reports.
const REPORTING: &str = "--format json --list-all-pkgs --severity UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL --exit-code 0 --no-progress \
                         --skip-db-update --cache-backend memory";
/// The options of TruffleHog's searches. Without `--fail-on-scan-errors`, it succeeds even if it could not read a
/// commit.
const SEARCHING: &str = "--json --results=verified,unverified,unknown --no-update --fail-on-scan-errors";
/// The most that a scanner may print, in bytes.
const OUTPUT: usize = 1 << 30;
/// How far the clocks of the database and of the runner may differ, in hours.
const CLOCKS: i64 = 24;

/// Commits to search for secrets.
#[derive(Debug)]
pub enum Commits {
    /// All commits.
    All,
    /// Only the last one, which has no parent.
    Last,
    /// The commits after this one.
    Since(String),
}

impl std::fmt::Display for Commits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all commits"),
            Self::Last => f.write_str("the commit alone"),
            Self::Since(commit) => write!(f, "{commit}..HEAD"),
        }
    }
}

/// The scanners of a run.
#[derive(Debug)]
pub struct Scanners {
    options: ScanOptions,
    sources: ScannerSources,
    env: Env,
    /// A private directory for the programs and their files. It must outlive this value.
    scratch: PathBuf,
    now: Timestamp,
    /// Trivy's version and its database.
    database: OnceCell<Result<(String, Database), Failure>>,
    programs: [OnceCell<PathBuf>; 2],
}

impl Scanners {
    /// Scanners that work in `scratch`, a private directory.
    pub fn new(
        options: ScanOptions,
        sources: ScannerSources,
        env: &Env,
        scratch: PathBuf,
        now: Timestamp,
    ) -> Self {
        let mut env = env.clone();
        env.retain(|name, _| INHERITED.split(' ').any(|known| name == known));
        for (name, value) in FIXED {
            env.set(name, value);
        }
        for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
            env.set(name, &scratch);
        }
        env.set("TRIVY_CACHE_DIR", sources.cache.join("trivy"));
        Self { options, sources, env, scratch, now, database: OnceCell::new(), programs: Default::default() }
    }

    /// The program of a scanner: the one that the environment names, else an installed one, else the released one.
    async fn program(&self, scanner: Scanner) -> Result<&PathBuf, Failure> {
        let name = scanner.program();
        let named = match scanner {
            Scanner::Trivy => &self.options.trivy,
            Scanner::Trufflehog => &self.options.trufflehog,
        };
        let cell = &self.programs[scanner as usize];
        cell.get_or_try_init(async || match named {
            Some(path) if path.is_absolute() && is_program(path) => Ok(path.clone()),
            Some(path) => {
                let path = path.display();
                let what =
                    format!("`{name}-path` is {path}, which is not the absolute path of an executable file");
                let help = format!("correct the key `{name}-path` of the environment, or leave it out");
                Err(Failure::usage(what, help))
            }
            None => match self.env.find_program(name.as_ref()) {
                Some(installed) => Ok(installed),
                None => fetch(scanner, &Release::here(scanner)?, &self.sources, &self.scratch).await,
            },
        })
        .await
    }

    /// Fetches the scanners and the database.
    ///
    /// # Errors
    /// If one of them is missing, or the database is too old.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.program(Scanner::Trufflehog).await?;
        self.prepare_trivy().await
    }

    async fn prepare_trivy(&self) -> Result<(), Failure> {
        self.program(Scanner::Trivy).await?;
        let database = self.database.get_or_init(async || self.database().await.map_err(no_database)).await;
        let (_, Database { updated, hours }) = database.as_ref().map_err(Clone::clone)?;
        let limit = self.options.database_max_age.as_secs() / 3600;
        if *hours >= -CLOCKS && u64::try_from(*hours).unwrap_or_default() <= limit {
            return Ok(());
        }
        let what = format!(
            "the database of vulnerabilities is of {updated}, {hours} h old, and the limit is {limit} h"
        );
        let help = "update the mirror that `scan-db` names, allow more by the key `scan-db-max-age`, or correct the clock \
                    of the runner";
        Err(Failure::new(Exit::Failed, what, help))
    }

    /// Updates the database. Other jobs on the machine with the same cache wait meanwhile.
    async fn database(&self) -> Result<(String, Database), Failure> {
        let cache = self.sources.cache.join("trivy");
        std::fs::create_dir_all(&cache).map_err(FileError::at("create a directory in", &cache))?;
        let lock = cache.join(".p2p-lock");
        let file = private::append(&lock).map_err(FileError::at("write", &lock))?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        let _locked =
            locked.map_err(std::io::Error::other).flatten().map_err(FileError::at("lock", &lock))?;
        let from = option("--db-repository", self.options.database.as_ref());
        self.trivy(words(&format!("image --download-db-only --no-progress {from}"))).await?;
        trivy::database(&self.trivy(words("version --format json")).await?, self.now)
    }

    /// The scanners that have run, with their versions, and the database.
    pub async fn ran(&self) -> (Vec<String>, Option<Database>) {
        let trivy = self.database.get().and_then(|found| found.as_ref().ok());
        let mut versions: Vec<_> = trivy.iter().map(|(version, _)| format!("trivy {version}")).collect();
        if let Some(program) = self.programs[Scanner::Trufflehog as usize].get() {
            let spec = self.spec(program, words("--version"));
            let ended = capture_any(&spec, self.options.time_limit).await.ok();
            // It says `trufflehog 3.95.9` on one of its streams.
            let said = ended.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr);
            let said = said.unwrap_or_default();
            let version = said.split_whitespace().skip_while(|word| *word != "trufflehog").nth(1);
            versions.push(format!("trufflehog {}", version.unwrap_or("(unknown version)")));
        }
        (versions, trivy.map(|(_, database)| database.clone()))
    }

    fn spec(&self, program: &Path, arguments: Vec<String>) -> Spec {
        // A file in the repository must not configure a scanner.
        let spec = Spec::new(program, arguments, &self.scratch, self.env.clone());
        Spec { output_limit: OUTPUT, ..spec }
    }

    /// Runs Trivy, and returns what it prints.
    async fn trivy(&self, arguments: Vec<String>) -> Result<Vec<u8>, Failure> {
        let spec = self.spec(self.program(Scanner::Trivy).await?, arguments);
        let ended = capture(&spec, self.options.time_limit).await;
        Ok(ended.map_err(|error| failed(Scanner::Trivy, error))?.stdout)
    }

    /// Trivy's report about a target, which the word `before` introduces.
    async fn report(&self, command: &str, before: &str, target: &Path) -> Result<Vec<u8>, Failure> {
        self.prepare_trivy().await?;
        let options = &self.options;
        let unfixed = if options.ignore_unfixed { "--ignore-unfixed" } else { "" };
        let java = option("--java-db-repository", options.java_database.as_ref());
        let limit = options.time_limit.as_secs();
        let mut arguments =
            words(&format!("{command} {REPORTING} --timeout {limit}s {unfixed} {java} {before}"));
        arguments.push(target.display().to_string());
        self.trivy(arguments).await
    }

    /// Trivy's report about the files below `root`.
    ///
    /// # Errors
    /// If Trivy or its database is missing, or if there is no complete report.
    pub async fn dependencies(&self, root: &Path) -> Result<TrivyReport, Failure> {
        TrivyReport::parse(&self.report("fs --scanners vuln,license", "", root).await?, false)
    }

    /// Trivy's report about the image in the file `archive`, which has the format of `docker save`.
    ///
    /// # Errors
    /// As [`Scanners::dependencies`].
    pub async fn image(&self, archive: &Path) -> Result<TrivyReport, Failure> {
        TrivyReport::parse(&self.report("image --scanners vuln", "--input", archive).await?, true)
    }

    /// Trivy's report about the packages in the SBOM of an image.
    ///
    /// # Errors
    /// As [`Scanners::dependencies`].
    pub async fn packages(&self, sbom: &Value) -> Result<TrivyReport, Failure> {
        let file = self.file(sbom)?;
        TrivyReport::parse(&self.report("sbom --scanners vuln", "", &file).await?, true)
    }

    /// Converts a report of [`Scanners::image`] to an SBOM in the format `CycloneDX`
    /// (<https://cyclonedx.org/docs/1.6/json/>), without reading the image again.
    ///
    /// # Errors
    /// If Trivy fails, or its output is not an SBOM.
    pub async fn sbom(&self, report: &TrivyReport) -> Result<Value, Failure> {
        let mut arguments = words("convert --format cyclonedx");
        arguments.push(self.file(&report.document)?.display().to_string());
        let sbom: Value = parse("trivy convert", &self.trivy(arguments).await?)?;
        let known = sbom["bomFormat"] == "CycloneDX";
        if known { Ok(sbom) } else { Err(unreadable("trivy convert", "it is not CycloneDX")) }
    }

    /// A file for Trivy to read.
    fn file(&self, document: &Value) -> Result<PathBuf, FileError> {
        let text = document.to_string();
        let file = self.scratch.join(format!("{}.json", oci::Digest::of(&text).hex()));
        private::write(&file, text.as_bytes()).map_err(FileError::at("write", &file))?;
        Ok(file)
    }

    /// TruffleHog's findings in these commits of the repository at `root`.
    ///
    /// # Errors
    /// If TruffleHog is missing or fails.
    pub async fn history(&self, root: &Path, commits: &Commits) -> Result<Vec<LeakedSecret>, Failure> {
        let mut arguments = vec!["git".to_owned(), format!("file://{}", root.display())];
        arguments.extend(match commits {
            Commits::All => Vec::new(),
            Commits::Last => words("--branch=HEAD --max-depth=1"),
            Commits::Since(commit) => words(&format!("--branch=HEAD --since-commit={commit}")),
        });
        self.secrets(arguments).await
    }

    /// TruffleHog's findings in an image, in a file as for [`Scanners::image`].
    ///
    /// # Errors
    /// As [`Scanners::history`].
    pub async fn image_secrets(&self, archive: &Path) -> Result<Vec<LeakedSecret>, Failure> {
        let image = format!("file://{}", archive.display());
        self.secrets(vec!["docker".to_owned(), "--image".to_owned(), image]).await
    }

    async fn secrets(&self, mut arguments: Vec<String>) -> Result<Vec<LeakedSecret>, Failure> {
        let program = self.program(Scanner::Trufflehog).await?;
        let of_image = arguments.first().is_some_and(|command| command == "docker");
        arguments.extend(words(SEARCHING));
        arguments.extend((!self.options.verify_secrets).then(|| "--no-verification".to_owned()));
        let spec = self.spec(program, arguments);
        let ended = capture_any(&spec, self.options.time_limit).await;
        let ended = ended.map_err(|error| failed(Scanner::Trufflehog, error))?;
        // 183 means that there are findings.
        if !ended.succeeded() && ended.code != Some(183) {
            let error = ended.failed(&spec, trufflehog::messages(&ended, false).unwrap_or_default());
            return Err(failed(Scanner::Trufflehog, error));
        }
        // If it could not read an image or a layer, only its log says so.
        if let Some(errors) = trufflehog::messages(&ended, true).filter(|_| of_image) {
            let what = format!("trufflehog could not read all of the image: {errors}");
            return Err(Failure::new(Exit::Failed, what, AGAIN));
        }
        trufflehog::read(&ended.stdout)
    }
}

/// The failure for a scanner that failed.
fn failed(scanner: Scanner, error: ProcessError) -> Failure {
    let failure = Failure::from(error).context(format!("{} failed", scanner.program()));
    let help =
        if failure.exit == Exit::TimedOut { "give it more time by the input `timeout`" } else { AGAIN };
    Failure { help: failure.help.or_else(|| Some(help.to_owned())), ..failure }
}

/// The failure for a database that could not be fetched.
fn no_database(failure: Failure) -> Failure {
    let failure = failure.context("there is no database of vulnerabilities");
    // A program that cannot start, a directory that cannot be written and a time limit have a help of their own.
    if failure.exit != Exit::Failed {
        return failure;
    }
    let help = "check the network of the runner, or give the key `scan-db` (an OCI reference of a mirror); \
                docs/scans.md says more";
    Failure { help: Some(help.to_owned()), exit: Exit::Unavailable, ..failure }
}

/// An option with its value, if there is one.
fn option(name: &str, value: Option<&String>) -> String {
    value.map_or_else(String::new, |value| format!("{name} {value}"))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
