//! Looks up a cluster's address and certificate authority
//! (<https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters>).

use reqwest::Client;
use serde::Deserialize;

use super::answer::parse;
use super::cluster_name::ClusterName;
use super::error::GoogleError;
use super::federation::Federation;
use super::identity::Identity;
use super::refusal::is_disabled;
use crate::inputs::ClusterEndpoint;

/// How to connect to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The API server: `https://gke-….europe-west2.gke.goog`.
    pub server: String,
    /// The certificate authority that signed the server's certificate (PEM in base64, as in kubeconfigs). `None` if
    /// it is a public one.
    pub certificate_authority: Option<String>,
    /// The endpoint that this is.
    pub endpoint: ClusterEndpoint,
}

/// The parts of a cluster that matter for the connection. Google's JSON omits `false`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Found {
    endpoint: String,
    master_auth: MasterAuth,
    private_cluster_config: PrivateCluster,
    control_plane_endpoints_config: ControlPlane,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MasterAuth {
    cluster_ca_certificate: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PrivateCluster {
    #[serde(rename = "privateEndpoint")]
    private: String,
    #[serde(rename = "publicEndpoint")]
    public: String,
    #[serde(rename = "enablePrivateEndpoint")]
    only_private: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ControlPlane {
    dns_endpoint_config: Dns,
    ip_endpoints_config: Ips,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Dns {
    endpoint: String,
    allow_external_traffic: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ips {
    enabled: Option<bool>,
    enable_public_endpoint: Option<bool>,
    public_endpoint: String,
    private_endpoint: String,
}

impl Federation {
    /// Looks up a cluster with the identity's token. Without `wanted`, it takes the DNS-based endpoint if it can be
    /// used from outside, else the public one, else the private one.
    ///
    /// # Errors
    /// If there is no token or no such cluster, if the identity may not see it, or if it has no endpoint of the
    /// wanted kind.
    pub async fn cluster(
        &self,
        identity: &Identity,
        name: &ClusterName,
        wanted: Option<ClusterEndpoint>,
    ) -> Result<Cluster, GoogleError> {
        let what = format!("look up the cluster {name}");
        let ClusterName { project, location, cluster } = name;
        let plain = |part: &String| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            !part.is_empty() && part.bytes().all(inner)
        };
        if ![project, location, cluster].into_iter().all(plain) {
            return Err(GoogleError::ClusterName { name: name.clone() });
        }
        let url = format!(
            "{}/v1/projects/{project}/locations/{location}/clusters/{cluster}",
            self.endpoints().container
        );
        let answer = self.send_as(identity, &what, &url, Client::get).await?;
        if answer.status == 200 {
            return parse::<Found>(&what, &answer)?.choose(name, wanted);
        }
        let (disabled, text) = (is_disabled(&answer), answer.words());
        let identity = Box::new(identity.clone());
        Err(match answer.status {
            403 if disabled => GoogleError::Disabled {
                identity,
                service: "container",
                project: project.clone(),
                answer: text,
            },
            401 | 403 => GoogleError::ClusterForbidden { identity, name: name.clone(), answer: text },
            404 => GoogleError::NoCluster { name: name.clone(), answer: text },
            status => GoogleError::Refused { what, status, answer: text },
        })
    }
}

impl Found {
    fn choose(&self, name: &ClusterName, wanted: Option<ClusterEndpoint>) -> Result<Cluster, GoogleError> {
        use ClusterEndpoint::{Dns, Private, Public};
        let none = || GoogleError::NoEndpoint {
            name: name.clone(),
            wanted,
            there: [Dns, Public, Private].into_iter().filter(|kind| self.host(*kind).is_some()).collect(),
        };
        let dns_is_open = self.control_plane_endpoints_config.dns_endpoint_config.allow_external_traffic;
        let kinds = match wanted {
            Some(kind) => vec![kind],
            None if dns_is_open => vec![Dns, Public, Private],
            None => vec![Public, Private],
        };
        let found = kinds.into_iter().find_map(|kind| Some((kind, self.host(kind)?)));
        let (endpoint, host) = found.ok_or_else(none)?;
        let authority = &self.master_auth.cluster_ca_certificate;
        let certificate_authority = match endpoint {
            // The certificate is public. The cluster's own authority did not sign it.
            Dns => None,
            Public | Private if authority.is_empty() => {
                return Err(GoogleError::Nonsense {
                    what: format!("look up the cluster {name}"),
                    reason: "it has no certificate authority".to_owned(),
                });
            }
            Public | Private => Some(authority.clone()),
        };
        Ok(Cluster { server: format!("https://{host}"), certificate_authority, endpoint })
    }

    /// The host of an endpoint of this kind, if there is one.
    fn host(&self, kind: ClusterEndpoint) -> Option<&str> {
        let there = |text: &'_ str| !text.is_empty();
        let ips = &self.control_plane_endpoints_config.ip_endpoints_config;
        let old = &self.private_cluster_config;
        let private = [&ips.private_endpoint, &old.private].into_iter().find(|text| there(text));
        let host = match kind {
            ClusterEndpoint::Dns => Some(&self.control_plane_endpoints_config.dns_endpoint_config.endpoint),
            _ if ips.enabled == Some(false) => None,
            ClusterEndpoint::Private => private,
            ClusterEndpoint::Public if ips.enable_public_endpoint == Some(false) || old.only_private => None,
            // If a cluster has only a private endpoint, `endpoint` contains that one.
            ClusterEndpoint::Public => [&ips.public_endpoint, &old.public, &self.endpoint]
                .into_iter()
                .find(|text| there(text) && Some(*text) != private),
        };
        host.map(String::as_str).filter(|text| there(text))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use serde_json::{Value as Json, json};

    use super::*;
    use ClusterEndpoint::{Dns, Private, Public};

    fn name() -> ClusterName {
        ClusterName { project: "p".into(), location: "r".into(), cluster: "d".into() }
    }

    fn choose(found: &Json, wanted: Option<ClusterEndpoint>) -> Option<(ClusterEndpoint, String, bool)> {
        let found: Found = serde_json::from_value(found.clone()).unwrap();
        let cluster = found.choose(&name(), wanted).ok()?;
        Some((cluster.endpoint, cluster.server, cluster.certificate_authority.is_some()))
    }

    fn cluster(dns_is_open: bool) -> Json {
        json!({
            "name": "d", "endpoint": "1.2.3.4", "masterAuth": {"clusterCaCertificate": "Q0E="},
            "privateClusterConfig": {"privateEndpoint": "10.0.0.2", "publicEndpoint": "1.2.3.4"},
            "controlPlaneEndpointsConfig": {
                "dnsEndpointConfig": {"endpoint": "gke-1.r.gke.goog", "allowExternalTraffic": dns_is_open},
                "ipEndpointsConfig": {"enabled": true, "enablePublicEndpoint": true,
                    "publicEndpoint": "1.2.3.4", "privateEndpoint": "10.0.0.2"}
            }
        })
    }

    #[test]
    fn the_dns_endpoint_comes_first_where_it_is_open() {
        assert_eq!(choose(&cluster(true), None), Some((Dns, "https://gke-1.r.gke.goog".into(), false)));
        // GKE lists a DNS-based endpoint even if it refuses requests from outside.
        assert_eq!(choose(&cluster(false), None), Some((Public, "https://1.2.3.4".into(), true)));
    }

    #[test]
    fn the_input_decides() {
        for (wanted, server) in [(Dns, "gke-1.r.gke.goog"), (Public, "1.2.3.4"), (Private, "10.0.0.2")] {
            let (kind, found, authority) = choose(&cluster(false), Some(wanted)).unwrap();
            assert_eq!((kind, found), (wanted, format!("https://{server}")));
            assert_eq!(authority, wanted != Dns);
        }
    }

    #[test]
    fn a_private_cluster_has_no_public_endpoint() {
        let private = json!({
            "endpoint": "10.0.0.2", "masterAuth": {"clusterCaCertificate": "Q0E="},
            "privateClusterConfig": {"privateEndpoint": "10.0.0.2", "enablePrivateEndpoint": true}
        });
        assert_eq!(choose(&private, None), Some((Private, "https://10.0.0.2".into(), true)));
        assert_eq!(choose(&private, Some(Public)), None);
        let mut dns_only = cluster(true);
        dns_only["controlPlaneEndpointsConfig"]["ipEndpointsConfig"] = json!({"enabled": false});
        assert_eq!(choose(&dns_only, Some(Public)), None);
        assert_eq!(choose(&dns_only, Some(Private)), None);
        assert_eq!(choose(&dns_only, None).unwrap().0, Dns);
        let mut closed = cluster(false);
        closed["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["enablePublicEndpoint"] = json!(false);
        assert_eq!(choose(&closed, None), Some((Private, "https://10.0.0.2".into(), true)));
    }

    #[test]
    fn an_old_cluster_has_one_address() {
        let old = json!({"endpoint": "1.2.3.4", "masterAuth": {"clusterCaCertificate": "Q0E="}});
        assert_eq!(choose(&old, None), Some((Public, "https://1.2.3.4".into(), true)));
        assert_eq!(choose(&old, Some(Dns)), None);
        assert_eq!(choose(&json!({"endpoint": "1.2.3.4"}), None), None, "without a certificate authority");
    }
}
