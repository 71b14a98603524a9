//! Finds the image for a platform in an index.

use serde_json::Value as Json;

use super::Platform;

/// The result of a search in an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Digests of images and indexes to read, the best first.
    pub digests: Vec<String>,
    /// The platforms with an image in the index.
    pub platforms: Vec<String>,
}

/// The name of a platform in an index or a configuration: `linux/arm/v7`. `None` if it is not complete, or that of
/// something that is not an image (`unknown/unknown`).
pub fn platform_name(platform: &Json) -> Option<String> {
    let word = |name: &str| platform[name].as_str().filter(|word| !word.is_empty() && *word != "unknown");
    let name = format!("{}/{}", word("os")?, word("architecture")?);
    Some(word("variant").map_or(name.clone(), |variant| format!("{name}/{variant}")))
}

/// The entries of an index that may be, or contain, the image for a platform. Entries for the platform come first,
/// then indexes without a platform. Images without a platform count only if no image has one. Attestations
/// (`unknown/unknown`) are not images.
pub fn choose(index: &[u8], platform: &Platform) -> Choice {
    let index: Json = serde_json::from_slice(index).unwrap_or_default();
    let mut choice = Choice::default();
    let (mut fitting, mut indexes, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let Some(digest) = entry["digest"].as_str().map(str::to_owned) else { continue };
        if entry["annotations"]["vnd.docker.reference.type"] == "attestation-manifest" {
            continue;
        }
        let text = |name: &str| entry["platform"][name].as_str().unwrap_or_default();
        let is_index =
            entry["mediaType"].as_str().is_some_and(|kind| kind.contains("index") || kind.contains("list"));
        match (text("os"), text("architecture")) {
            ("", "") if is_index => indexes.push(digest),
            ("", "") => unnamed.push(digest),
            ("unknown", _) => {}
            (os, architecture) => {
                if os == platform.os && architecture == platform.architecture {
                    fitting.push(digest);
                }
                choice.platforms.extend(platform_name(&entry["platform"]));
            }
        }
    }
    choice.digests = fitting;
    choice.digests.extend(indexes);
    if choice.platforms.is_empty() {
        choice.digests.extend(unnamed);
    }
    choice
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

    fn choice(manifests: &Json) -> (Vec<String>, Vec<String>) {
        let platform = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned() };
        let Choice { digests, platforms } =
            choose(json!({"manifests": manifests}).to_string().as_bytes(), &platform);
        (digests, platforms)
    }

    #[test]
    fn the_platform_s_image_comes_first_and_attestations_never() {
        let found = choice(&json!([
            {"digest": "nested", "mediaType": INDEX}, {"digest": "list", "mediaType": LIST},
            {"digest": "unnamed"}, {"mediaType": INDEX},
            {"digest": "amd64", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "arm64", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": "a", "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "b", "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"digest": "inner", "mediaType": INDEX, "platform": {"os": "linux", "architecture": "arm64"}},
        ]));
        let digests = ["arm64", "inner", "nested", "list"].map(str::to_owned).to_vec();
        let platforms = ["linux/amd64", "linux/arm64/v8", "linux/arm64"].map(str::to_owned).to_vec();
        assert_eq!(found, (digests, platforms));
    }

    #[test]
    fn an_image_without_a_platform_is_for_all_where_none_has_one() {
        let found = choice(&json!([{"digest": "one"}, {"digest": "two", "platform": null}]));
        assert_eq!(found, (vec!["one".to_owned(), "two".to_owned()], Vec::new()));
        assert_eq!(choice(&json!(null)), (Vec::new(), Vec::new()));
        assert_eq!(choose(b"no JSON", &Platform::default()), Choice::default());
    }
}
