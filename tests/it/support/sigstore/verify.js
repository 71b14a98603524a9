// A verifier that is not ours: `node verify.js TRUSTED_ROOT BUNDLE...` prints a line for each bundle, which is `ok`, or why
// the bundle does not verify. A root that ends in `.pem` is a public key.
const crypto = require('crypto');
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const [root, ...bundles] = process.argv.slice(2);
const pem = root.endsWith('.pem') && fs.readFileSync(root, 'utf8');
const material = pem ? TrustedRoot.fromJSON({}) : TrustedRoot.fromJSON(read(root));
const key = () => ({ publicKey: crypto.createPublicKey(pem), validFor: () => true });
const logs = material.tlogs.length > 0;
const verifier = new Verifier(toTrustMaterial(material, pem ? key : undefined), {
  tlogThreshold: logs ? 1 : 0, ctlogThreshold: logs ? 1 : 0, timestampThreshold: pem ? 0 : 1,
});
for (const file of bundles) {
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(read(file))));
    console.log('ok');
  } catch (error) {
    console.log(error.message.replaceAll('\n', ' ') || error.name);
  }
}
