//! A server on loopback that serves one release of p2p, and misbehaves when told to. Plain
//! sockets: a truncated body is something that an HTTP library refuses to send.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};

/// How the server answers one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 200 with this body.
    Body(Vec<u8>),
    /// 200 that promises this body, sends half of it and hangs up.
    Truncated(Vec<u8>),
    /// This status, without a body.
    Status(u16),
    /// 302 to this path of the same server.
    Redirect(String),
    /// 200 with this body, but only when as many requests have come as the barrier wants.
    Together(Arc<Barrier>, Vec<u8>),
}

/// The server; it ends with the test's process.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves the answers in order, the last one for ever.
    pub(crate) fn start<const N: usize>(answers: [Answer; N]) -> Self {
        Self::of_folders([("", answers.to_vec())])
    }

    /// The same for each of these folders (the first part of a path); any other is as the folder
    /// without a name, or not found.
    pub(crate) fn of_folders<const N: usize>(folders: [(&'static str, Vec<Answer>); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        let folders = Arc::new(Mutex::new(HashMap::from(folders)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, folders) = (Arc::clone(&requests), Arc::clone(&folders));
                std::thread::spawn(move || serve(stream.unwrap(), &requests, &folders));
            }
        });
        server
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    requests: &Mutex<Vec<String>>,
    folders: &Mutex<HashMap<&'static str, Vec<Answer>>>,
) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let head = head.join("\n");
    let folder = head.split('/').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(head);
    let answer = {
        let mut folders = folders.lock().unwrap();
        let name = if folders.contains_key(folder.as_str()) { folder.as_str() } else { "" };
        match folders.get_mut(name) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => Answer::Status(404),
        }
    };
    reply(stream, &answer);
}

fn reply(mut stream: TcpStream, answer: &Answer) {
    let (status, header, body) = match answer {
        Answer::Body(body) | Answer::Truncated(body) => (200, String::new(), body.as_slice()),
        Answer::Status(status) => (*status, String::new(), [].as_slice()),
        Answer::Redirect(to) => (302, format!("Location: {to}\r\n"), [].as_slice()),
        Answer::Together(barrier, body) => {
            barrier.wait();
            (200, String::new(), body.as_slice())
        }
    };
    let length = body.len();
    let sent = if matches!(answer, Answer::Truncated(_)) { &body[..length / 2] } else { body };
    let head =
        format!("HTTP/1.1 {status} Because\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // The client may have hung up: that is its affair.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
}
