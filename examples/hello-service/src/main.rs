//! `GET /` greets with the version, `GET /healthz` is for probes, `GET /relay` passes on what the
//! instance at `UPSTREAM` says to `GET /`.
//!
//! `HELLO_ADDRESS`: where to listen (0.0.0.0:8080). `HELLO_ADDRESS_FILE`: where to write the
//! address in use, for a port that the system chooses. `UPSTREAM`: address of another instance.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use hello_service::{Answer, Client, PATIENCE, header, read_head};

/// Connections that are served at once; others wait in the listener's queue.
const WORKERS: usize = 64;

/// What the build says it is.
const VERSION: &str = match option_env!("HELLO_VERSION") {
    Some(version) => version,
    None => "unknown",
};

fn main() -> ExitCode {
    stop_on_sigterm();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let address = std::env::var("HELLO_ADDRESS").unwrap_or_else(|_| "0.0.0.0:8080".to_owned());
    let upstream = match std::env::var("UPSTREAM").ok().filter(|text| !text.is_empty()) {
        Some(text) => Some(text.parse().map_err(|error| format!("UPSTREAM {text}: {error}"))?),
        None => None,
    };
    let listener =
        TcpListener::bind(&address).map_err(|error| format!("cannot listen at {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    if let Some(file) = std::env::var_os("HELLO_ADDRESS_FILE").map(PathBuf::from) {
        publish(&file, address).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    println!("hello {VERSION} listens at {address}");
    let listener = Arc::new(listener);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| Arc::clone(&listener))
        .map(|listener| std::thread::spawn(move || work(&listener, upstream)))
        .collect();
    workers.into_iter().try_for_each(|worker| worker.join()).map_err(|_| "a worker died".to_owned())
}

/// Appears all at once, so that a reader never sees half an address.
fn publish(file: &Path, address: SocketAddr) -> io::Result<()> {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, address.to_string())?;
    std::fs::rename(draft, file)
}

fn work(listener: &TcpListener, upstream: Option<SocketAddr>) {
    // A client that misbehaves or goes away is not the server's trouble.
    listener.incoming().flatten().for_each(|stream| drop(talk(stream, upstream)));
}

fn talk(stream: TcpStream, upstream: Option<SocketAddr>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream)? {
        let mut words = head[0].split(' ');
        let answer = answer(words.next().unwrap_or_default(), words.next().unwrap_or_default(), upstream);
        // A body is not read, so nothing after it can be a request.
        let last = header(&head, "content-length").is_some_and(|length| length != "0")
            || header(&head, "transfer-encoding").is_some()
            || header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let text = format!(
            "HTTP/1.1 {} -\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n{}",
            answer.status,
            answer.body.len(),
            if last { "close" } else { "keep-alive" },
            answer.body
        );
        stream.get_mut().write_all(text.as_bytes())?;
        if last {
            break;
        }
    }
    Ok(())
}

fn answer(method: &str, path: &str, upstream: Option<SocketAddr>) -> Answer {
    let (status, body) = match (method, path, upstream) {
        ("GET", "/", _) => (200, format!("hello {VERSION}\n")),
        ("GET", "/healthz", _) => (200, "ok\n".to_owned()),
        ("GET", "/relay", Some(upstream)) => {
            match Client::connect(upstream).and_then(|mut c| c.ask("GET", "/")) {
                Ok(answer) if answer.status == 200 => (200, format!("relayed: {}", answer.body)),
                Ok(answer) => (502, format!("upstream answered {}\n", answer.status)),
                Err(error) => (502, format!("upstream: {error}\n")),
            }
        }
        ("GET", _, _) => (404, "nothing here\n".to_owned()),
        _ => (405, "only GET\n".to_owned()),
    };
    Answer { status, body }
}

/// The first process of a container ignores SIGTERM unless it says what to do. Nothing here needs
/// saving, so it ends at once.
#[cfg(unix)]
fn stop_on_sigterm() {
    const SIGTERM: i32 = 15;
    unsafe extern "C" {
        safe fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        safe fn _exit(code: i32) -> !;
    }
    extern "C" fn stop(_: i32) {
        _exit(0)
    }
    signal(SIGTERM, stop);
}

#[cfg(not(unix))]
fn stop_on_sigterm() {}
