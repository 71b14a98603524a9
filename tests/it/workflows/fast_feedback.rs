//! `version`, then `fastfeedback`: what nearly every tenant has.

use super::{MAKEFILE, Scene};

/// As the documents of coreeng/p2p have it, with the new name.
const TWO_JOBS: &str = r"
  version:
    uses: coreeng/p2p-action/.github/workflows/p2p-version.yaml@v1
    secrets:
      git-token: ${{ secrets.GITHUB_TOKEN }}

  fastfeedback:
    needs: [version]
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with:
      version: ${{ needs.version.outputs.version }}
";

#[test]
fn a_push_to_main_is_tagged_tested_and_promoted() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let ended = scene.push(TWO_JOBS);
    eprintln!("{}", ended.run.log());
    eprintln!("{:#?}", ended.jobs());
    eprintln!("{:#?}", ended.targets());
    ended.run.passed();
    assert_eq!(scene.bare.tags()["v1.2.4"], scene.head);
    let digest = scene.digest("dev/fast-feedback/web:1.2.4");
    assert_eq!(scene.digest("test/extended-test/web:1.2.4"), digest);
    panic!();
}
