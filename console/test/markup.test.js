// Peer text is text. The browser is told so too (require-trusted-types-for in the policy); these rules say it before it gets that far.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { attribute, el } from '../src/dom.js';

const source = fileURLToPath(new URL('../src/', import.meta.url));

test('no source takes markup or runs text', () => {
  const files = readdirSync(source, { recursive: true }).map(String).concat(readdirSync(source + 'pages').map((f) => `pages/${f}`)).filter((f) => f.endsWith('.js'));
  assert.ok(files.length > 15);
  for (const file of files) {
    const text = readFileSync(source + file, 'utf8');
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|setAttribute\(\s*['"](style|on)/, file);
  }
});

test('the page has no inline script or style', () => {
  const html = readFileSync(source + 'index.html', 'utf8');
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
});

class FakeNode {
  attributes = {};
  children = [];
  set innerHTML(_) { throw new Error('markup'); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener() {}
  append(...all) { this.children.push(...all); }
}

test('names become text, whatever they are', () => {
  globalThis.document = { createElement: () => new FakeNode() };
  for (const name of ['<img src=x onerror=alert(1)>', '../../x', '%00', '\u202Eabc', 'é'.repeat(128)]) {
    const node = el('p', { text: name }, name);
    assert.equal(node.textContent, name);
    assert.deepEqual(node.children, [name], 'as a string, which the DOM takes as text');
  }
  delete globalThis.document;
});

test('attributes that could run something are refused', () => {
  const node = new FakeNode();
  for (const [name, value] of [['onclick', 'x'], ['style', 'x'], ['srcdoc', 'x'], ['href', 'javascript:alert(1)'], ['href', '//evil.example/'], ['src', 'data:text/html,x'], ['HREF', ' javascript:x']]) {
    assert.throws(() => attribute(node, name, value), undefined, `${name}=${value}`);
  }
  for (const value of ['#/stream/a', '/', '/live/a.flv', 'https://h/']) attribute(node, 'href', value);
});
