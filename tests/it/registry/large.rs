//! Large layers pass through; Linux tells how much memory a process ever had.

use ::registry::Server;
use bytes::Bytes;
use sha2::Digest as _;

use super::{client, got};

/// The most memory that this process ever had, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// 300 MB, for speed. With 2 GB the peak grew by 8 MB too: memory does not depend on the size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_layer_never_is_in_memory() {
    const PIECES: usize = 300;
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), (std::net::Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let piece = Bytes::from(vec![0_u8; 1024 * 1024]);
    let mut hasher = sha2::Sha256::new();
    (0..PIECES).for_each(|_| hasher.update(&piece));
    let hex = hasher.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let client = client();
    let base = format!("http://{}/v2/a/blobs", server.address());
    let before = peak();

    let body = futures_util::stream::iter(std::iter::repeat_n(piece, PIECES).map(Ok::<_, std::io::Error>));
    let push = client.post(format!("{base}/uploads/?digest=sha256:{hex}"));
    let pushed = got(push.body(reqwest::Body::wrap_stream(body))).await.unwrap();
    pushed.is(201, "");
    let mut response = client.get(format!("{base}/sha256:{hex}")).send().await.unwrap();
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, PIECES * 1024 * 1024);
    let grown = peak() - before;
    assert!(grown < 100, "{grown} MB more memory for a layer of {PIECES} MB");
}
