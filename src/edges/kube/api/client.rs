//! The client of one API server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{self, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connection::{Connection, Login, NotOpened};
use super::error::{ApiError, Reach};
use super::question::Question;
use crate::edges::kube::Kubeconfig;
use sys::http::{self, Answer, Class, NoAnswer};
use sys::retry::{Policy, Retrying, transient};
use sys::world::Env;
use workflow_commands::Secret;

/// How long a server may take to accept a connection, when p2p looks for the reason of a missing answer.
const ACCEPT: Duration = Duration::from_secs(2);

/// The API server of a kubeconfig's current context. Sends no request until a method asks for one.
#[derive(Debug)]
pub struct Api {
    connection: Connection,
    /// Whether the user gave the kubeconfig. Otherwise p2p made it for an account of the run.
    given: bool,
    retrying: Retrying,
    /// The environment of credential programs.
    env: Env,
    opened: Mutex<Option<Arc<Opened>>>,
}

/// A connection with the credentials from the time when it was opened.
#[derive(Debug)]
struct Opened {
    client: Client,
    base: Url,
    header: Option<HeaderValue>,
    /// When the credentials expire, if known.
    until: Option<Timestamp>,
    /// Whether a program made them and can make new ones.
    made: bool,
}

impl Api {
    /// Takes a kubeconfig with one context, as from `Kubeconfig::for_target`. The user may have a token, a token
    /// file (read for each request), a password, a certificate, or a program (`exec`), which runs in `env` without a
    /// terminal.
    ///
    /// # Errors
    /// If it contains no cluster, or an unknown kind of login.
    pub fn new(kubeconfig: &Kubeconfig, env: &Env, retrying: Retrying) -> Result<Self, ApiError> {
        let connection = Connection::of(kubeconfig)?;
        let given = !kubeconfig.made;
        Ok(Self { connection, given, retrying, env: env.clone(), opened: Mutex::default() })
    }

    /// The server's URL for messages, without a password.
    pub(super) fn server(&self) -> String {
        let server = &self.connection.server;
        let port = server.port().map(|port| format!(":{port}")).unwrap_or_default();
        let (host, path) = (server.host_str().unwrap_or_default(), server.path().trim_end_matches('/'));
        format!("{}://{host}{port}{path}", server.scheme())
    }

    /// Sends a request. Any answer is `Ok`, except 401 and an unavailable server. A 500 is `Ok` too, because
    /// Kubernetes gives the reason.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, ApiError> {
        let mut first = true;
        loop {
            let opened = self.open().await?;
            let header = self.header(&opened)?;
            let url = question.url(&opened.base);
            let request = || {
                let method = question.method.clone();
                let request = opened.client.request(method, url.clone()).timeout(question.limit);
                let request = match &header {
                    Some(header) => request.header(AUTHORIZATION, header.clone()),
                    None => request,
                };
                let request = if question.metadata_only {
                    request.header(
                        header::ACCEPT,
                        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
                    )
                } else {
                    request
                };
                match &question.body {
                    Some(body) => request.json(body),
                    None => request,
                }
            };
            let once =
                Retrying { policy: Policy { attempts: 1, ..Policy::default() }, ..Retrying::default() };
            let retrying = if question.once { &once } else { &self.retrying };
            let answer = match http::send(retrying, question.what, request).await {
                Ok(answer) => answer,
                Err(lost) => return Err(self.lost(lost).await),
            };
            match answer.status {
                // The program may return newer credentials.
                401 if opened.made && first => {
                    self.forget(&opened).await;
                    first = false;
                }
                401 => {
                    return Err(ApiError::Unauthorized {
                        server: self.server(),
                        login: self.login(),
                        given: self.given,
                        answer: answer.words(),
                    });
                }
                status if transient(status) && status != 500 => {
                    return Err(ApiError::Unavailable {
                        what: question.what.to_owned(),
                        server: self.server(),
                        status,
                        answer: answer.words(),
                        attempts: answer.attempts,
                    });
                }
                _ => return Ok(answer),
            }
        }
    }

    /// The error for a request without an answer.
    async fn lost(&self, lost: NoAnswer) -> ApiError {
        let reach = match lost.class {
            Class::Certificate => {
                let (server, given) = (self.server(), self.given);
                return ApiError::Certificate { server, given, reason: lost.reason };
            }
            // The time limit of the answer may end before that of the connection, so neither class shows how far the
            // request got. p2p tries to connect itself, which it cannot do through a proxy.
            Class::Silent | Class::Stalled if self.connection.proxy.is_some() => Reach::Broken,
            Class::Silent | Class::Stalled if self.accepts().await => Reach::Stalled,
            Class::Silent | Class::Stalled => Reach::Silent,
            Class::Refused => Reach::Refused,
            Class::NoHost => Reach::NoHost,
            _ => Reach::Broken,
        };
        self.unreachable(reach, lost.reason, lost.attempts)
    }

    /// Whether the server accepts connections.
    async fn accepts(&self) -> bool {
        let server = &self.connection.server;
        let (host, port) = (server.host_str().unwrap_or_default(), server.port_or_known_default());
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let connect = TcpStream::connect((host, port.unwrap_or(443)));
        matches!(timeout(ACCEPT, connect).await, Ok(Ok(_)))
    }

    fn unreachable(&self, reach: Reach, reason: String, attempts: u32) -> ApiError {
        let private = self.connection.is_private();
        ApiError::Unreachable { server: self.server(), reason, reach, private, given: self.given, attempts }
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
        let (client, base) = match self.connection.open(certificate.as_ref()).await {
            Ok(opened) => opened,
            Err(NotOpened::NoHost(reason)) => return Err(self.unreachable(Reach::NoHost, reason, 1)),
            Err(NotOpened::Wrong(error)) => return Err(error),
        };
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

    /// The kind of login, for messages.
    fn login(&self) -> String {
        match &self.connection.login {
            Login::None => "no credentials, or a certificate".to_owned(),
            Login::Token(_) => "a token".to_owned(),
            Login::TokenFile(_) if !self.given => "the access token of the service account".to_owned(),
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
    let reason = "it contains a character that no header may have".to_owned();
    http::sensitive(text).ok_or(ApiError::Material { what: "the user's token or password", reason })
}
