//! Links to pages of GitHub and of registries.

use super::markdown;
use oci::{Digest, Repository};
use sys::world::Env;
use workflow_commands::{percent, run_url};

/// The base URL of a run's pages. Empty outside GitHub.
#[derive(Debug, Clone, Default)]
pub struct RunLinks {
    /// `https://github.com/acme/shop`.
    repository: Option<String>,
    run: Option<String>,
}

/// Registries with a page for each image: the end of the host, and the path between host and name.
const PAGES: [(&str, &str); 3] = [(GOOGLE, ""), ("ghcr.io", ""), ("quay.io", "repository/")];

/// The registry with a page for each digest.
const GOOGLE: &str = "-docker.pkg.dev";

impl RunLinks {
    /// Reads the variables of GitHub's runner.
    pub fn of(env: &Env) -> Self {
        let server = env.get("GITHUB_SERVER_URL").unwrap_or("https://github.com").trim_end_matches('/');
        let Some(name) = env.get("GITHUB_REPOSITORY") else { return Self::default() };
        let run = env.get("GITHUB_RUN_ID").map(|run| {
            let url = run_url(Some(server), name, run);
            match env.get("GITHUB_RUN_ATTEMPT") {
                Some(attempt) if attempt != "1" => format!("{url}/attempts/{attempt}"),
                _ => url,
            }
        });
        Self { repository: Some(format!("{server}/{name}")), run }
    }

    /// A link to the run, with this text.
    pub(super) fn run(&self, text: &str) -> Option<String> {
        self.run.as_ref().map(|url| markdown::link(&markdown::cell(text), url))
    }

    /// A link to a commit, with its short id.
    pub(super) fn commit(&self, commit: &str) -> String {
        let short = markdown::code(commit.get(..12).unwrap_or(commit));
        self.below("commit", commit).map_or(short.clone(), |url| markdown::link(&short, &url))
    }

    /// A link to a version tag.
    pub(super) fn tag(&self, tag: &str) -> String {
        let text = markdown::code(tag);
        self.below("releases/tag", tag).map_or(text.clone(), |url| markdown::link(&text, &url))
    }

    /// A link to an environment's deployments.
    pub(super) fn environment(&self, name: &str) -> String {
        let text = markdown::code(name);
        let url = self
            .repository
            .as_ref()
            .map(|repository| format!("{repository}/deployments/{}", percent(name, b"-._~")));
        url.map_or(text.clone(), |url| markdown::link(&text, &url))
    }

    fn below(&self, path: &str, name: &str) -> Option<String> {
        self.repository.as_ref().map(|repository| format!("{repository}/{path}/{}", percent(name, b"-._~/")))
    }
}

/// A link to an image, if its registry has a page for it.
pub(super) fn image(text: &str, repository: &Repository, digest: &Digest) -> String {
    let text = markdown::code(text);
    let whole = repository.to_string();
    let page = whole.split_once('/').and_then(|(host, name)| {
        let (end, between) = PAGES.into_iter().find(|(end, _)| host.ends_with(end))?;
        let digest = if end == GOOGLE { format!("@{digest}") } else { String::new() };
        Some(format!("https://{host}/{between}{name}{digest}"))
    });
    page.map_or(text.clone(), |url| markdown::link(&text, &url))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn pages_are_linked_where_there_are_any() {
        let env: Env = [
            ("GITHUB_SERVER_URL", "https://ghe.example/"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "41"),
            ("GITHUB_RUN_ATTEMPT", "3"),
        ]
        .into_iter()
        .collect();
        let links = RunLinks::of(&env);
        assert_eq!(
            links.run("the run").unwrap(),
            "[the run](https://ghe.example/acme/shop/actions/runs/41/attempts/3)"
        );
        assert_eq!(
            links.tag("team/api-v1#2"),
            "[`team/api-v1#2`](https://ghe.example/acme/shop/releases/tag/team/api-v1%232)"
        );
        assert_eq!(
            links.environment("a/b (c)"),
            "[`a/b (c)`](https://ghe.example/acme/shop/deployments/a%2Fb%20%28c%29)"
        );
        assert_eq!(RunLinks::default().commit("0123456789abcdef"), "`0123456789ab`");
        assert_eq!(RunLinks::default().run("the run"), None);
    }

    #[test]
    fn images_of_known_registries_have_a_page() {
        let digest = Digest::of("image");
        for (repository, page) in [
            (
                "europe-west2-docker.pkg.dev/acme/tenant/shop/test/web",
                Some(format!("https://europe-west2-docker.pkg.dev/acme/tenant/shop/test/web@{digest}")),
            ),
            ("ghcr.io/acme/shop", Some("https://ghcr.io/acme/shop".to_owned())),
            ("quay.io/acme/shop", Some("https://quay.io/repository/acme/shop".to_owned())),
            ("localhost:5000/acme/shop", None),
        ] {
            let link = image("web", &repository.parse().unwrap(), &digest);
            assert_eq!(link, page.map_or("`web`".to_owned(), |page| format!("[`web`]({page})")));
        }
    }
}
