import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addresses, badName, matches, ports } from '../src/addresses.js';
import { obstacle } from '../src/codecs.js';
import { hops, worstViewer } from '../src/delay.js';
import { describe } from '../src/group.js';
import { health } from '../src/health.js';
import { parse, publishLink, streamLink } from '../src/router.js';
import { merge, niceTop, wanted } from '../src/series.js';
import { levelOfReason } from '../src/pages/events.js';

const second = (at, more = {}) => ({ at, kbps: 2000, fps: 30, backlog_ms: 20, rtt_ms: 10, loss_per_cent: 0, viewers: 1, viewer_delay_ms: 5, queue_ms: 0, ...more });
const stream = (more = {}) => ({ name: 'live/a', published: true, viewers: 1, malformed: 0, video_codec: 'H.264', audio_codec: 'AAC', now: second(100), ...more });

const hostile = ['<img src=x onerror=alert(1)>', '../../x', '%00', 'a%2Fb', 'live/שידור', 'x\u202Ey', 'é'.repeat(128), 'live/a?b#c&d=e', '#/publish', ' '];

test('every name survives its link and comes back as it was', () => {
  for (const name of hostile) {
    assert.deepEqual(parse(new URL(streamLink(name), 'http://h/').hash), { page: 'stream', name });
    if (name.trim()) assert.deepEqual(parse(new URL(publishLink(name), 'http://h/').hash), { page: 'publish', name });
  }
});

test('addresses that are none', () => {
  assert.deepEqual(['', '#', '#/', '/'].map(parse), Array(4).fill({ page: 'overview' }));
  for (const text of ['#/stream/', '#/nonsense', '#/stream/%', '#/stream/%ff']) assert.deepEqual(parse(text), { page: 'missing' });
});

test('health says the worst and all of it', () => {
  assert.equal(health(stream()).level, 'good');
  const h = health(stream({ now: second(100, { backlog_ms: 800, viewer_delay_ms: 5000 }) }));
  assert.deepEqual([h.level, h.causes.length, h.causes[0].level], ['bad', 2, 'bad']);
  assert.match(h.causes[0].text, /slowest viewer/);
  assert.equal(health(stream({ published: false, viewers: 0 })).word, 'Ended');
  assert.equal(health(stream({ published: false, viewers: 2 })).word, 'Waiting');
  const silent = stream({ since: new Date(0).toISOString(), now: second(100, { fps: 0, kbps: 0 }) });
  assert.equal(health(silent).level, 'bad');
  assert.equal(health({ ...silent, since: new Date(99_000).toISOString() }).level, 'good', 'a stream that has only begun');
});

test('delay per hop adds up and names the worst viewer', () => {
  const viewer = (id, delay_ms, queued_age_ms, rtt_ms, shard = 0) => ({ id, shard, protocol: 'rtmp', queued_age_ms, transport: { rtt_ms, remote: 'x' }, plays: [{ stream: 'live/other', delay_ms: 9999 }, { stream: 'live/a', delay_ms }] });
  const one = stream({ publisher: { transport: { rtt_ms: 40 } }, viewer_connections: [viewer(1, 10, 0, 10), viewer(2, 30, 200, 80, 1), viewer(3, 100, 0, 2)] });
  assert.equal(worstViewer(one).id, 2);
  const server = { shards: [{ index: 0, gather_window_ms: 3 }, { index: 1, gather_window_ms: 8 }, { index: 2, gather_window_ms: 50 }] };
  const { hops: all, total } = hops(one, server);
  assert.deepEqual(all.map((h) => h.ms), [40, 30, 240]);
  assert.equal(all[1].gather, 8, 'only shards with viewers of this stream count, and the window is inside of the wait');
  assert.equal(total, 310);
});

test('backlog and the queue that a publisher tells of are one wait', () => {
  const hop = (publisher, backlog_ms) => hops(stream({ publisher, now: second(100, { backlog_ms }) })).hops[0].ms;
  assert.equal(hop({ publisher_queue_ms: 300, transport: { rtt_ms: 40 } }, 20), 320, 'a queue that stands is no backlog any more');
  assert.equal(hop({ publisher_queue_ms: 10, transport: { rtt_ms: 40 } }, 90), 110);
  assert.equal(hop({ publisher_queue_ms: 10, transport: {} }, 0), 10);
});

test('what is not known is not nought', () => {
  const { hops: all, total } = hops(stream({ published: false, viewer_connections: [] }));
  assert.deepEqual(all.map((h) => h.ms), [undefined, undefined, undefined]);
  assert.equal(total, undefined);
});

test('a group of pictures', () => {
  const frames = [{ kind: 'video', config: true, dts_ms: 0, bytes: 40 }, { kind: 'video', key: true, dts_ms: 0, bytes: 9000 }, { kind: 'audio', dts_ms: 10, bytes: 300 },
    { kind: 'video', dts_ms: 40, bytes: 500, disposable: true }, { kind: 'video', dts_ms: 80, bytes: 500 }];
  const d = describe(frames);
  assert.deepEqual([d.pictures, d.span_ms, d.key_share, d.other_bytes, d.disposable, d.gap_max_ms], [3, 120, 0.9, 500, 1, 40]);
  assert.equal(describe([]), undefined);
  assert.equal(describe([{ kind: 'audio', dts_ms: 0, bytes: 1 }]), undefined);
});

test('history overlaps and is bounded', () => {
  let all = merge([], Array.from({ length: 600 }, (_, i) => second(i)));
  all = merge(all, [second(598, { kbps: 1 }), second(599), second(600)]);
  assert.equal(all.length, 600);
  assert.deepEqual([all[0].at, all.at(-1).at, all.at(-3).kbps], [1, 600, 1]);
  assert.equal(new Set(all.map((s) => s.at)).size, 600);
  assert.equal(wanted([], 5), 600);
  assert.equal(wanted(all, 601.4), 4);
  assert.equal(wanted(all, 99_999), 600, 'after a night with the page hidden');
  assert.deepEqual(merge(all, []), all);
});

test('axes end at round numbers', () => {
  assert.deepEqual([0, 0.3, 7, 30, 31, 2616].map(niceTop), [1, 0.3, 8, 30, 40, 3000]);
});

test('a key is part of what publishers type, and of nothing that players do', () => {
  const listen = ['rtmp://[::]:1935', 'rtmpq://[::]:1935'];
  const all = addresses({ name: 'live/studio', host: 'h', listen, pin: 'ab', key: '0123', origin: 'http://h' });
  assert.deepEqual(all.publish[0].rows, [['Server', 'rtmp://h/live'], ['Stream key', 'studio?key=0123']]);
  assert.match(all.publish[1].rows[0][1], /'rtmp:\/\/h\/live\/studio\?key=0123'/);
  assert.equal(all.publish[2].rows[0][1], "millrace push INPUT 'rtmpq://h/live/studio?pin=ab&key=0123'");
  assert.equal(all.publish[3].rows[2][1], 'studio?key=0123');
  assert.ok(!JSON.stringify(all.play).includes('0123'));
});

test('patterns of keys are those of the server', () => {
  for (const [pattern, name, covers] of [['live/*', 'live/a/b', true], ['*', '', true], ['a*c*e', 'abcde', true], ['live/*', 'Live/a', false], ['a', 'ab', false], ['live/a.b', 'live/axb', false],
    ['live/(a)', 'live/(a)', true], ['live/a\\', 'live/a\\', true], ['live/*', 'live/\n', true]]) assert.equal(matches(pattern, name), covers, `${pattern} ${name}`);
});

test('addresses for programs', () => {
  const listen = ['rtmp://[::]:1935', 'rtmps://[::]:1935', 'rtmpq://[::]:1935', 'http://127.0.0.1:8080'];
  assert.deepEqual(ports(['rtmp://127.0.0.1:1936']).rtmp, { port: 1936, loopback: true });
  assert.equal(ports(listen).rtmp.loopback, false);
  const all = addresses({ name: 'live/studio', host: 'h.example', listen, pin: 'ab', origin: 'http://h.example:8080' });
  assert.deepEqual(all.publish[0].rows, [['Server', 'rtmp://h.example/live'], ['Stream key', 'studio']]);
  assert.equal(all.publish[2].rows[0][1], "millrace push INPUT 'rtmpq://h.example/live/studio?pin=ab'");
  assert.deepEqual(all.play.map((p) => p[1]), ['rtmp://h.example/live/studio', 'rtmps://h.example:1935/live/studio', 'rtmpq://h.example/live/studio?pin=ab',
    'http://h.example:8080/live/studio.flv', 'http://h.example:8080/live/studio.m3u8']);
  assert.equal(addresses({ name: 'a/b/c', host: 'h', listen, origin: '' }).publish[0].rows[0][1], 'rtmp://h/a/b');
});

test('names that the server refuses are refused here', () => {
  for (const bad of ['', '/live/a', 'live', 'live/', 'live/../x', 'live//x', 'live/\u0007']) assert.ok(badName(bad) && !badName(bad).startsWith('It may'), bad);
  for (const odd of ['live/a b', 'live/100%', "live/it's"]) assert.match(badName(odd), /^It may be so/);
  assert.equal(badName('live/studio-1_x.y'), undefined);
});

test('a codec that the browser lacks is named', () => {
  const source = { isTypeSupported: (type) => type.includes('avc1') || type.includes('mp4a') };
  assert.equal(obstacle(stream(), source), undefined);
  assert.match(obstacle(stream({ video_codec: 'HEVC' }), source), /does not decode HEVC/);
  assert.match(obstacle(stream({ video_codec: 'VVC' }), source), /Browsers do not play VVC/);
  assert.match(obstacle(stream(), undefined), /Media Source/);
});

test('every reason has a level', () => {
  assert.deepEqual(['publisher_lost', 'viewer_too_slow', 'play_began', 'one of a later version'].map(levelOfReason), ['bad', 'warn', 'good', 'good']);
});
