use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::Url;
use tokio_util::io::ReaderStream;

use super::answer::Answer;
use super::client::GitHub;
use super::releases::Release;
use super::{Error, limit};
use sys::retry::{Again, random, transient};

/// The least speed of an upload that is waited for, in bytes a second.
const SLOWEST: u64 = 50_000;

/// A file that a release offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Asset {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// `uploaded`, or `starter` where an upload broke off.
    pub state: String,
    /// `sha256:…`; older servers tell none.
    #[serde(default)]
    pub digest: Option<String>,
}

impl Asset {
    /// Whether it is there in full and holds this, as far as the server tells.
    pub fn holds(&self, size: u64, digest: &str) -> bool {
        let same = self.digest.as_deref().is_none_or(|own| own == digest);
        self.state == "uploaded" && self.size == size && same
    }
}

/// A file to be uploaded.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// What it is called in the release.
    pub name: &'a str,
    /// Where it is.
    pub file: &'a Path,
    /// How many bytes it has.
    pub size: u64,
    /// `sha256:…` of them.
    pub digest: &'a str,
}

impl GitHub {
    /// The files of a release
    /// ([list release assets](https://docs.github.com/en/rest/releases/assets#list-release-assets)).
    pub async fn assets(&self, release: &Release) -> Result<Vec<Asset>, Error> {
        let what = self.what(&format!("list the files of the release {}", release.tag_name));
        let mut assets: Vec<Asset> = Vec::new();
        self.pages(&what, &format!("/releases/{}/assets", release.id), |page: Vec<Asset>| {
            assets.extend(page);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(assets)
    }

    /// Deletes a file of a release; one that is gone is none that must be deleted.
    pub async fn delete_asset(&self, asset: &Asset) -> Result<(), Error> {
        let what = self.what(&format!("delete the release's file {}", asset.name));
        let path = format!("/releases/assets/{}", asset.id);
        let answer = self.send(&what, &Method::DELETE, &path, None).await?;
        if matches!(answer.status, 204 | 404) { Ok(()) } else { Err(answer.refusal(&what)) }
    }

    /// Uploads a file that the release has not
    /// ([upload a release asset](https://docs.github.com/en/rest/releases/assets#upload-a-release-asset)).
    /// An upload that broke off leaves a file of that name, which is deleted before the next try.
    pub async fn upload(&self, release: &Release, upload: Upload<'_>) -> Result<(), Error> {
        let what = self.what(&format!("upload {} to the release {}", upload.name, release.tag_name));
        let unexpected = |answer: String| Error::Unexpected { what: what.clone(), status: 201, answer };
        let address = release.upload_url.split('{').next().unwrap_or_default();
        let mut url = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| unexpected(format!("no upload URL: '{address}'")))?;
        url.query_pairs_mut().append_pair("name", upload.name);
        let mut attempt = 1;
        loop {
            let answer = self.upload_once(&what, &url, upload).await?;
            let (why, asked, failure) = match answer {
                Ok(answer) if answer.status == 201 => return Ok(()),
                Ok(answer) if transient(answer.status) || limit::limited(&answer) => {
                    let failure = (answer.status < 500).then(|| answer.refusal(&what));
                    (format!("{}: {}", answer.status, answer.message()), limit::asked(&answer), failure)
                }
                // Somebody uploaded the same meanwhile, or we did and were not told.
                Ok(answer) if answer.status == 422 && answer.body.contains("already_exists") => {
                    ("422: the name is taken".to_owned(), None, Some(answer.refusal(&what)))
                }
                Ok(answer) => return Err(answer.refusal(&what)),
                Err(why) => (why, None, None),
            };
            if let Some(there) =
                self.assets(release).await?.into_iter().find(|there| there.name == upload.name)
            {
                if there.holds(upload.size, upload.digest) {
                    return Ok(());
                }
                if there.state == "uploaded" {
                    return Err(failure.unwrap_or_else(|| unexpected(why)));
                }
                self.delete_asset(&there).await?;
            }
            let Some(wait) = self.policy.wait(attempt, asked, random()) else {
                let unavailable = Error::Unavailable { what, answer: why, attempts: attempt };
                return Err(failure.unwrap_or(unavailable));
            };
            self.watcher.again(Again { what: what.clone(), why, attempt, of: self.policy.attempts, wait });
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn upload_once(
        &self,
        what: &str,
        url: &Url,
        upload: Upload<'_>,
    ) -> Result<Result<Answer, String>, Error> {
        let file = match tokio::fs::File::open(upload.file).await {
            Ok(file) => file,
            Err(source) => {
                return Err(Error::File { what: what.to_owned(), file: upload.file.to_owned(), source });
            }
        };
        let patience = Duration::from_secs(60 + upload.size / SLOWEST);
        self.plain(what, |client| {
            client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, upload.size)
                .timeout(patience)
                .body(reqwest::Body::wrap_stream(ReaderStream::new(file)))
        })
        .await
    }
}
