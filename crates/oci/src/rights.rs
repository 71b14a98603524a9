//! Checks whether we may read and write a repository, without changing it.

use reqwest::Method;

use super::client::Client;
use super::error::OciError;
use super::reference::Repository;
use super::route::{Call, Route};

impl Client {
    /// Checks whether we may push: begins an upload and cancels it.
    ///
    /// # Errors
    /// If not, or if the registry cannot be reached.
    pub async fn may_push(&self, repository: &Repository) -> Result<(), OciError> {
        let route = Route::push(self, repository);
        let what = format!("begin an upload to {repository}");
        let session = self.patiently(&what, || route.open_upload()).await?;
        route.abandon(session).await;
        Ok(())
    }

    /// Checks whether we may pull. A missing repository is not a refusal.
    ///
    /// # Errors
    /// If not, or if the registry cannot be reached.
    pub async fn may_pull(&self, repository: &Repository) -> Result<(), OciError> {
        let route = Route::pull(self, repository);
        let call = Call::new(Method::GET, "tags/list?n=1");
        let response = route.send(&call).await?;
        if !matches!(response.status().as_u16(), 401 | 403) {
            // Other refusals say nothing about our rights.
            return Ok(());
        }
        Err(route.refuse(&call, response).await.error)
    }
}
