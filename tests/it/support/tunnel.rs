//! A proxy for HTTPS: all tunnels lead to one place, whatever they are asked for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The running proxy. It stops when this is dropped.
pub(crate) struct Tunnel {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Leads to `there`; to nowhere (407) without one.
    pub(crate) async fn start(there: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(connection, there, Arc::clone(&heads)));
            }
        });
        Self { address, asked, task }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The head of each request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(connection: TcpStream, there: Option<SocketAddr>, asked: Arc<Mutex<Vec<String>>>) {
    let mut connection = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    asked.lock().unwrap().push(head);
    let Some(there) = there else {
        let _ = connection.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        return;
    };
    let mut upstream = TcpStream::connect(there).await.unwrap();
    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Either end may hang up.
    let _ = tokio::io::copy_bidirectional(&mut connection, &mut upstream).await;
}
