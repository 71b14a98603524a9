use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use octocrab::models::repos::{Asset, Release};
use reqwest::{Body, Url};
use tokio_util::io::ReaderStream;

use super::client::GitHub;
use super::releases::found;
use super::transport::{Transport, Tried};
use super::{GitHubError, Reason};
use sys::http::{Class, SILENCE, StallTimer};
use sys::retry::{Again, Failed};

/// The lowest speed of an upload that p2p accepts, in bytes per second.
const SLOWEST: u64 = 50_000;

/// A file to upload.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    pub name: &'a str,
    pub file: &'a Path,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest, `sha256:…`.
    pub digest: &'a str,
}

impl Upload<'_> {
    /// Whether the release has the complete file. Older servers do not report digests.
    pub fn is(&self, asset: &Asset) -> bool {
        let same = asset.digest.as_deref().is_none_or(|digest| digest == self.digest);
        asset.state == "uploaded" && u64::try_from(asset.size) == Ok(self.size) && same
    }
}

impl GitHub {
    /// The files of a release
    /// ([list release assets](https://docs.github.com/en/rest/releases/assets#list-release-assets)).
    pub async fn assets(&self, release: &Release) -> Result<Vec<Asset>, GitHubError> {
        let call = self.call(&format!("list the files of the release {}", release.tag_name))?;
        call.list(&format!("/releases/{}/assets", release.id)).await
    }

    /// Deletes a file of a release, if it still exists.
    pub async fn delete_asset(&self, asset: &Asset) -> Result<(), GitHubError> {
        let call = self.call(&format!("delete the release's file {}", asset.name))?;
        found(call.done(call.repository().release_assets().delete(asset.id.0).await)).map(drop)
    }

    /// Uploads a file that the release does not have ([upload a release
    /// asset](https://docs.github.com/en/rest/releases/assets#upload-a-release-asset)). octocrab can only send files
    /// from memory. An interrupted upload leaves a file with that name, which must be deleted before the next try.
    pub async fn upload(&self, release: &Release, upload: Upload<'_>) -> Result<(), GitHubError> {
        let verb = format!("upload {} to the release {}", upload.name, release.tag_name);
        let transport = self.transport(&verb)?;
        let address = release.upload_url.split('{').next().unwrap_or_default();
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(mut url) = url else {
            let answer = format!("no upload URL: '{address}'");
            return Err(GitHubError::unexpected(&transport.what, 201, answer));
        };
        url.query_pairs_mut().append_pair("name", upload.name);
        let attempt = |number| {
            let (transport, url) = (&transport, &url);
            async move {
                match transport.upload_once(url, upload, number).await {
                    Ok(()) => Ok(()),
                    Err(failed) => self.clear(release, upload, failed).await,
                }
            }
        };
        transport.retrying.run(&transport.what, attempt).await.map_err(|tried| tried.error)
    }

    /// Cleans up after a failed upload. It may have succeeded after all, or another run's may have.
    async fn clear(
        &self,
        release: &Release,
        upload: Upload<'_>,
        failed: Failed<Tried>,
    ) -> Result<(), Failed<Tried>> {
        let taken = matches!(failed.error.error, GitHubError::Refused { reason: Reason::Taken { .. }, .. });
        if failed.again == Again::No && !taken {
            return Err(failed);
        }
        match self.assets(release).await?.into_iter().find(|asset| asset.name == upload.name) {
            Some(asset) if upload.is(&asset) => return Ok(()),
            Some(asset) if asset.state == "uploaded" => return Err(Failed { again: Again::No, ..failed }),
            Some(asset) => self.delete_asset(&asset).await?,
            None => {}
        }
        Err(if taken { Failed { again: Again::After(None), ..failed } } else { failed })
    }
}

impl Transport {
    async fn upload_once(&self, url: &Url, upload: Upload<'_>, number: u32) -> Result<(), Failed<Tried>> {
        let file = tokio::fs::File::open(upload.file).await.map_err(|source| GitHubError::File {
            what: self.what.clone(),
            file: upload.file.to_owned(),
            source,
        })?;
        let timer = StallTimer::default();
        let (moving, mut left) = (timer.clone(), upload.size);
        let body = ReaderStream::new(file).inspect(move |piece| {
            left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            // GitHub stores the file before it answers.
            moving.wait_for(if left == 0 { SILENCE } else { Duration::ZERO });
        });
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, upload.size)
            .timeout(Duration::from_secs(60 + upload.size / SLOWEST))
            .body(Body::wrap_stream(body));
        let unsure = AtomicBool::new(true);
        let Some(answer) = timer.guard(SILENCE, self.once(request, number, &unsure)).await else {
            let why = format!("nothing moved for {} s", SILENCE.as_secs());
            return Err(self.unavailable(why, Class::Stalled, number, Again::After(None)));
        };
        answer.map(drop)
    }
}
