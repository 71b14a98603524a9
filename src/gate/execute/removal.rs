//! The command that removes an image from a registry. Pure.

use oci::{Digest, Repository};

/// The command that removes the image `digest` and its tags.
pub(super) fn command(repository: &Repository, digest: &Digest) -> String {
    let registry = repository.registry();
    let host = registry.split(':').next().unwrap_or(registry);
    if host.ends_with("-docker.pkg.dev") || host == "gcr.io" || host.ends_with(".gcr.io") {
        return format!("gcloud artifacts docker images delete {repository}@{digest} --delete-tags --quiet");
    }
    let path = repository.name();
    if host == "ghcr.io"
        && let Some((owner, name)) = path.split_once('/')
    {
        // This registry cannot delete through the distribution API.
        let versions = format!("/orgs/{owner}/packages/container/{}/versions", name.replace('/', "%2F"));
        return format!(
            "gh api -X DELETE \"{versions}/$(gh api --paginate {versions} --jq '.[] | select(.name == \"{digest}\") | .id')\""
        );
    }
    let plain = if host == "localhost" || host.starts_with("127.") { "--tls-verify=false " } else { "" };
    format!("skopeo delete {plain}docker://{repository}@{digest}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn each_registry_has_its_command() {
        let digest = Digest::of("x");
        let of = |repository: &str| {
            command(&repository.parse().unwrap(), &digest).replace(digest.as_str(), "DIGEST")
        };
        assert_eq!(
            of("europe-west2-docker.pkg.dev/shop-dev/tenant/acme/extended-test/web"),
            "gcloud artifacts docker images delete \
             europe-west2-docker.pkg.dev/shop-dev/tenant/acme/extended-test/web@DIGEST --delete-tags --quiet"
        );
        assert_eq!(
            of("ghcr.io/acme/shop/web"),
            "gh api -X DELETE \"/orgs/acme/packages/container/shop%2Fweb/versions/$(gh api --paginate \
             /orgs/acme/packages/container/shop%2Fweb/versions --jq '.[] | select(.name == \"DIGEST\") | .id')\""
        );
        assert_eq!(of("r.example/acme/web"), "skopeo delete docker://r.example/acme/web@DIGEST");
        assert_eq!(
            of("127.0.0.1:5000/acme/web"),
            "skopeo delete --tls-verify=false docker://127.0.0.1:5000/acme/web@DIGEST"
        );
    }
}
