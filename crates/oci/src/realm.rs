//! Which token servers a registry may name. The client sends its credentials there, so a registry must not name a
//! server that it has no right to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::client::{Client, authority};
use super::error::OciError;
use super::insecure::is_private_name;
use super::reference::Repository;

/// Checks the token server that a registry names.
///
/// - At the registry's own origin, it is as trustworthy as the registry.
/// - Elsewhere it needs TLS. Without TLS, it is accepted only from a registry that is itself used without TLS, and only
///   on loopback or on a registry in the settings.
/// - A public registry may not name a private address. Addresses are recognised in every notation, names only by a
///   private ending. Other names are not resolved, because the connection or a proxy may get another result a moment
///   later. A host that is reached by such a name must show a certificate for it before it receives anything.
pub(super) fn check(client: &Client, repository: &Repository, realm: &Url) -> Result<(), OciError> {
    let base = client.base(repository)?;
    if base.origin() == realm.origin() {
        return Ok(());
    }
    let registry = repository.registry().to_owned();
    let to = format!("{}://{}", realm.scheme(), authority(realm));
    if realm.scheme() != "https" && (base.scheme() == "https" || !client.trusts(realm)) {
        return Err(OciError::Insecure { registry, to });
    }
    if is_inner(realm) && !is_inner(&base) {
        return Err(OciError::Inward { registry, to });
    }
    Ok(())
}

/// Whether a URL leads to this machine or to a private network, as far as the URL shows.
fn is_inner(url: &Url) -> bool {
    is_inner_host(url.host_str().unwrap_or_default())
}

/// Whether a host without a port is this machine or in a private network, as far as its name shows.
pub fn is_inner_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse() {
        Ok(address) => is_private(address),
        // The resolver's search list completes a name without a dot.
        Err(_) => !host.contains('.') || host.ends_with(".localhost") || is_private_name(host),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

/// Addresses that the Internet does not route (RFC 6890), and multicast.
fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || matches!((first, second, third), (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _))
        || first >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., high, low] = segments;
    let v4 = |high: u16, low: u16| is_private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        // ::, ::1, and addresses of IPv4 in IPv6: compatible, mapped, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            v4(high, low)
        }
        [0x64, 0xff9b, 1, ..] => true,
        [0x2002, high, low, ..] => v4(high, low),
        // Unique local, link local, site local, multicast.
        [first, ..] => first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::client::Settings;
    use crate::insecure::Insecure;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn private_addresses_are_known_in_every_notation() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a00:1]",
            "[::127.0.0.1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "registry",
            "metadata.google.internal",
            "nas.local",
            "auth.lan",
            "registry.default.svc",
            "registry.default.svc.cluster.local",
        ] {
            assert!(is_inner(&url(&format!("https://{host}/"))), "{host}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "[2001:4860:4860::8888]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::8.8.8.8]",
            "[2002:808:808::]",
            "auth.docker.io",
            "ghcr.io",
            "localhost.example",
            "my-local.example",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_inner(&url(&format!("https://{host}/"))), "{host}");
        }
        // A client that maps other digits to ASCII would reach this machine.
        assert!(Url::parse("https://\u{ff11}27.0.0.1/").is_err());
    }

    #[test]
    fn credentials_leave_for_another_host_over_tls_only_and_never_inwards() {
        let (insecure, _) = Insecure::read(&["registry.lan:5000".to_owned(), "auth.lan".to_owned()]).unwrap();
        let client = Client::new(Settings { insecure, ..Settings::default() });
        let outcome = |registry: &str, realm: &str| {
            let repository = format!("{registry}/app").parse().unwrap();
            match check(&client, &repository, &url(realm)) {
                Ok(()) => "sent",
                Err(OciError::Insecure { .. }) => "no TLS",
                Err(OciError::Inward { .. }) => "inward",
                Err(_) => "other",
            }
        };
        for (registry, realm, expected) in [
            ("docker.io", "https://auth.docker.io/token", "sent"),
            ("ghcr.io", "https://ghcr.io/token", "sent"),
            ("ghcr.io", "http://ghcr.io/token", "no TLS"),
            ("ghcr.io", "http://auth.example/token", "no TLS"),
            ("ghcr.io", "http://127.0.0.1:8080/token", "no TLS"),
            ("ghcr.io", "http://auth.lan/token", "no TLS"),
            ("ghcr.io", "ftp://ghcr.io/token", "no TLS"),
            ("ghcr.io", "https://127.0.0.1/token", "inward"),
            ("ghcr.io", "https://2852039166/token", "inward"),
            ("ghcr.io", "https://[::ffff:10.0.0.1]/token", "inward"),
            ("ghcr.io", "https://kubernetes.default.svc/token", "inward"),
            ("ghcr.io", "https://auth.lan/token", "inward"),
            ("10.0.0.1:5000", "https://10.0.0.2/token", "sent"),
            ("registry.acme.internal", "https://auth.acme.internal/token", "sent"),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token", "sent"),
            ("127.0.0.1:5000", "http://auth.example/token", "no TLS"),
            ("127.0.0.1:5000", "https://auth.example/token", "sent"),
            ("registry.lan:5000", "http://registry.lan:5000/token", "sent"),
            ("registry.lan:5000", "http://registry.lan/token", "no TLS"),
            ("registry.lan:5000", "http://auth.lan/token", "sent"),
        ] {
            assert_eq!(outcome(registry, realm), expected, "{registry} names {realm}");
        }
    }
}
