"""A second verifier that is not ours: `python3 verify.py TRUSTED_ROOT BUNDLE...` prints a line for each bundle, which is
`ok`, or why the bundle does not verify as a statement of the workflow of acme/shop on main."""
import json
import logging
import sys

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier, policy

logging.disable()
root, *bundles = sys.argv[1:]
with open(root) as file:
    trusted = json.load(file)
# A trust config is a trusted root beside the services that sign, which a verifier does not ask.
config = {
    "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
    "trustedRoot": trusted,
    "signingConfig": {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [], "oidcUrls": [], "rekorTlogUrls": [], "tsaUrls": [],
        "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"},
    },
}
verifier = Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(config)).trusted_root)
main = policy.AllOf([
    policy.OIDCIssuerV2("https://token.actions.githubusercontent.com"),
    policy.OIDCSourceRepositoryURI("https://github.com/acme/shop"),
    policy.OIDCSourceRepositoryRef("refs/heads/main"),
    policy.OIDCBuildTrigger("push"),
])
for name in bundles:
    try:
        with open(name) as file:
            kind, payload = verifier.verify_dsse(Bundle.from_json(file.read()), main)
        if kind != "application/vnd.in-toto+json":
            raise ValueError(f"the payload is {kind}")
        json.loads(payload)
        print("ok")
    except Exception as error:  # Each verifier has its own kinds of errors.
        print(str(error).replace("\n", " ") or type(error).__name__)
