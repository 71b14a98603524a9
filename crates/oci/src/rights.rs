//! Whether we may read and write a repository, found out without changing it.

use reqwest::Method;

use super::client::Client;
use super::error::OciError;
use super::reference::Repository;
use super::route::{Call, Route};

impl Client {
    /// Whether we may push: an upload is begun, and given back.
    ///
    /// # Errors
    /// When not, or the registry cannot be asked.
    pub async fn may_push(&self, repository: &Repository) -> Result<(), OciError> {
        let route = Route::push(self, repository);
        let what = format!("begin an upload to {repository}");
        let session = self.patiently(&what, || route.open_upload()).await?;
        route.abandon(session).await;
        Ok(())
    }

    /// Whether we may pull. A repository that is not there yet is no refusal.
    ///
    /// # Errors
    /// When not, or the registry cannot be asked.
    pub async fn may_pull(&self, repository: &Repository) -> Result<(), OciError> {
        let route = Route::pull(self, repository);
        let call = Call::new(Method::GET, "tags/list?n=1");
        let response = route.send(&call).await?;
        if !matches!(response.status().as_u16(), 401 | 403) {
            // What else it does not like about the question says nothing about our rights.
            return Ok(());
        }
        Err(route.refuse(&call, response).await.error)
    }
}
