// Opens a page in Chromium and does what standard input says, a list of steps. Prints what came of each, all requests, and
// all errors of the page. Usage: node drive.mjs PAGE <STEPS
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [page] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(0, 'utf8'));
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const browser = spawn(process.env.P2P_TEST_CHROMIUM, [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
  `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });

const waiting = new Map(), requests = [], problems = [];
let last = 0, session, rest = '';
browser.stdio[4].setEncoding('utf8').on('data', text => {
  const messages = (rest + text).split('\0');
  rest = messages.pop();
  for (const message of messages.map(message => JSON.parse(message))) {
    const { id, method, params, result, error } = message;
    if (id) {
      const { done, fail } = waiting.get(id);
      error ? fail(new Error(JSON.stringify(error))) : done(result);
    }
    if (method === 'Network.requestWillBeSent') requests.push(params.request.url);
    if (method === 'Runtime.exceptionThrown') problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Log.entryAdded') problems.push(params.entry.text);
    waiting.get(method)?.done(params);
  }
});
const send = (method, params = {}) => new Promise((done, fail) => {
  waiting.set(++last, { done, fail });
  browser.stdio[3].write(JSON.stringify({ id: last, method, params, ...(session && { sessionId: session }) }) + '\0');
});
const event = name => new Promise((done, fail) => waiting.set(name, { done, fail }));
const evaluate = async expression => {
  const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
  return answer.result.value;
};
const UNTIL = `globalThis.until = fact => new Promise(done => {
  const look = () => { const value = fact(); value ? done(value) : requestAnimationFrame(look); };
  look();
});`;
const actions = {
  eval: evaluate,
  // A key, with its text if it types one.
  key: async name => {
    const [shift, key] = name.startsWith('Shift+') ? [8, name.slice(6)] : [0, name];
    const codes = { Enter: 13, Tab: 9, PageDown: 34, End: 35, ArrowDown: 40, ' ': 32 };
    const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
    const common = { key, modifiers: shift, windowsVirtualKeyCode: codes[key] ?? key.toUpperCase().charCodeAt(0) };
    await send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...common, text });
    await send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  },
  type: text => send('Input.insertText', { text }).then(() => null),
  size: ([width, height]) => send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 }).then(() => null),
  theme: value => send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] }).then(() => null),
  shot: async file => {
    const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true });
    writeFileSync(file, Buffer.from(data, 'base64'));
  },
  // What axe-core finds. It runs as a debugger does: the policy of the page would refuse it.
  axe: async () => {
    await evaluate(readFileSync(join(process.env.P2P_TEST_MODULES, 'node_modules/axe-core/axe.min.js'), 'utf8') + ';0');
    return evaluate(`axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(one =>
      one.id + ': ' + one.nodes.map(node => node.html.slice(0, 200) + ' ' + node.failureSummary).slice(0, 3).join(' | ')))`);
  },
};

try {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  ({ sessionId: session } = await send('Target.attachToTarget', { targetId, flatten: true }));
  await Promise.all(['Network', 'Runtime', 'Log', 'Page'].map(domain => send(domain + '.enable')));
  const loaded = event('Page.loadEventFired');
  await send('Page.navigate', { url: pathToFileURL(resolve(page)).href });
  await loaded;
  await evaluate(UNTIL);
  const results = [];
  for (const step of steps) {
    const [[action, value]] = Object.entries(step);
    results.push(await actions[action](value) ?? null);
  }
  process.stdout.write(JSON.stringify({ results, requests, problems }));
} finally {
  const gone = new Promise(done => browser.once('exit', done));
  process.kill(-browser.pid, 'SIGKILL');
  await gone;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
