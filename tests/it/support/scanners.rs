//! Stand-ins for Trivy and TruffleHog: programs with their command line that write their formats, refuse a command
//! line that the real ones would refuse, and note what they were given.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The start of both: notes the arguments and the environment.
const NOTE: &str = r#"#!/bin/sh
refuse() { echo "FATAL $1" >&2; exit 1; }
here='@'
name=${0##*/}
printf '%s\n' "$*" >>"$here/$name.calls"
env | sort >"$here/$name.env"
pwd >"$here/$name.pwd"
# An image as `docker save` writes it: named by its digest, with all files that its manifest names.
image() {
  case $1 in /*?sha256:*) ;; *) refuse "not a digest: $1" ;; esac
  for file in $(tar -xOf "$1" manifest.json | grep -o '[0-9a-f]*\.tar\.gz'); do
    tar -tf "$1" "$file" >/dev/null || refuse "no image: $1"
  done
}
[ ! -f "$here/$name.before" ] || . "$here/$name.before"
"#;

const TRIVY: &str = r#"
command=$1; shift
format='' target='' db_only='' cache=$TRIVY_CACHE_DIR input=''
while [ $# -gt 0 ]; do
  case $1 in
    --download-db-only) db_only=1 ;;
    --no-progress | --quiet | --skip-db-update | --list-all-pkgs | --ignore-unfixed | --insecure) ;;
    --scanners | --severity | --exit-code | --cache-backend | --timeout | --java-db-repository | --db-repository) shift ;;
    --input) [ "$command" = image ] || refuse "unknown flag: $1"; input=1 ;;
    --format) format=$2; shift ;;
    -*) refuse "unknown flag: $1" ;;
    *) [ -z "$target" ] || refuse "two targets"; target=$1 ;;
  esac
  shift
done
case $command in
  version) cat "$here/version.json" ;;
  image | fs | sbom)
    if [ -n "$db_only" ]; then
      [ ! -f "$here/no-database" ] || refuse 'failed to download vulnerability DB: connection refused'
      mkdir -p "$cache/db" && exit 0
    fi
    [ -d "$cache/db" ] || refuse 'no database'
    [ "$format" = json ] || refuse 'no JSON asked for'
    case $command in
      fs) [ -d "$target" ] || refuse "no such directory: $target"; report=$here/fs.json ;;
      sbom) grep -q CycloneDX "$target" || refuse "no SBOM: $target"; report=$here/sbom.json ;;
      image)
        [ -n "$input" ] || refuse "not pulled: $target"
        image "$target"
        report=$here/image.json
        [ ! -f "$here/image-${target##*:}.json" ] || report=$here/image-${target##*:}.json ;;
    esac
    cat "$report" ;;
  convert)
    [ "$format" = cyclonedx ] && [ -f "$target" ] || refuse 'no report to convert'
    echo '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}' ;;
  *) refuse "unknown command: $command" ;;
esac
"#;

const TRUFFLEHOG: &str = r#"
command=$1; shift
case $command in
  --version) echo 'trufflehog 3.95.9' >&2; exit ;;
  git) case $1 in file:///*) ;; *) refuse "not a local repository: $1" ;; esac; shift; output=$here/git.ndjson ;;
  docker) [ "$1" = --image ] || refuse 'no image'; case $2 in file:///*) image "${2#file://}" ;; *) refuse "not pulled: $2" ;; esac
    shift 2; output=$here/docker.ndjson ;;
  *) refuse "unknown command: $command" ;;
esac
for word; do
  case $word in
    --json | --no-update | --no-verification | --fail-on-scan-errors | --results=* | --branch=* | --since-commit=* | --max-depth=*) ;;
    *) refuse "unknown flag: $word" ;;
  esac
done
cat "$output"
"#;

/// Both stand-ins, in a directory of their own.
pub(crate) struct Scanners {
    directory: TempDir,
}

impl Scanners {
    /// They find nothing, with a database that was made an hour ago.
    pub(crate) fn new() -> Self {
        let scanners = Self { directory: tempfile::tempdir().unwrap() };
        scanners.program("trivy", TRIVY);
        scanners.program("trufflehog", TRUFFLEHOG);
        scanners.write("git.ndjson", "").write("docker.ndjson", "").database(1);
        scanners.write("fs.json", &report(&json!([]))).write("image.json", &report(&json!([])));
        scanners.write("sbom.json", &report(&json!([])));
        scanners
    }

    fn program(&self, name: &str, text: &str) {
        let note = NOTE.replace('@', self.path().to_str().unwrap());
        let file = self.path().join(name);
        std::fs::write(&file, note + text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The directory of the programs.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file that the programs read.
    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    /// Trivy's database was made so many hours ago.
    pub(crate) fn database(&self, hours: i64) -> &Self {
        let made = jiff::Timestamp::now()
            - jiff::SignedDuration::from_hours(hours)
            - jiff::SignedDuration::from_mins(5);
        let version =
            json!({"Version": "0.70.0", "VulnerabilityDB": {"Version": 2, "UpdatedAt": made.to_string()}});
        self.write("version.json", &version.to_string())
    }

    /// What Trivy finds in the source: `Results`.
    pub(crate) fn source(&self, results: &Value) -> &Self {
        self.write("fs.json", &report(results))
    }

    /// What Trivy finds in images.
    pub(crate) fn image(&self, results: &Value) -> &Self {
        self.write("image.json", &report(results))
    }

    /// What TruffleHog finds in commits.
    pub(crate) fn commits(&self, findings: &[Value]) -> &Self {
        self.write("git.ndjson", &lines(findings))
    }

    /// What TruffleHog finds in images.
    pub(crate) fn layers(&self, findings: &[Value]) -> &Self {
        self.write("docker.ndjson", &lines(findings))
    }

    /// Shell code that a program runs first.
    pub(crate) fn before(&self, program: &str, code: &str) -> &Self {
        self.write(&format!("{program}.before"), code)
    }

    /// The command lines of a program, one a line, without questions for its version and SBOMs.
    pub(crate) fn calls(&self, program: &str) -> Vec<String> {
        let calls = self.noted(program, "calls");
        calls
            .lines()
            .filter(|call| *call != "--version" && !call.starts_with("convert "))
            .map(str::to_owned)
            .collect()
    }

    /// The last environment of a program.
    pub(crate) fn environment(&self, program: &str) -> String {
        self.noted(program, "env")
    }

    /// What was noted of a program.
    pub(crate) fn noted(&self, program: &str, what: &str) -> String {
        std::fs::read_to_string(self.path().join(format!("{program}.{what}"))).unwrap_or_default()
    }

    /// The entry of an environment that names both, with further keys.
    pub(crate) fn keys(&self, more: &[(&str, &str)]) -> String {
        let mut keys = serde_json::Map::new();
        for program in ["trivy", "trufflehog"] {
            keys.insert(format!("{program}-path"), json!(self.path().join(program)));
        }
        keys.extend(more.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        json!({"": keys}).to_string()
    }
}

fn report(results: &Value) -> String {
    json!({"SchemaVersion": 2, "ArtifactName": ".", "Results": results}).to_string()
}

fn lines(findings: &[Value]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        writeln!(text, "{finding}").unwrap();
        text
    })
}

/// A vulnerability as Trivy writes it.
pub(crate) fn vulnerability(id: &str, package: &str, severity: &str) -> Value {
    json!({
        "VulnerabilityID": id, "PkgID": format!("{package}@1.0.0"), "PkgName": package, "InstalledVersion": "1.0.0",
        "FixedVersion": "1.0.1", "Status": "fixed", "PrimaryURL": format!("https://avd.example/{id}"),
        "Title": format!("{package}: something"), "Severity": severity
    })
}

/// What Trivy finds in one file, with the line of each package.
pub(crate) fn in_file(target: &str, vulnerabilities: &[Value]) -> Value {
    let packages: Vec<_> = vulnerabilities
        .iter()
        .zip(12..)
        .map(|(found, line)| json!({"ID": found["PkgID"], "Locations": [{"StartLine": line, "EndLine": line + 2}]}))
        .collect();
    json!({"Target": target, "Class": "lang-pkgs", "Type": "npm", "Packages": packages,
           "Vulnerabilities": vulnerabilities})
}

/// A secret in a commit as TruffleHog writes it.
pub(crate) fn committed(raw: &str, file: &str, verified: bool) -> Value {
    json!({
        "SourceMetadata": {"Data": {"Git": {
            "commit": "0123456789abcdef0123456789abcdef01234567", "file": file, "email": "a@example.com",
            "repository": "file:///tmp/x", "timestamp": "2026-01-01 00:00:00 +0000", "line": 3}}},
        "SourceID": 1, "SourceType": 16, "SourceName": "trufflehog - git", "DetectorType": 2, "DetectorName": "AWS",
        "DecoderName": "PLAIN", "Verified": verified, "Raw": raw, "RawV2": format!("{raw}:second"),
        "Redacted": &raw[..4], "ExtraData": {"note": raw}, "StructuredData": null
    })
}

/// A secret in an image as TruffleHog writes it.
pub(crate) fn in_layer(raw: &str, file: &str) -> Value {
    json!({
        "SourceMetadata": {"Data": {"Docker": {
            "file": file, "image": "x", "layer": "sha256:aa", "tag": "1"}}},
        "DetectorName": "PrivateKey", "Verified": false, "VerificationError": "i/o timeout", "Raw": raw
    })
}

/// The file of a report.
pub(crate) fn read_json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// All files below a directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().map(Result::unwrap);
    entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}
