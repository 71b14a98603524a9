// Fulcio, Rekor, a CT log and a timestamp authority on one loopback port, built on @sigstore/mock. Nothing here is
// secure. `node server.js DIRECTORY` writes DIRECTORY/trusted_root.json and prints the address.
//
// The first part of a path chooses what is wrong with the answer:
//   /expired, /early        the certificate was, or will be, valid on another day
//   /no-sct, /other-ct      the certificate has no SCT, or one of a log that is not trusted
//   /other-ca, /other-log   the certificate, or the entry, is signed by a key that is not trusted
//   /other-key, /other-entry  the certificate is for another key, or the entry is of another envelope
//   /fault-KIND-COUNT-NAME  the first COUNT requests meet a fault (NAME `signing`: not GET): reset, stall, 429, 503 or half (a cut answer)
const http = require('http'), crypto = require('crypto'), fs = require('fs'), path = require('path');
const mock = require('@sigstore/mock');

const directory = process.argv[2] || '.';
const start = '2020-01-01T00:00:00Z';
const day = 24 * 60 * 60 * 1000;
const key = (curve = 'P-256') => crypto.generateKeyPairSync('ec', { namedCurve: curve });
const sha256 = (data) => crypto.createHash('sha256').update(data).digest();
const bytes = (x) => Buffer.from(x.buffer ? x.buffer.slice(x.byteOffset || 0, (x.byteOffset || 0) + x.byteLength) : x);
const base64 = (x) => bytes(x).toString('base64');

// A real Rekor answers hashes and signatures of the envelope; the mock would echo the request.
function entryOfEnvelope(body) {
  const request = JSON.parse(body);
  if (request.kind !== 'dsse') return body;
  const content = request.spec.proposedContent, envelope = JSON.parse(content.envelope);
  const hash = (data) => ({ algorithm: 'sha256', value: sha256(data).toString('hex') });
  request.spec = {
    envelopeHash: hash(content.envelope),
    payloadHash: hash(Buffer.from(envelope.payload, 'base64')),
    signatures: [{ signature: envelope.signatures[0].sig, verifier: content.verifiers[0] }],
  };
  return JSON.stringify(request);
}

// Fulcio names a GitHub job by the workflow that ran it, not by the token's subject. The real one refuses a token
// that is not for it.
function namedByWorkflow(body) {
  const request = JSON.parse(body), [head, payload, signature] = request.credentials.oidcIdentityToken.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  if (claims.aud !== 'sigstore') throw new Error(`the audience is ${claims.aud}, not sigstore`);
  if (claims.job_workflow_ref) claims.sub = `https://github.com/${claims.job_workflow_ref}`;
  request.credentials.oidcIdentityToken = [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
  return JSON.stringify(request);
}

function withAnotherKey(body) {
  const request = JSON.parse(body);
  request.publicKeyRequest.publicKey.content = key().publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return JSON.stringify(request);
}

// The mock reads JSON, and a real timestamp authority a TimeStampReq in DER (RFC 3161): the SHA-256 hash is behind
// the OCTET STRING's head, and certReq is the last value.
function timestampRequest(body) {
  const at = body.indexOf(Buffer.from([0x04, 0x20])) + 2;
  const certificates = body[body.length - 1] === 0xff;
  return JSON.stringify({ artifactHash: body.subarray(at, at + 32).toString('base64'), hashAlgorithm: 'sha256', certificates });
}

async function main(url) {
  const now = Date.now();
  const [ctlog, otherCtlog] = [await mock.initializeCTLog(key()), await mock.initializeCTLog(key())];
  const caKey = key('P-384');
  const ca = await mock.initializeCA(caKey, ctlog);
  const [tlog, otherTlog] = [await mock.initializeTLog(url, key()), await mock.initializeTLog(url, key())];
  const tsa = await mock.initializeTSA(key('P-384'));
  // Real authorities give whole seconds, and DER readers expect them.
  tsa.getCurrentTime = () => new Date(Math.floor(Date.now() / 1000) * 1000);
  // The same authority, whose clock or log differs.
  const authority = async (log, clock) => {
    const other = await mock.initializeCA(caKey, log, clock);
    other.root = ca.root;
    return other;
  };
  const certificates = {
    '': ca,
    expired: await authority(ctlog, new Date(now - day)),
    early: await authority(ctlog, new Date(now + day)),
    'no-sct': await authority(undefined),
    'other-ct': await authority(otherCtlog),
    'other-ca': await mock.initializeCA(key('P-384'), ctlog),
  };
  const logKey = (log, keyId) => ({
    baseUrl: url, hashAlgorithm: 'SHA2_256', logId: { keyId },
    publicKey: { rawBytes: base64(log.publicKey), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor: { start } },
  });
  const issuer = (...certificates) => ({
    subject: { organization: 'loopback', commonName: 'loopback' }, uri: url,
    certChain: { certificates: certificates.map((der) => ({ rawBytes: base64(der) })) }, validFor: { start },
  });
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [logKey(tlog, sha256(tlog.publicKey).toString('base64'))],
    certificateAuthorities: [issuer(ca.rootCertificate)],
    ctlogs: [logKey(ctlog, base64(ctlog.logID))],
    timestampAuthorities: [issuer(tsa.intCertificate, tsa.rootCertificate)],
  };
  const write = (name, value) => fs.writeFileSync(path.join(directory, name), JSON.stringify(value));
  write('trusted_root.json', root);
  // An instance like GitHub's own has no logs.
  write('trusted_root_without_logs.json', { ...root, tlogs: [], ctlogs: [] });

  async function answer(variant, rest, body) {
    const rekor = mock.rekorHandler(variant === 'other-log' ? otherTlog : tlog);
    const fulcio = mock.fulcioHandler(certificates[variant] || ca);
    const handler = [fulcio, rekor, mock.tsaHandler(tsa)].find((handler) => handler.path === rest);
    if (!handler) return { statusCode: 404, response: 'not found' };
    if (handler.path === rekor.path) body = entryOfEnvelope(body);
    if (handler.path === fulcio.path) body = namedByWorkflow(body);
    if (variant === 'other-entry' && handler.path === rekor.path) body = body.replace(/"payloadHash":\{[^}]*\}/, `"payloadHash":{"algorithm":"sha256","value":"${'0'.repeat(64)}"}`);
    if (variant === 'other-key' && handler.path === fulcio.path) body = withAnotherKey(body);
    const made = await handler.fn(body);
    // Fulcio without a certificate log has another name for its answer.
    if (variant === 'no-sct' && handler.path === fulcio.path) {
      made.response = made.response.toString().replace('signedCertificateEmbeddedSct', 'signedCertificateDetachedSct');
    }
    return made;
  }
  return answer;
}

const faults = new Map();
// Whether this request meets a fault, and which.
function fault(first) {
  const [, kind, count] = /^fault-([a-z0-9]+)-(\d+)/.exec(first) || [];
  if (!kind) return undefined;
  const left = faults.has(first) ? faults.get(first) : Number(count);
  faults.set(first, left - 1);
  return left > 0 ? kind : undefined;
}

// GitHub's token endpoint: the path holds the claims, and the query the audience.
function idToken(claims, query) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const audience = new URLSearchParams(query).get('audience');
  const all = { ...JSON.parse(Buffer.from(claims, 'base64url')), aud: audience };
  return JSON.stringify({ value: `${part({ alg: 'RS256' })}.${part(all)}.c2lnbmVk` });
}

let serve;
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const [, first, ...more] = request.url.split('/');
    const plain = first === 'api';
    const rest = plain ? request.url : `/${more.join('/')}`;
    fs.appendFileSync(path.join(directory, 'requests.txt'), `${request.method} ${request.url}\n`);
    // `signing` spares what a preflight asks.
    const spared = first.endsWith('-signing') && request.method === 'GET';
    const kind = spared ? undefined : fault(first);
    if (kind === 'reset') return request.socket.destroy();
    if (kind === 'stall') return undefined;
    if (/^\d+$/.test(kind || '')) { response.statusCode = Number(kind); return response.end('try later'); }
    if (first === 'oidc') {
      const [claims, query] = more.join('/').split('?');
      response.setHeader('Content-Type', 'application/json');
      return response.end(idToken(claims, query));
    }
    let answer;
    const body = Buffer.concat(chunks);
    try {
      answer = await serve(plain ? '' : first, rest, rest.includes('timestamp') ? timestampRequest(body) : body.toString());
    } catch (error) {
      answer = { statusCode: 400, response: String(error) };
    }
    response.statusCode = answer.statusCode;
    response.setHeader('Content-Type', answer.contentType || 'text/plain');
    const text = typeof answer.response === 'string' ? Buffer.from(answer.response) : bytes(answer.response);
    if (kind !== 'half') return response.end(text);
    response.setHeader('Content-Length', text.length);
    response.write(text.subarray(0, text.length / 2), () => request.socket.destroy());
  });
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  serve = await main(url);
  console.log(url);
});
