//! The tests of the service, from outside, over HTTP; the Makefile's targets call it.
//!
//! ```text
//! check wait <file>                     until the file has an address and the service there is up
//! check functional <address> <version>  every path, and what is refused
//! check load <address> <connections> <seconds> <p99 in ms>
//! check relay <address> <version>       the answer of the instance behind it
//! check no-upstream <address>           a service whose upstream is gone says so
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hello_service::{Answer, Client};

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["wait", file] => wait(file),
        ["functional", address, version] => parse(address).and_then(|address| functional(address, version)),
        ["load", address, connections, seconds, limit] => parse(address).and_then(|address| {
            load(
                address,
                parse(connections)?,
                Duration::from_secs(parse(seconds)?),
                Duration::from_millis(parse(limit)?),
            )
        }),
        ["relay", address, version] => parse(address).and_then(|address| {
            expect(address, "GET", "/relay", 200, Some(&format!("relayed: hello {version}\n")))
        }),
        ["no-upstream", address] => {
            parse(address).and_then(|address| expect(address, "GET", "/relay", 502, None))
        }
        _ => Err("usage: check wait|functional|load|relay|no-upstream … (see src/bin/check.rs)".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("check: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text}: not what is expected there"))
}

/// Prints the address once the service answers there.
fn wait(file: &str) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(address) =
            std::fs::read_to_string(file).ok().and_then(|text| text.parse::<SocketAddr>().ok())
        {
            expect(address, "GET", "/healthz", 200, Some("ok\n"))?;
            println!("{address}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("no service wrote its address to {file} within 10 s"))
}

fn functional(address: SocketAddr, version: &str) -> Outcome {
    expect(address, "GET", "/", 200, Some(&format!("hello {version}\n")))?;
    expect(address, "GET", "/healthz", 200, Some("ok\n"))?;
    expect(address, "GET", "/nothing", 404, None)?;
    expect(address, "GET", "/relay", 404, None)?;
    expect(address, "DELETE", "/", 405, None)
}

fn expect(address: SocketAddr, method: &str, path: &str, status: u16, body: Option<&str>) -> Outcome {
    let asked = format!("{method} http://{address}{path}");
    let answer = Client::connect(address).and_then(|mut client| client.ask(method, path));
    let answer: Answer = answer.map_err(|error| format!("{asked}: {error}"))?;
    if answer.status != status || body.is_some_and(|body| body != answer.body) {
        return Err(format!("{asked}: expected {status} {body:?}, got {} {:?}", answer.status, answer.body));
    }
    eprintln!("check: {asked}: {status} as expected");
    Ok(())
}

/// Each connection asks again and again; one failure or a slow 99th percentile is a failure.
fn load(address: SocketAddr, connections: usize, time: Duration, limit: Duration) -> Outcome {
    let end = Instant::now() + time;
    let clients: Vec<_> =
        (0..connections).map(|_| std::thread::spawn(move || hammer(address, end))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.join().map_err(|_| "a client died")??);
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied();
    let (Some(median), Some(p99)) = (at(50), at(99)) else {
        return Err("not one request was answered in time".to_owned());
    };
    println!(
        "{} requests on {connections} connections in {} s: median {median:.1?}, p99 {p99:.1?} (limit {limit:?})",
        latencies.len(),
        time.as_secs()
    );
    if p99 > limit {
        return Err(format!("p99 is {p99:.1?}, the limit is {limit:?}"));
    }
    Ok(())
}

fn hammer(address: SocketAddr, end: Instant) -> Result<Vec<Duration>, String> {
    let mut client = Client::connect(address).map_err(|error| format!("connect: {error}"))?;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        let answer =
            client.ask("GET", "/").map_err(|error| format!("request {}: {error}", latencies.len() + 1))?;
        if answer.status != 200 {
            return Err(format!("request {}: {}", latencies.len() + 1, answer.status));
        }
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}
