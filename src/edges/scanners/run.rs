//! Starts the scanners.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
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

/// The variables that scanners inherit: where programs, proxies and certificates are. Nothing else of the job
/// reaches them.
const INHERITED: [&str; 10] = [
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
];
/// Git, which TruffleHog starts, obeys no configuration but this and asks nobody.
const GIT: [(&str, &str); 6] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_CONFIG_COUNT", "1"),
    ("GIT_CONFIG_KEY_0", "safe.directory"),
    ("GIT_CONFIG_VALUE_0", "*"),
];
/// Where Trivy's version and database are kept, below the cache.
const DATABASE: &str = "trivy";
/// The most bytes of a report.
const REPORT: u64 = 1 << 30;

/// The scanners of a run.
#[derive(Debug)]
pub struct Scanners {
    options: ScanOptions,
    sources: ScannerSources,
    env: Env,
    /// Private; holds the programs and whatever they write. It has to outlive this.
    scratch: PathBuf,
    limit: Duration,
    trivy: OnceCell<Result<(PathBuf, String, Database), String>>,
    programs: [OnceCell<PathBuf>; 2],
}

impl Scanners {
    /// Scanners that work in `scratch`, a directory that only this user may enter, each for at most `limit`.
    pub fn new(
        options: ScanOptions,
        sources: ScannerSources,
        env: &Env,
        scratch: PathBuf,
        limit: Duration,
    ) -> Self {
        let mut env = env.clone();
        env.retain(|name, _| INHERITED.iter().any(|known| name == *known));
        for (name, value) in GIT {
            env.set(name, value);
        }
        for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
            env.set(name, &scratch);
        }
        Self { options, sources, env, scratch, limit, trivy: OnceCell::new(), programs: Default::default() }
    }

    /// The program: the one that the environment names, else an installed one, else the released one.
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

    /// Trivy with its database.
    async fn trivy(&self, now: Timestamp) -> Result<(&Path, &Database), ScannerError> {
        let program = self.program(Scanner::Trivy).await?;
        let prepared = self.trivy.get_or_init(async || {
            let database = self.database(program, now).await;
            database
                .map(|(version, database)| (program.clone(), version, database))
                .map_err(|error| error.to_string())
        });
        match prepared.await {
            Ok((program, _, database)) => self.fresh(database).map(|database| (program.as_path(), database)),
            Err(reason) => Err(ScannerError::Database { reason: reason.clone() }),
        }
    }

    /// The scanners that ran, each with its version.
    pub async fn versions(&self) -> Vec<String> {
        let trivy = self.trivy.get().and_then(|found| found.as_ref().ok());
        let mut versions: Vec<_> = trivy.iter().map(|(_, version, _)| format!("trivy {version}")).collect();
        if let Some(program) = self.programs[Scanner::Trufflehog as usize].get() {
            let spec = self.spec(program, vec!["--version".to_owned()], None);
            let ended = capture_any(&spec, self.limit).await.ok();
            versions.push(trufflehog::version(ended.as_ref().map(|ended| (&*ended.stdout, &*ended.stderr))));
        }
        versions
    }

    fn fresh<'a>(&self, database: &'a Database) -> Result<&'a Database, ScannerError> {
        let limit = self.options.database_max_age.as_secs() / 3600;
        if u64::try_from(database.hours).is_ok_and(|hours| hours > limit) {
            let (updated, hours) = (database.updated.clone(), database.hours);
            return Err(ScannerError::Old { updated, hours, limit });
        }
        Ok(database)
    }

    /// Brings the database up to date. Other jobs of the machine that share the cache wait meanwhile.
    async fn database(&self, program: &Path, now: Timestamp) -> Result<(String, Database), ScannerError> {
        let cache = self.cache();
        std::fs::create_dir_all(&cache).map_err(FileError::at("create a directory in", &cache))?;
        let lock = cache.join(".p2p-lock");
        let file = private::append(&lock).map_err(FileError::at("write", &lock))?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        let _locked =
            locked.map_err(std::io::Error::other).flatten().map_err(FileError::at("lock", &lock))?;
        let mut arguments =
            vec!["image".to_owned(), "--download-db-only".to_owned(), "--no-progress".to_owned()];
        arguments.extend(
            self.options.database.iter().flat_map(|name| ["--db-repository".to_owned(), name.clone()]),
        );
        let failed = |error: &ProcessError| ScannerError::process("trivy", error, &[]);
        capture(&self.spec(program, self.with_cache(arguments), None), self.limit)
            .await
            .map_err(|error| failed(&error))?;
        let version = ["version", "--format", "json"].map(str::to_owned).to_vec();
        let spec = self.spec(program, self.with_cache(version), None);
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

    fn spec(&self, program: &Path, arguments: Vec<String>, login: Option<&Path>) -> Spec {
        let mut env = self.env.clone();
        if let Some(login) = login {
            env.set("DOCKER_CONFIG", login);
        }
        // Nothing that lies in the repository configures a scanner.
        Spec::new(program, arguments, &self.scratch, env)
    }

    /// Runs Trivy on a target and gives its report.
    async fn report(
        &self,
        mut arguments: Vec<String>,
        target: &str,
        login: Option<&Path>,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Database), ScannerError> {
        let (program, database) = self.trivy(now).await?;
        let output = self.scratch.join(format!("trivy-{}.json", oci::Digest::of(target).hex()));
        let words =
            ["--format", "json", "--list-all-pkgs", "--exit-code", "0", "--no-progress", "--skip-db-update"];
        arguments.extend(words.map(str::to_owned));
        arguments.extend(["--cache-backend".to_owned(), "memory".to_owned()]);
        arguments.extend(["--timeout".to_owned(), format!("{}s", self.limit.as_secs())]);
        arguments.extend(["--output".to_owned(), output.display().to_string()]);
        if self.options.ignore_unfixed {
            arguments.push("--ignore-unfixed".to_owned());
        }
        let java = self.options.java_database.iter();
        arguments.extend(java.flat_map(|name| ["--java-db-repository".to_owned(), name.clone()]));
        let mut arguments = self.with_cache(arguments);
        arguments.push(target.to_owned());
        let ended = capture(&self.spec(program, arguments, login), self.limit).await;
        ended.map_err(|error| ScannerError::process("trivy", &error, &[]))?;
        let report = private::read(&output, Links::Refuse, REPORT).map_err(|error| ScannerError::Output {
            scanner: "trivy".to_owned(),
            problem: format!("its report is missing: {error}"),
        })?;
        let _gone = std::fs::remove_file(&output);
        Ok((report, database.clone()))
    }

    /// Trivy's report about the files below `root`.
    ///
    /// # Errors
    /// When there is no Trivy, no database, or no report.
    pub async fn dependencies(
        &self,
        root: &Path,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Database), ScannerError> {
        let arguments =
            ["fs", "--scanners", "vuln,license", "--severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"];
        self.report(arguments.map(str::to_owned).to_vec(), &root.display().to_string(), None, now).await
    }

    /// Trivy's report about an image, `registry/name@digest`. `login` is a directory with a Docker configuration
    /// that holds the login to its registry and no other.
    ///
    /// # Errors
    /// As [`Scanners::dependencies`].
    pub async fn image(
        &self,
        image: &str,
        login: &Path,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Database), ScannerError> {
        let arguments = ["image", "--scanners", "vuln", "--severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        // No daemon of this machine may answer with another image.
        arguments.extend(["--image-src".to_owned(), "remote".to_owned()]);
        self.report(arguments, image, Some(login), now).await
    }

    /// The packages of a report of [`Scanners::image`] as an SBOM in the format `CycloneDX`. The image is not looked at again.
    ///
    /// # Errors
    /// When Trivy fails, or writes something else.
    pub async fn sbom(&self, report: &[u8]) -> Result<Vec<u8>, ScannerError> {
        let program = self.program(Scanner::Trivy).await?;
        let name = format!("sbom-{}.json", oci::Digest::of(report).hex());
        let (input, output) = (self.scratch.join(format!("of-{name}")), self.scratch.join(name));
        private::write(&input, report).map_err(FileError::at("write", &input))?;
        let arguments = ["convert", "--format", "cyclonedx", "--output"].map(str::to_owned);
        let files = [&output, &input].map(|file| file.display().to_string());
        let spec = self.spec(program, arguments.into_iter().chain(files).collect(), None);
        let ended = capture(&spec, self.limit).await;
        ended.map_err(|error| ScannerError::process("trivy", &error, &[]))?;
        let wrong = |problem: String| ScannerError::Output { scanner: "trivy convert".to_owned(), problem };
        let sbom = private::read(&output, Links::Refuse, REPORT)
            .map_err(|error| wrong(format!("its SBOM is missing: {error}")))?;
        trivy::check_sbom(&sbom).map_err(wrong)?;
        Ok(sbom)
    }

    /// What TruffleHog finds in the commits of the repository at `root`: those after `since`, or only the last one
    /// where `depth` is 1, or all.
    ///
    /// # Errors
    /// When there is no TruffleHog, or it fails.
    pub async fn history(
        &self,
        root: &Path,
        since: Option<&str>,
        depth: Option<u32>,
    ) -> Result<Vec<u8>, ScannerError> {
        let mut arguments = vec!["git".to_owned(), format!("file://{}", root.display())];
        if since.is_some() || depth.is_some() {
            arguments.push("--branch=HEAD".to_owned());
        }
        arguments.extend(since.map(|commit| format!("--since-commit={commit}")));
        arguments.extend(depth.map(|depth| format!("--max-depth={depth}")));
        self.secrets(arguments, None).await
    }

    /// What TruffleHog finds in an image, `registry/name@digest`, with a login as of [`Scanners::image`].
    ///
    /// # Errors
    /// As [`Scanners::history`].
    pub async fn image_secrets(&self, image: &str, login: &Path) -> Result<Vec<u8>, ScannerError> {
        self.secrets(vec!["docker".to_owned(), "--image".to_owned(), image.to_owned()], Some(login)).await
    }

    async fn secrets(
        &self,
        mut arguments: Vec<String>,
        login: Option<&Path>,
    ) -> Result<Vec<u8>, ScannerError> {
        let program = self.program(Scanner::Trufflehog).await?;
        arguments
            .extend(["--json", "--results=verified,unverified,unknown", "--no-update"].map(str::to_owned));
        if !self.options.verify_secrets {
            arguments.push("--no-verification".to_owned());
        }
        let spec = self.spec(program, arguments, login);
        let failed =
            |error: &ProcessError, secrets: &[String]| ScannerError::process("trufflehog", error, secrets);
        let ended = capture_any(&spec, self.limit).await.map_err(|error| failed(&error, &[]))?;
        // 183 says that there are findings.
        if ended.succeeded() || ended.code == Some(183) {
            return Ok(ended.stdout);
        }
        let error = ProcessError::Failed {
            command: spec.to_string(),
            ended: match ended.code {
                Some(code) => format!("failed with exit code {code}"),
                None => format!("was ended by signal {}", ended.signal.unwrap_or_default()),
            },
            stderr: trufflehog::last_words(&ended.stderr),
        };
        Err(failed(&error, &trufflehog::raw(&ended.stdout)))
    }
}
