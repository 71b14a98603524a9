//! Fetches a scanner once, and checks its hash each time before it is used.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use oci::{Digest, Hasher};
use reqwest::Url;
use sys::error::FileError;
use sys::http::{Class, Clients, NoAnswer, SILENCE, StallTimer};
use sys::retry::{Again, Failed, Retrying, transient};

use super::error::ScannerError;
use super::release::{Release, Scanner};

/// The server that scanners are released on.
const GITHUB: &str = "https://github.com";
/// How many redirects a download may follow: GitHub's own, and perhaps those of a mirror.
const REDIRECTS: usize = 10;
/// How many bytes of a file are read at once.
const PIECE: usize = 1 << 16;

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

impl ScannerSources {
    fn base(&self) -> &str {
        self.base_url.as_deref().unwrap_or(GITHUB).trim_end_matches('/')
    }

    /// The server without the path.
    fn server(&self) -> String {
        let url = Url::parse(self.base()).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "the mirror".to_owned())
    }
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
) -> Result<PathBuf, ScannerError> {
    let archive = sources.cache.join(&release.file);
    let kept = archive.clone();
    let hashed = elsewhere(move || hash(&kept)).await;
    if hashed.ok().as_ref() != Some(&release.digest) {
        download(scanner, release, sources, &archive).await?;
    }
    let program = into.join(scanner.program());
    let to = program.clone();
    let unpacked = elsewhere(move || unpack(&archive, scanner.program(), &to)).await;
    unpacked.map_err(|error| ScannerError::Changed {
        file: release.file.clone(),
        problem: format!("it holds no program {} that can be unpacked: {error}", scanner.program()),
    })?;
    Ok(program)
}

/// Runs long work on another thread, because one thread waits for everything.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

async fn download(
    scanner: Scanner,
    release: &Release,
    sources: &ScannerSources,
    archive: &Path,
) -> Result<(), ScannerError> {
    let cache = &sources.cache;
    std::fs::create_dir_all(cache).map_err(FileError::at("create a directory in", cache))?;
    let Release { version, file, .. } = release;
    let url = format!("{}/{}/releases/download/v{version}/{file}", sources.base(), scanner.repository());
    let failed =
        |reason: String| ScannerError::Fetch { file: file.clone(), server: sources.server(), reason };
    let url = Url::parse(&url).map_err(|error| failed(error.to_string()))?;
    let clients = Clients::new(None, REDIRECTS);
    let client = clients.of(&url).map_err(|error| failed(error.reason))?;
    let what = format!("fetch {file} from {}", sources.server());
    let new = sources.retrying.run(&what, |number| {
        let request = client.get(url.clone());
        async move {
            let timer = StallTimer::default();
            let transfer = timer.guard(SILENCE, transfer(request, number, cache, &timer)).await;
            transfer.unwrap_or_else(|| {
                let reason = format!("nothing moved for {} s", SILENCE.as_secs());
                Err(Failed { error: reason, again: Again::After(None) })
            })
        }
    });
    let (new, got) = new.await.map_err(failed)?;
    if got != release.digest {
        let problem = format!("its hash at {} is {got}, expected {}", sources.server(), release.digest);
        return Err(ScannerError::Changed { file: file.clone(), problem });
    }
    new.persist(archive).map_err(|error| FileError::at("write", archive)(error.error))?;
    Ok(())
}

/// Downloads the complete answer into a new file in the cache, in one try, and hashes it.
async fn transfer(
    request: reqwest::RequestBuilder,
    number: u32,
    cache: &Path,
    timer: &StallTimer,
) -> Result<(tempfile::NamedTempFile, Digest), Failed<String>> {
    let begin = tokio::time::Instant::now();
    let lost = |error| {
        let error = NoAnswer::new(error, begin.elapsed(), number);
        Failed { again: error.class.again(None), error: error.reason }
    };
    let full = |error: io::Error| Failed { error: error.to_string(), again: Again::No };
    let mut answer = request.send().await.map_err(lost)?;
    let status = answer.status().as_u16();
    if Class::of_status(status).is_some() {
        let again = if transient(status) { Again::After(None) } else { Again::No };
        return Err(Failed { error: format!("the server answered {status}"), again });
    }
    let mut file = tempfile::NamedTempFile::new_in(cache).map_err(full)?;
    let mut hasher = Hasher::sha256();
    while let Some(piece) = answer.chunk().await.map_err(lost)? {
        timer.moved();
        hasher.update(&piece);
        file.write_all(&piece).map_err(full)?;
    }
    Ok((file, hasher.finish()))
}

fn hash(file: &Path) -> io::Result<Digest> {
    let mut file = File::open(file)?;
    let mut hasher = Hasher::sha256();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// Writes the file `name` of an archive to `program`, with rights for the owner only.
fn unpack(archive: &Path, name: &str, program: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() && entry.path()?.as_os_str() == name {
            let mut file = File::options().write(true).create_new(true).mode(0o700).open(program)?;
            io::copy(&mut entry, &mut file)?;
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "it has no file of this name"))
}
