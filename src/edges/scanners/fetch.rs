//! Fetches a scanner once, and checks its hash each time before it is used.

use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use oci::Digest;
use reqwest::Url;
use sys::error::{Exit, Failure, FileError};
use sys::http::{Class, Clients, NoAnswer, SILENCE, StallTimer};
use sys::private;
use sys::retry::{Again, Failed, Retrying};
use tokio::task::spawn_blocking;

use super::release::{Release, Scanner};

/// The server that scanners are released on.
const GITHUB: &str = "https://github.com";
/// How many redirects a download may follow: GitHub's own, and perhaps those of a mirror.
const REDIRECTS: usize = 10;
/// The largest archive, in bytes.
const LARGEST: u64 = 1 << 29;

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
    if let Ok(archive) = tokio::fs::read(&kept).await
        && unpack(archive.into(), digest, &program).await.is_ok()
    {
        return Ok(program);
    }
    let base = sources.base_url.as_deref().unwrap_or(GITHUB).trim_end_matches('/');
    let url = format!("{base}/{}/releases/download/v{version}/{file}", scanner.repository());
    let url = Url::parse(&url).map_err(|error| {
        Failure::usage(format!("{base} is no URL: {error}"), "correct the key `scanner-base-url`")
    })?;
    let named = format!("{file} from {}", url.host_str().unwrap_or(base));
    let archive = download(&url, &named, &sources.retrying).await.map_err(|reason| {
        let help = "give the key `scanner-base-url` (a mirror of GitHub's releases), or install the scanners on the \
                    runner and give `trivy-path` and `trufflehog-path`";
        Failure::new(Exit::Unavailable, format!("cannot fetch {named}: {reason}"), help)
    })?;
    unpack(archive.clone(), digest, &program).await.map_err(|problem| {
        let help = "the mirror or the network changed the file: find out why before you use it";
        Failure::new(Exit::Failed, format!("{named} is not what was released: {problem}"), help)
    })?;
    std::fs::create_dir_all(&sources.cache)
        .map_err(FileError::at("create a directory in", &sources.cache))?;
    private::write(&kept, &archive).map_err(FileError::at("write", &kept))?;
    Ok(program)
}

/// Downloads a file, and tries again if that may help.
async fn download(url: &Url, named: &str, retrying: &Retrying) -> Result<Bytes, String> {
    let clients = Clients::new(None, REDIRECTS);
    let client = clients.of(url).map_err(|error| error.reason)?;
    let attempt = |number| {
        let request = client.get(url.clone());
        async move {
            let timer = StallTimer::default();
            let transfer = timer.guard(SILENCE, transfer(request, number, &timer)).await;
            transfer.unwrap_or_else(|| {
                let error = format!("nothing moved for {} s", SILENCE.as_secs());
                Err(Failed { error, again: Again::After(None) })
            })
        }
    };
    retrying.run(&format!("fetch {named}"), attempt).await
}

/// Downloads the complete answer in one try.
async fn transfer(
    request: reqwest::RequestBuilder,
    number: u32,
    timer: &StallTimer,
) -> Result<Bytes, Failed<String>> {
    let begin = tokio::time::Instant::now();
    let lost = |error| {
        let error = NoAnswer::new(error, begin.elapsed(), number);
        Failed { again: error.class.again(None), error: error.reason }
    };
    let mut answer = request.send().await.map_err(lost)?;
    let status = answer.status().as_u16();
    if let Some(class) = Class::of_status(status) {
        return Err(Failed { error: format!("the server answered {status}"), again: class.again(None) });
    }
    let mut archive = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(lost)? {
        timer.moved();
        archive.extend_from_slice(&piece);
        if archive.len() as u64 > LARGEST {
            return Err(Failed { error: format!("it is longer than {LARGEST} bytes"), again: Again::No });
        }
    }
    Ok(archive.freeze())
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
            return entry.unpack(program).map(drop);
        }
    }
    Err(io::Error::other("it has no file of this name"))
}
