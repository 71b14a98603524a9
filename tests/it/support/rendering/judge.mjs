// Reads Markdown from standard input and prints as JSON what GitHub's dialect makes of it: the elements with their
// attributes, the visible text, the tables as rows of cells, and what Mermaid's own parser says of each diagram.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(process.env.P2P_TEST_MODULES + '/');
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { micromark } = await load('micromark');
const { gfm, gfmHtml } = await load('micromark-extension-gfm');
const { JSDOM } = require('jsdom');

const html = micromark(readFileSync(0, 'utf8'), {
  allowDangerousHtml: true,
  extensions: [gfm()],
  htmlExtensions: [gfmHtml()],
});
const dom = new JSDOM(html, { url: 'https://github.example/' });
globalThis.window = dom.window;
globalThis.document = dom.window.document;

const body = dom.window.document.body;
const elements = [...body.querySelectorAll('*')].map((element) => [
  element.localName,
  Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value])),
]);
const tables = [...body.querySelectorAll('table')].map((table) =>
  [...table.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent.trim())),
);
const code = [...body.querySelectorAll('code')];
const sources = code
  .filter((block) => block.classList.contains('language-mermaid'))
  .map((block) => block.textContent);
const diagrams = [];
if (sources.length) {
  const mermaid = (await load('mermaid')).default;
  for (const source of sources) {
    try {
      diagrams.push((await mermaid.parse(source)).diagramType);
    } catch (error) {
      diagrams.push(`refused: ${error.message}`);
    }
  }
}
// What GitHub looks for mentions and references in: text outside of code.
code.forEach((block) => block.remove());
const walker = dom.window.document.createTreeWalker(body, dom.window.NodeFilter.SHOW_TEXT);
const prose = [];
while (walker.nextNode()) prose.push(walker.currentNode.data);
console.log(JSON.stringify({ diagrams, elements, prose, tables }));
