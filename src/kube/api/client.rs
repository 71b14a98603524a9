//! Asking one API server.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::connection::{Connection, Login};
use super::error::ApiError;
use crate::kube::Kubeconfig;
use crate::retry::transient;
use crate::secret::Secret;
use crate::web::{self, Answer, Retrying, Why};
use crate::world::Env;

/// The API server of a kubeconfig's current context. Sends nothing before it is asked.
#[derive(Debug)]
pub struct Api {
    connection: Connection,
    retrying: Retrying,
    /// What credential programs run in.
    env: Env,
    opened: Mutex<Option<Arc<Opened>>>,
}

/// A connection with the credentials that were there when it was opened.
#[derive(Debug)]
struct Opened {
    client: Client,
    base: Url,
    header: Option<HeaderValue>,
    /// When the credentials end, if they say so.
    until: Option<Timestamp>,
    /// Whether a program made them, and can make new ones.
    made: bool,
}

impl Api {
    /// For a kubeconfig with one context, as `Kubeconfig::for_target` makes them. The user may have a
    /// token, a token file (read at each request), a password, a certificate, or a program (`exec`),
    /// which is run in `env` without a terminal.
    ///
    /// # Errors
    /// When there is no cluster in it, or a way of logging in that we do not know.
    pub fn new(kubeconfig: &Kubeconfig, env: &Env, retrying: Retrying) -> Result<Self, ApiError> {
        let connection = Connection::of(kubeconfig)?;
        Ok(Self { connection, retrying, env: env.clone(), opened: Mutex::default() })
    }

    /// The server, for messages.
    pub(super) fn server(&self) -> String {
        self.connection.server.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks for `path`, which begins with a slash, is made of checked names and may hold a query. `what` names the
    /// request in the log. Any answer is `Ok` but 401, and what stayed unavailable; a 500 is `Ok`,
    /// since Kubernetes says why.
    pub(super) async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Answer, ApiError> {
        let mut first = true;
        loop {
            let opened = self.open().await?;
            let header = self.header(&opened)?;
            // The server may stand below a path, as behind Rancher.
            let mut url = opened.base.clone();
            let (path, query) =
                path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
            url.set_path(&format!("{}{path}", opened.base.path().trim_end_matches('/')));
            url.set_query(query);
            let request = || {
                let request = opened.client.request(method.clone(), url.clone());
                let request = match &header {
                    Some(header) => request.header(AUTHORIZATION, header.clone()),
                    None => request,
                };
                match body {
                    Some(body) => request.json(body),
                    None => request,
                }
            };
            let server = &self.connection.server;
            let answer = web::send(&self.retrying, what, request).await.map_err(|lost| match lost.why {
                Why::Certificate => ApiError::Certificate { server: self.server(), reason: lost.reason },
                _ => ApiError::unreachable(server, lost.reason, lost.attempts),
            })?;
            match answer.status {
                // The program may know better by now.
                401 if opened.made && first => {
                    self.forget(&opened).await;
                    first = false;
                }
                401 => {
                    return Err(ApiError::Unauthorized {
                        server: self.server(),
                        login: self.login(),
                        answer: super::answer::message(&answer),
                    });
                }
                status if transient(status) && status != 500 => {
                    return Err(ApiError::Unavailable {
                        what: what.to_owned(),
                        server: self.server(),
                        status,
                        answer: super::answer::message(&answer),
                        attempts: answer.attempts,
                    });
                }
                _ => return Ok(answer),
            }
        }
    }

    async fn open(&self) -> Result<Arc<Opened>, ApiError> {
        let mut kept = self.opened.lock().await;
        let fresh = |opened: &&Arc<Opened>| opened.until.is_none_or(|until| Timestamp::now() < until);
        if let Some(opened) = kept.as_ref().filter(fresh) {
            return Ok(Arc::clone(opened));
        }
        let (mut header, mut until, mut certificate) = (None, None, None);
        let login = &self.connection.login;
        match login {
            Login::Token(token) => header = Some(bearer(token)?),
            Login::Basic(pair) => header = Some(sensitive(pair.expose())?),
            Login::Exec(exec) => {
                let credential = exec.run(&self.env).await?;
                header = credential.token.as_ref().map(bearer).transpose()?;
                until = credential.until;
                certificate = credential.certificate;
            }
            Login::None | Login::TokenFile(_) => {}
        }
        let (client, base) = self.connection.open(certificate.as_ref()).await?;
        let made = matches!(login, Login::Exec(_));
        let opened = Arc::new(Opened { client, base, header, until, made });
        *kept = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn forget(&self, refused: &Arc<Opened>) {
        let mut kept = self.opened.lock().await;
        if kept.as_ref().is_some_and(|opened| Arc::ptr_eq(opened, refused)) {
            *kept = None;
        }
    }

    fn header(&self, opened: &Opened) -> Result<Option<HeaderValue>, ApiError> {
        match &self.connection.login {
            Login::TokenFile(path) => Ok(Some(bearer(&token_of(path)?)?)),
            _ => Ok(opened.header.clone()),
        }
    }

    /// The way we logged in, for messages.
    fn login(&self) -> String {
        match &self.connection.login {
            Login::None => "no credentials, or a certificate".to_owned(),
            Login::Token(_) => "a token".to_owned(),
            Login::TokenFile(path) => format!("the token in {}", path.display()),
            Login::Basic(_) => "user and password".to_owned(),
            Login::Exec(exec) => format!("the credentials of `{}`", exec.command()),
        }
    }
}

fn token_of(path: &Path) -> Result<Secret, ApiError> {
    let text = std::fs::read_to_string(path).map_err(|error| ApiError::Material {
        what: "the user's token file",
        reason: format!("{}: {error}", path.display()),
    })?;
    Ok(Secret::new(text.trim()))
}

fn bearer(token: &Secret) -> Result<HeaderValue, ApiError> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn sensitive(text: &str) -> Result<HeaderValue, ApiError> {
    let reason = "it holds what no header may hold".to_owned();
    web::sensitive(text).ok_or(ApiError::Material { what: "the user's token or password", reason })
}
