//! Fetches a scanner once, and checks its hash each time before it is used.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::read::GzDecoder;
use oci::Digest;
use reqwest::Url;
use sys::error::{Exit, Failure, FileError};
use sys::http::{self, Answer, Class, Clients};
use sys::private::{self, Links};
use sys::retry::Retrying;
use tokio::task::spawn_blocking;

use super::release::{Release, Scanner};

/// The server that scanners are released on.
const GITHUB: &str = "https://github.com";
/// How many redirects a download may follow: GitHub's own, and perhaps those of a mirror.
const REDIRECTS: usize = 10;
/// The largest archive, in bytes.
const LARGEST: usize = 1 << 29;

/// Where scanners come from.
#[derive(Debug, Clone)]
pub struct ScannerSources {
    /// The server, `https://github.com` by default. A mirror must have the same paths.
    pub base_url: Option<String>,
    /// The directory for archives.
    pub cache: PathBuf,
    /// How requests are retried.
    pub retrying: Retrying,
}

/// Unpacks the program of a release into the directory `into`. The archive comes from the cache, if it is there with
/// the right hash.
///
/// # Errors
/// If it cannot be fetched, differs from the released one, or does not contain the program.
pub async fn fetch(
    scanner: Scanner,
    release: &Release,
    sources: &ScannerSources,
    into: &Path,
) -> Result<PathBuf, Failure> {
    let (program, kept) = (into.join(scanner.program()), sources.cache.join(&release.file));
    let Release { version, file, digest } = release;
    let cached = kept.clone();
    let cached = spawn_blocking(move || private::read(&cached, Links::Refuse, LARGEST as u64)).await;
    if let Ok(Ok(archive)) = cached
        && unpack(archive.into(), digest, &program).await.is_ok()
    {
        return Ok(program);
    }
    let base = sources.base_url.as_deref().unwrap_or(GITHUB).trim_end_matches('/');
    let url = format!("{base}/{}/releases/download/v{version}/{file}", scanner.repository());
    let url = Url::parse(&url).map_err(|error| {
        let help = "correct the key of the environment";
        Failure::usage(format!("`scanner-base-url` is not a URL: {error}"), help)
    })?;
    let named = format!("{file} from {}", url.host_str().unwrap_or("the mirror"));
    let failed = |reason: String| {
        let help = "give the key `scanner-base-url` (a mirror of GitHub's releases), or install the scanners on the \
                    runner and give `trivy-path` and `trufflehog-path`";
        Failure::new(Exit::Unavailable, format!("cannot fetch {named}: {reason}"), help)
    };
    let clients = Clients::for_files(REDIRECTS);
    let client = clients.of(&url).map_err(|error| failed(error.reason))?;
    let request = || client.get(url.clone());
    let answer = http::send_for(&sources.retrying, &format!("fetch {named}"), LARGEST, request).await;
    let Answer { status, body: archive, .. } = answer.map_err(|error| failed(error.reason))?;
    if Class::of_status(status).is_some() {
        return Err(failed(format!("the server answered {status}")));
    }
    unpack(archive.clone(), digest, &program).await.map_err(|problem| {
        let help = "the mirror or the network changed the file: find out why before you use it";
        Failure::new(Exit::Failed, format!("{named} is not what was released: {problem}"), help)
    })?;
    std::fs::create_dir_all(&sources.cache)
        .map_err(FileError::at("create a directory in", &sources.cache))?;
    private::write(&kept, &archive).map_err(FileError::at("write", &kept))?;
    Ok(program)
}

/// Checks the hash of an archive, and unpacks its file with the name of `program`. Works on another thread, because one
/// thread waits for everything.
async fn unpack(archive: Bytes, digest: &Digest, program: &Path) -> Result<(), String> {
    let (expected, program) = (digest.clone(), program.to_owned());
    let unpacked = spawn_blocking(move || {
        let found = Digest::of(&archive);
        if found != expected {
            return Err(format!("its hash is {found}, expected {expected}"));
        }
        let name = program.file_name().unwrap_or_default().display();
        extract(&archive, &program)
            .map_err(|error| format!("it holds no program {name} that can be unpacked: {error}"))
    });
    unpacked.await.map_err(|error| error.to_string()).flatten()
}

fn extract(archive: &[u8], program: &Path) -> io::Result<()> {
    for entry in tar::Archive::new(GzDecoder::new(archive)).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() && Some(entry.path()?.as_os_str()) == program.file_name() {
            entry.unpack(program)?;
            return std::fs::set_permissions(program, Permissions::from_mode(0o700));
        }
    }
    Err(io::Error::other("it has no file of this name"))
}
