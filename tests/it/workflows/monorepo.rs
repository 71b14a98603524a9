//! Two apps in one repository, each with a prefix of its own, in one run.

use super::{MAKEFILE, Scene};

/// The jobs of one app, as docs/monorepos.md has them.
fn app(name: &str) -> String {
    format!(
        r"
  {name}-version:
    uses: coreeng/p2p-action/.github/workflows/p2p-version.yaml@v1
    with:
      version-prefix: {name}-v
    secrets:
      git-token: ${{{{ secrets.GITHUB_TOKEN }}}}

  {name}:
    needs: [{name}-version]
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with:
      version: ${{{{ needs.{name}-version.outputs.version }}}}
      app-name: {name}
      working-directory: apps/{name}
      artifacts: 'p2p-nft: [results/*]'
"
    )
}

#[test]
fn two_apps_have_their_own_versions_images_and_artifacts() {
    let scene = Scene::new(&[("apps/api/Makefile", MAKEFILE), ("apps/web/Makefile", MAKEFILE)]);
    let before = scene.bare.tags()["v1.2.3"].clone();
    scene.bare.tag("api-v3.0.9", &before);
    let ended = scene.push(&(app("api") + &app("web")));
    ended.run.passed();
    let tags = scene.bare.tags();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["api-v3.0.10", "api-v3.0.9", "v1.2.3", "web-v0.0.1"]);
    assert_eq!((&tags["api-v3.0.10"], &tags["web-v0.0.1"]), (&scene.head, &scene.head));
    for image in ["api:3.0.10", "web:0.0.1"] {
        let digest = scene.registry.digest(&format!("dev/fast-feedback/{image}"));
        assert_eq!(scene.registry.digest(&format!("test/extended-test/{image}")), digest);
    }
    assert_eq!(ended.targets().len(), 8);
    for app in ["api", "web"] {
        let uploaded = ended.file(&format!("artifacts/p2p-nft-dev-run1-attempt1-{app}"));
        assert!(uploaded.ends_with(&format!("\napps/{app}/results/p2p-nft.txt\n")), "{uploaded:?}");
    }
}
