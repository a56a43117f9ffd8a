import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, clock, count, duration, fps, ms, percent, rate, shellWord, streamPath, visible } from '../src/text.js';

test('numbers have units and three digits at most', () => {
  assert.deepEqual([0, 850.4, 999.6, 2616, 12_345, 250_000, 999_600, 1.25e6].map(rate), ['0 kbit/s', '850 kbit/s', '1.00 Mbit/s', '2.62 Mbit/s', '12.3 Mbit/s', '250 Mbit/s', '1.00 Gbit/s', '1.25 Gbit/s']);
  assert.deepEqual([0, 999, 1000, 36_876_288, 2.5e9].map(bytes), ['0 B', '999 B', '1.00 kB', '36.9 MB', '2.50 GB']);
  assert.deepEqual([0, 0.002, 3.854, 9.96, 55, 999.4, 1_133, 61_000].map(ms), ['0.0 ms', '< 0.1 ms', '3.9 ms', '10 ms', '55 ms', '999 ms', '1.13 s', '61.0 s']);
  assert.deepEqual([0, 0.003, 0.0996, 0.5, 1].map(percent), ['0.0 %', '0.3 %', '10 %', '50 %', '100 %']);
  assert.deepEqual([29.97, 30, 5.5].map(fps), ['30 fps', '30 fps', '5.5 fps']);
  assert.deepEqual([12, 1234567].map(count), ['12', '1\u202f234\u202f567']);
  assert.deepEqual([5, 65, 3_700, 200_000].map(duration), ['5 s', '1 min 05 s', '1 h 01 min', '2 d 07 h']);
});

test('what is not known is a dash, not NaN', () => {
  for (const f of [rate, bytes, ms, percent, count, fps, duration]) for (const n of [undefined, null, NaN, Infinity]) assert.equal(f(n), '–');
  assert.equal(clock('nonsense'), '–');
});

test('invisible and direction-turning characters become visible, all other text stays', () => {
  assert.equal(visible('live/\u202Egnp.exe'), 'live/⟨U+202E⟩gnp.exe');
  assert.equal(visible('a\u0000b\nc\u200b'), 'a⟨U+0000⟩b⟨U+000A⟩c⟨U+200B⟩');
  for (const same of ['<img src=x onerror=alert(1)>', '../../x', '%00', 'שידור/חי', 'پخش\u200cزنده', '😀', 'é'.repeat(128)]) assert.equal(visible(same), same);
  assert.equal(visible(undefined), '');
});

test('a stream’s path never leaves its place', () => {
  assert.equal(streamPath('live/a'), '/live/a');
  assert.equal(streamPath('live/<img src=x onerror=alert(1)>'), '/live/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E');
  assert.equal(streamPath('live/%00?x#y'), '/live/%2500%3Fx%23y');
  const url = new URL('http://127.0.0.1:8080' + streamPath('//evil.example/x') + '.flv');
  assert.equal(url.host, '127.0.0.1:8080');
});

test('one word for a shell', () => {
  assert.equal(shellWord("rtmp://h/live/it's $(here)"), `'rtmp://h/live/it'\\''s $(here)'`);
});
