//! What the service and its tests share: HTTP/1.1 as far as they need it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nobody waits longer than this for the other side.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// More than that is no request or answer of ours.
const LONGEST: u64 = 8 * 1024;

/// What a server answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// A connection to a server, kept open between requests.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request without a body and reads the answer.
    pub fn ask(&mut self, method: &str, path: &str) -> io::Result<Answer> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: hello\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let head = read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head[0].split(' ').nth(1).and_then(|code| code.parse().ok());
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let (Some(status), Some(length)) = (status, length) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {head:?}")));
        };
        let mut body = String::new();
        (&mut self.stream).take(length).read_to_string(&mut body)?;
        Ok(Answer { status, body })
    }
}

/// The lines of a request's or an answer's head; `None` when the other side has hung up.
pub fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    let mut limited = stream.take(LONGEST);
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        match line.trim_end() {
            "" if lines.is_empty() => {}
            "" => return Ok(Some(lines)),
            line => lines.push(line.to_owned()),
        }
    }
}

/// A header's value.
pub fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    let headers = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    headers.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}
