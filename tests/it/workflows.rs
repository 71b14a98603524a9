//! The reusable workflows as tenants call them, by their real `uses:` lines: run by act against a real
//! registry and a loopback GitHub over a real bare repository.

mod documents;
mod fast_feedback;
mod interface;
mod later;
mod monorepo;
mod received;
mod scans;
mod scene;

use documents::pasted;
use scene::{MAKEFILE, Scene, matrix};

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
