//! Turns git's standard error into a message, and sorts failures into classes.

/// Why a remote repository could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Authentication,
    NotFound,
    Certificate,
    /// Worth another try: a problem of the network, a proxy or the server.
    Transient,
    Other,
}

/// Messages of git 2.20 to 2.50 and of curl with its TLS libraries, the most specific first.
const CLASSES: [(Class, &[&str]); 4] = [
    (
        Class::Certificate,
        &[
            "SSL certificate problem",
            "server certificate verification failed",
            "certificate verify locations",
        ],
    ),
    (
        Class::Authentication,
        &[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "Permission denied (publickey",
            "returned error: 401",
            "returned error: 403",
        ],
    ),
    (
        Class::NotFound,
        &[
            "' not found",
            "Repository not found",
            "returned error: 404",
            "does not appear to be a git repository",
        ],
    ),
    (
        Class::Transient,
        &[
            "Could not resolve",
            "Failed to connect",
            "Couldn't connect",
            "Connection refused",
            "Connection reset",
            "Connection timed out",
            "Connection closed",
            "Connection was reset",
            "Operation timed out",
            "Operation too slow",
            "Recv failure",
            "Send failure",
            "Empty reply from server",
            "unexpected disconnect",
            "early EOF",
            "RPC failed",
            "the remote end hung up",
            "transfer closed with",
            "HTTP/2 stream",
            "HTTP2 framing",
            "gnutls_handshake() failed",
            "GnuTLS recv error",
            "SSL_ERROR_SYSCALL",
            "SSL_connect",
            "TLS connect error",
            "from proxy",
            "CONNECT tunnel failed",
            "returned error: 408",
            "returned error: 429",
            "returned error: 5",
        ],
    ),
];

pub(super) fn classify(stderr: &str) -> Class {
    let class = CLASSES.iter().find(|(_, texts)| texts.iter().any(|text| stderr.contains(text)));
    class.map_or(Class::Other, |(class, _)| *class)
}

/// Joins the informative lines, without `fatal:` and without `secrets`.
pub(super) fn message(stderr: &str, secrets: &[&str]) -> String {
    let mut text = stderr
        .lines()
        .map(|line| line.trim().trim_start_matches("fatal: ").trim_start_matches("error: "))
        .filter(|line| !line.is_empty())
        .take(8)
        .collect::<Vec<_>>()
        .join("; ");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    if text.is_empty() { "no message".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_what_git_and_curl_say() {
        for (stderr, class) in [
            ("fatal: Authentication failed for 'https://github.com/acme/shop/'", Class::Authentication),
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
                Class::Authentication,
            ),
            (
                "remote: Permission to acme/shop.git denied to github-actions[bot].\nfatal: unable to access \
                 'https://github.com/acme/shop/': The requested URL returned error: 403",
                Class::Authentication,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://github.com/acme/shop/' not found",
                Class::NotFound,
            ),
            (
                "fatal: unable to access 'https://ghe.example/a/b/': SSL certificate problem: self-signed certificate",
                Class::Certificate,
            ),
            (
                "fatal: unable to access 'https://nowhere.invalid/a/b/': Could not resolve host: nowhere.invalid",
                Class::Transient,
            ),
            (
                "fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 502",
                Class::Transient,
            ),
            (
                "fatal: unable to access 'https://github.com/a/b/': CONNECT tunnel failed, response 407",
                Class::Transient,
            ),
            ("fatal: Unable to find remote helper for 'foo'", Class::Other),
        ] {
            assert_eq!(classify(stderr), class, "{stderr}");
        }
    }

    #[test]
    fn says_it_on_one_line_without_secrets() {
        let stderr = "remote: Nope, s3cret.\nfatal: unable to access\n\n";
        assert_eq!(message(stderr, &["s3cret", ""]), "remote: Nope, ***.; unable to access");
        assert_eq!(message("", &[]), "no message");
    }
}
