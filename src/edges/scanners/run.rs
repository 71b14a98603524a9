//! Starts the scanners.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sys::error::FileError;
use sys::private::{self, Links};
use sys::process::{ProcessError, Spec, capture, capture_any};
use sys::world::Env;
use tokio::sync::OnceCell;

use super::error::ScannerError;
use super::fetch::{ScannerSources, fetch};
use super::release::{Release, Scanner};
use super::{trivy, trufflehog};
use crate::domain::scan::{Database, ScanOptions};

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
/// The directory for Trivy's version and database, below the cache.
const DATABASE: &str = "trivy";
/// The options of Trivy's reports.
const REPORTING: &str = "--format json --list-all-pkgs --severity UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL --exit-code 0 --no-progress \
                         --skip-db-update --cache-backend memory";
/// The options of TruffleHog's searches. Without `--fail-on-scan-errors`, it succeeds even if it could not read a
/// commit.
const SEARCHING: &str = "--json --results=verified,unverified,unknown --no-update --fail-on-scan-errors";
/// The largest report, in bytes.
const REPORT: u64 = 1 << 30;
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

/// Why Trivy has no database, and whether fetching it exceeded the time limit.
type Unusable = (String, bool);

/// The scanners of a run.
#[derive(Debug)]
pub struct Scanners {
    options: ScanOptions,
    sources: ScannerSources,
    env: Env,
    /// A private directory for the programs and their files. It must outlive this value.
    scratch: PathBuf,
    limit: Duration,
    trivy: OnceCell<Result<(PathBuf, String, Database), Unusable>>,
    programs: [OnceCell<PathBuf>; 2],
}

impl Scanners {
    /// Scanners that work in `scratch`, a private directory. Each may take `limit`.
    pub fn new(
        options: ScanOptions,
        sources: ScannerSources,
        env: &Env,
        scratch: PathBuf,
        limit: Duration,
    ) -> Self {
        let mut env = env.clone();
        env.retain(|name, _| INHERITED.split(' ').any(|known| name == known));
        for (name, value) in FIXED {
            env.set(name, value);
        }
        for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
            env.set(name, &scratch);
        }
        Self { options, sources, env, scratch, limit, trivy: OnceCell::new(), programs: Default::default() }
    }

    /// The program of a scanner: the one that the environment names, else an installed one, else the released one.
    async fn program(&self, scanner: Scanner) -> Result<&PathBuf, ScannerError> {
        let (key, named) = match scanner {
            Scanner::Trivy => ("trivy-path", &self.options.trivy),
            Scanner::Trufflehog => ("trufflehog-path", &self.options.trufflehog),
        };
        let cell = &self.programs[scanner as usize];
        cell.get_or_try_init(async || {
            if let Some(path) = named {
                let found = path.is_absolute().then(|| self.env.find_program(path.as_os_str())).flatten();
                let runs = |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
                return found
                    .filter(|path| path.is_file() && runs(path))
                    .ok_or_else(|| ScannerError::NotAProgram { key, path: path.clone() });
            }
            match self.env.find_program(scanner.program().as_ref()) {
                Some(installed) => Ok(installed),
                None => fetch(scanner, &Release::here(scanner)?, &self.sources, &self.scratch).await,
            }
        })
        .await
    }

    /// Trivy, with its database.
    async fn trivy(&self, now: Timestamp) -> Result<&Path, ScannerError> {
        let program = self.program(Scanner::Trivy).await?;
        let prepared = self.trivy.get_or_init(async || {
            let database = self.database(program, now).await;
            database.map(|(version, database)| (program.clone(), version, database)).map_err(|error| {
                match error {
                    ScannerError::Database { reason, timed_out } => (reason, timed_out),
                    ScannerError::Failed { timed_out, .. } => (error.to_string(), timed_out),
                    error => (error.to_string(), false),
                }
            })
        });
        match prepared.await {
            Ok((program, _, database)) => self.fresh(database).map(|()| program.as_path()),
            Err((reason, timed_out)) => {
                Err(ScannerError::Database { reason: reason.clone(), timed_out: *timed_out })
            }
        }
    }

    /// Fetches the scanners and the database.
    ///
    /// # Errors
    /// If one of them is missing.
    pub async fn ready(&self, now: Timestamp) -> Result<(), ScannerError> {
        self.program(Scanner::Trufflehog).await?;
        self.trivy(now).await.map(|_| ())
    }

    /// The scanners that have run, with their versions, and the database.
    pub async fn ran(&self) -> (Vec<String>, Option<Database>) {
        let trivy = self.trivy.get().and_then(|found| found.as_ref().ok());
        let mut versions: Vec<_> = trivy.iter().map(|(_, version, _)| format!("trivy {version}")).collect();
        if let Some(program) = self.programs[Scanner::Trufflehog as usize].get() {
            let spec = self.spec(program, vec!["--version".to_owned()]);
            let ended = capture_any(&spec, self.limit).await.ok();
            let said = ended.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr);
            versions.push(trufflehog::version(&said.unwrap_or_default()));
        }
        (versions, trivy.map(|(.., database)| database.clone()))
    }

    fn fresh(&self, database: &Database) -> Result<(), ScannerError> {
        let limit = self.options.database_max_age.as_secs() / 3600;
        if database.hours < -CLOCKS {
            return Err(ScannerError::Future { updated: database.updated.clone() });
        }
        if u64::try_from(database.hours).is_ok_and(|hours| hours > limit) {
            let (updated, hours) = (database.updated.clone(), database.hours);
            return Err(ScannerError::Old { updated, hours, limit });
        }
        Ok(())
    }

    /// Updates the database. Other jobs on the machine with the same cache wait meanwhile.
    async fn database(&self, program: &Path, now: Timestamp) -> Result<(String, Database), ScannerError> {
        let cache = self.cache();
        std::fs::create_dir_all(&cache).map_err(FileError::at("create a directory in", &cache))?;
        let lock = cache.join(".p2p-lock");
        let file = private::append(&lock).map_err(FileError::at("write", &lock))?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        let _locked =
            locked.map_err(std::io::Error::other).flatten().map_err(FileError::at("lock", &lock))?;
        let mut arguments = words("image --download-db-only --no-progress");
        arguments.extend(
            self.options.database.iter().flat_map(|name| ["--db-repository".to_owned(), name.clone()]),
        );
        let failed = |error: &ProcessError| ScannerError::process("trivy", error, &[]);
        capture(&self.spec(program, self.with_cache(arguments)), self.limit)
            .await
            .map_err(|error| failed(&error))?;
        let spec = self.spec(program, self.with_cache(words("version --format json")));
        let told = capture(&spec, self.limit).await.map_err(|error| failed(&error))?;
        trivy::database(&told.stdout, now)
    }

    fn cache(&self) -> PathBuf {
        self.sources.cache.join(DATABASE)
    }

    fn with_cache(&self, mut arguments: Vec<String>) -> Vec<String> {
        arguments.extend(["--cache-dir".to_owned(), self.cache().display().to_string()]);
        arguments
    }

    fn spec(&self, program: &Path, arguments: Vec<String>) -> Spec {
        // A file in the repository must not configure a scanner.
        Spec::new(program, arguments, &self.scratch, self.env.clone())
    }

    /// Runs Trivy with a command on a target and returns its report. The last word of the command introduces the
    /// target.
    async fn report(
        &self,
        (command, last): (&str, &str),
        target: &Path,
        now: Timestamp,
    ) -> Result<Vec<u8>, ScannerError> {
        let program = self.trivy(now).await?;
        let target = target.display().to_string();
        let output = self.scratch.join(format!("trivy-{}.json", oci::Digest::of(&target).hex()));
        let mut arguments = words(command);
        arguments.extend(words(REPORTING));
        arguments.extend(["--timeout".to_owned(), format!("{}s", self.limit.as_secs())]);
        arguments.extend(["--output".to_owned(), output.display().to_string()]);
        if self.options.ignore_unfixed {
            arguments.push("--ignore-unfixed".to_owned());
        }
        let java = self.options.java_database.iter();
        arguments.extend(java.flat_map(|name| ["--java-db-repository".to_owned(), name.clone()]));
        let mut arguments = self.with_cache(arguments);
        arguments.extend(words(last));
        arguments.push(target);
        let ended = capture(&self.spec(program, arguments), self.limit).await;
        ended.map_err(|error| ScannerError::process("trivy", &error, &[]))?;
        let report = private::read(&output, Links::Refuse, REPORT).map_err(|error| ScannerError::Output {
            scanner: "trivy".to_owned(),
            problem: format!("its report is missing: {error}"),
        })?;
        let _gone = std::fs::remove_file(&output);
        Ok(report)
    }

    /// Trivy's report about the files below `root`.
    ///
    /// # Errors
    /// If Trivy or its database is missing, or if there is no report.
    pub async fn dependencies(&self, root: &Path, now: Timestamp) -> Result<Vec<u8>, ScannerError> {
        self.report(("fs", "--scanners vuln,license"), root, now).await
    }

    /// Trivy's report about the image in the file `archive`, which has the format of `docker save`.
    ///
    /// # Errors
    /// As [`Scanners::dependencies`].
    pub async fn image(&self, archive: &Path, now: Timestamp) -> Result<Vec<u8>, ScannerError> {
        self.report(("image", "--scanners vuln --input"), archive, now).await
    }

    /// Trivy's report about the packages in an SBOM.
    ///
    /// # Errors
    /// As [`Scanners::dependencies`].
    pub async fn packages(&self, sbom: &[u8], now: Timestamp) -> Result<Vec<u8>, ScannerError> {
        let file = self.scratch.join(format!("known-{}.json", oci::Digest::of(sbom).hex()));
        private::write(&file, sbom).map_err(FileError::at("write", &file))?;
        self.report(("sbom", "--scanners vuln"), &file, now).await
    }

    /// Converts a report of [`Scanners::image`] to an SBOM in the format `CycloneDX`, without reading the image
    /// again.
    ///
    /// # Errors
    /// If Trivy fails, or its output is not an SBOM.
    pub async fn sbom(&self, report: &[u8]) -> Result<Value, ScannerError> {
        let program = self.program(Scanner::Trivy).await?;
        let name = format!("sbom-{}.json", oci::Digest::of(report).hex());
        let (input, output) = (self.scratch.join(format!("of-{name}")), self.scratch.join(name));
        private::write(&input, report).map_err(FileError::at("write", &input))?;
        let mut arguments = words("convert --format cyclonedx --output");
        arguments.extend([&output, &input].map(|file| file.display().to_string()));
        let spec = self.spec(program, arguments);
        let ended = capture(&spec, self.limit).await;
        ended.map_err(|error| ScannerError::process("trivy", &error, &[]))?;
        let wrong = |problem: String| ScannerError::Output { scanner: "trivy convert".to_owned(), problem };
        let sbom = private::read(&output, Links::Refuse, REPORT)
            .map_err(|error| wrong(format!("its SBOM is missing: {error}")))?;
        trivy::parse_sbom(&sbom).map_err(wrong)
    }

    /// TruffleHog's findings in these commits of the repository at `root`.
    ///
    /// # Errors
    /// If TruffleHog is missing or fails.
    pub async fn history(&self, root: &Path, commits: &Commits) -> Result<Vec<u8>, ScannerError> {
        let mut arguments = vec!["git".to_owned(), format!("file://{}", root.display())];
        arguments.extend(match commits {
            Commits::All => Vec::new(),
            Commits::Last => words("--branch=HEAD --max-depth=1"),
            Commits::Since(commit) => vec!["--branch=HEAD".to_owned(), format!("--since-commit={commit}")],
        });
        self.secrets(arguments).await
    }

    /// TruffleHog's findings in an image, in a file as for [`Scanners::image`].
    ///
    /// # Errors
    /// As [`Scanners::history`].
    pub async fn image_secrets(&self, archive: &Path) -> Result<Vec<u8>, ScannerError> {
        let image = format!("file://{}", archive.display());
        self.secrets(vec!["docker".to_owned(), "--image".to_owned(), image]).await
    }

    async fn secrets(&self, mut arguments: Vec<String>) -> Result<Vec<u8>, ScannerError> {
        let program = self.program(Scanner::Trufflehog).await?;
        let of_image = arguments.first().is_some_and(|command| command == "docker");
        arguments.extend(words(SEARCHING));
        if !self.options.verify_secrets {
            arguments.push("--no-verification".to_owned());
        }
        let spec = self.spec(program, arguments);
        let failed =
            |error: &ProcessError, secrets: &[String]| ScannerError::process("trufflehog", error, secrets);
        let ended = capture_any(&spec, self.limit).await.map_err(|error| failed(&error, &[]))?;
        let secrets = trufflehog::raw(&ended.stdout);
        // 183 means that there are findings.
        if !ended.succeeded() && ended.code != Some(183) {
            return Err(failed(&ended.failed(&spec, trufflehog::last_words(&ended.stderr)), &secrets));
        }
        // If it could not read an image or a layer, only its log says so.
        match trufflehog::errors(&ended.stderr).filter(|_| of_image) {
            Some(errors) => Err(ScannerError::unread("trufflehog", &errors, &secrets)),
            None => Ok(ended.stdout),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
