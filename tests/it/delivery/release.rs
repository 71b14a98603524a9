//! The release workflow.

use super::root;

fn workflow() -> String {
    std::fs::read_to_string(root().join(".github/workflows/release.yaml")).unwrap()
}

#[test]
fn nothing_is_public_before_all_is_built_and_tested() {
    let text = workflow();
    let places: Vec<usize> = [
        "\npermissions: {}\n",
        "\n  version:\n",
        "\n  build:\n",
        "\n  self-test:\n",
        "\n  publish:\n",
        "scripts/release/prepare",
        "actions/attest-build-provenance@",
        "create-github-app-token@",
        "INPUT_FLOATING_TAGS: major,minor",
        "p2p-linux-x64 release",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("{part} is missing")))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(text.contains("needs: [version, build, self-test]"));
    assert_eq!(text.matches(": write").count(), 4, "who may write what is to be looked at");
}
