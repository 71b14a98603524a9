//! A tenant's repository, a loopback Google with two projects, a registry for both on one host, and a
//! cluster.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::artifact_registry::ArtifactRegistry;
use crate::support::gate::Gate;
use crate::support::google::Google;
use crate::support::kube::Cluster;
use crate::support::server::Seen;

/// A Makefile whose tests ask the cluster, and with no promotion of its own.
pub(crate) const MAKEFILE: &str = r"
image = $(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)
.PHONY: p2p-build p2p-functional p2p-nft p2p-integration
p2p-build:
	@mkdir -p .rootfs && echo '$(P2P_VERSION)' > .rootfs/version
	@'$(P2P_BIN)' image push .rootfs '$(image)'
p2p-functional p2p-nft p2p-integration:
	@kubectl config view --minify -o 'jsonpath={.current-context} {..namespace}' && echo
	@kubectl get configmaps -o 'jsonpath={.items[0].metadata.namespace}' && echo
";

/// What gcloud does with a credential file: it federates by itself and prints a token.
pub(crate) const GCLOUD: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
file = json.load(open(os.environ["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]))
assert file["type"] == "external_account"
def ask(url, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = dict(headers, **({"content-type": "application/json"} if data else {}))
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers)))
source = file["credential_source"]
job = ask(source["url"], source["headers"])[source["format"]["subject_token_field_name"]]
scope = "https://www.googleapis.com/auth/cloud-platform"
federated = ask(file["token_url"], {}, {
    "audience": file["audience"], "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token", "scope": scope,
    "subjectTokenType": file["subject_token_type"], "subjectToken": job})
bearer = {"authorization": "Bearer " + federated["access_token"]}
print(ask(file["service_account_impersonation_url"], bearer, {"scope": [scope], "lifetime": "3600s"})["accessToken"])
"#;

/// A promotion that pulls and pushes by itself, switching between the two credential files.
pub(crate) const SWITCHES: &str = r"
name = $(P2P_APP_NAME):$(VERSION)
.PHONY: p2p-promote-to-extended-test
p2p-promote-to-extended-test:
	@export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=$(SOURCE_AUTH_OVERRIDE); \
	python3 gcloud | skopeo login --authfile pull.json --tls-verify=false -u oauth2accesstoken --password-stdin \
	  $(firstword $(subst /, ,$(SOURCE_REGISTRY))) && \
	skopeo copy -q --authfile pull.json --src-tls-verify=false docker://$(SOURCE_REGISTRY)/test/$(name) dir:pulled
	@export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=$(DEST_AUTH_OVERRIDE); \
	python3 gcloud | skopeo login --authfile push.json --tls-verify=false -u oauth2accesstoken --password-stdin \
	  $(firstword $(subst /, ,$(REGISTRY))) && \
	skopeo copy -q --authfile push.json --dest-tls-verify=false dir:pulled docker://$(REGISTRY)/extended-test/$(name)
	@rm -rf pull.json push.json pulled
";

/// A promotion by skopeo with `REGISTRY_AUTH_FILE`, in which both sides of one host are.
pub(crate) const AUTH_FILE: &str = r"
name = $(P2P_APP_NAME):$(VERSION)
.PHONY: p2p-promote-to-extended-test
p2p-promote-to-extended-test:
	@skopeo copy -q --all --src-tls-verify=false --dest-tls-verify=false \
	  docker://$(SOURCE_REGISTRY)/test/$(name) docker://$(REGISTRY)/extended-test/$(name)
";

/// The outside of a run.
pub(crate) struct Cloud {
    pub(crate) google: Google,
    pub(crate) registry: ArtifactRegistry,
    pub(crate) cluster: Cluster,
}

impl Cloud {
    /// Two projects, `acme-dev` and `acme-prod`, with the tenant `shop`.
    pub(crate) fn new() -> Self {
        let google = Google::start().with("acme-dev", 42).with("acme-prod", 77);
        let registry = ArtifactRegistry::start(&google);
        let accepts = google.accepts();
        let cluster = Cluster::start(&["shop"], move |seen| accepts(seen.bearer()));
        for (project, name) in [("acme-dev", "dev"), ("acme-prod", "prod")] {
            let described = json!({
                "endpoint": cluster.endpoint(),
                "masterAuth": {"clusterCaCertificate": cluster.authority_data()},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "gke-1.europe-west2.gke.goog"}},
            });
            google.cluster(project, "europe-west2", name, described);
        }
        Self { google, registry, cluster }
    }

    /// The inputs of a tenant, with those that lead to loopback.
    pub(crate) fn inputs(&self) -> BTreeMap<&'static str, String> {
        let matrix = |name: &str| json!({"include": [{ "deploy_env": name }]}).to_string();
        let vars = json!({
            "TENANT_NAME": "shop", "PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "42", "REGION": "europe-west2",
            "DPLATFORM": "dev", "FAST_FEEDBACK": matrix("gcp-dev"), "EXTENDED_TEST": matrix("gcp-prod"),
        });
        let prod = json!({"gcp-prod": {
            "project-id": "acme-prod", "project-number": "77", "region": "europe-west2", "dplatform": "prod",
            "registry": self.registry.of("acme-prod"),
        }});
        BTreeMap::from([
            ("app-name", "basket".to_owned()),
            ("vars", vars.to_string()),
            ("environments", prod.to_string()),
            ("registry", self.registry.of("acme-dev")),
        ])
    }

    /// A `.p2p.yaml` that leads to loopback, with these keys of the job's own environment as well. An empty
    /// one is left out.
    pub(crate) fn settings(&self, keys: &[(&str, &str)]) -> String {
        let google = self.google.url();
        let mut own = BTreeMap::from([
            ("artifact-registry-domain", self.registry.host()),
            ("google-sts-url", &google),
            ("google-iam-credentials-url", &google),
            ("google-container-url", &google),
            ("google-kms-url", &google),
        ]);
        own.extend(keys.iter().copied());
        json!({"environments": {"": own}}).to_string()
    }

    /// A push to main of this Makefile; the job may ask for id tokens.
    pub(crate) fn gate(&self, makefile: &str) -> Gate {
        self.gate_with(makefile, &[])
    }

    /// The same with these keys of the job's own environment.
    pub(crate) fn gate_with(&self, makefile: &str, keys: &[(&str, &str)]) -> Gate {
        let gate = Gate::new(makefile).file("gcloud", GCLOUD).file(".p2p.yaml", &self.settings(keys));
        let gate = gate.commit("with gcloud");
        let gate = self.inputs().into_iter().fold(gate, |gate, (name, value)| gate.input(name, &value));
        self.google.variables().into_iter().fold(gate, |gate, (name, value)| gate.env(name, value))
    }

    /// The requests to Google and the cluster so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        [self.google.server().requests(), self.cluster.server().requests()].concat()
    }
}
