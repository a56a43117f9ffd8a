// The publisher's connection and the viewers', with what their transports say, and a button to close one.
import { api } from '../api.js';
import { confirm } from '../confirm.js';
import { wholeDelay } from '../delay.js';
import { el, keyed, mark, say, show } from '../dom.js';
import { levelOf } from '../health.js';
import { bytes, clock, count, ms, percent, plural, rate, visible } from '../text.js';

const shown_max = 100;
const own_wish = new Set(['paused', 'catching_up']); // reasons for a frame not sent that are no loss to the viewer

function transportText(t, c) {
  return [
    t.kind.toUpperCase(), c.fell_back, c.framing, t.tls, t.alpn && `ALPN ${t.alpn}`, t.congestion_control,
    t.congestion_window_bytes !== undefined && `window ${bytes(t.congestion_window_bytes)}`,
    t.rtt_min_ms !== undefined && `least RTT ${ms(t.rtt_min_ms)}`,
    t.repeats_sent > 0 && `${count(t.repeats_sent)} sent twice, ${count(t.repeats_useful)} of them useful`,
    t.path_changes > 0 && plural(t.path_changes, 'change of address', 'changes of address'),
  ].filter(Boolean).map(visible).join(', ');
}

/** Viewers of HLS have no connection of their own, so no number. */
const keyOf = (c) => c.id || `${c.transport.remote.replace(/:\d+$/, '')} ${c.agent ?? ''}`;

const lossOf = (t) => (t.packets_sent > 0 && t.packets_lost !== undefined ? t.packets_lost / t.packets_sent : undefined);

/** Bytes a second out of counters that are looked at again and again. */
class Rates {
  #last = new Map();
  of(id, n) {
    const at = performance.now();
    const before = this.#last.get(id);
    if (before && at - before.at < 800) return before.kbps;
    const kbps = before ? ((n - before.n) * 8) / (at - before.at) : undefined;
    this.#last.set(id, { at, n, kbps });
    return kbps;
  }
  keep(ids) {
    for (const id of this.#last.keys()) if (!ids.has(id)) this.#last.delete(id);
  }
}

const columns = {
  publisher: ['Address', 'Protocol', 'Program', 'Since', 'Rate', 'RTT', 'Loss back', 'Transport', ''],
  viewer: ['Address', 'Protocol', 'Program', 'Since', 'Rate', 'Delay', 'Queue', 'RTT', 'Loss', 'Frames', 'Transport', ''],
};

function table(kind, label, rowOf) {
  const body = el('tbody', {});
  const node = el('div', { class: 'table', role: 'region', 'aria-label': label, tabindex: 0 },
    el('table', {}, el('thead', {}, el('tr', {}, ...columns[kind].map((c) => el('th', { scope: 'col', text: c })))), body));
  return { node, body, update: (list) => keyed(body, list, keyOf, rowOf) };
}

export function connections(name) {
  const rates = new Rates();
  const dialog = confirm({
    id: 'closing', title: 'Close this connection?', yes: 'Close it', no: 'Leave it open', act: (id) => api.close(id),
    note: 'The peer may come back at once: this refuses nobody. To keep somebody out, change [publish] or [play] in the configuration.',
  });

  const row = (kind) => (first) => {
    const cells = columns[kind].map((c) => el('td', { 'data-label': c }));
    const button = el('button', { class: 'small', text: 'Close', 'aria-label': `Close connection ${first.id}`, on: { click: () => dialog.ask(last.id, `#${last.id}, ${visible(last.transport.remote)}, ${kind === 'publisher' ? 'publishes' : 'plays'} over ${last.protocol}.`) } });
    if (first.id) cells.at(-1).append(button);
    for (const place of [0, 2]) cells[place].append(el('bdi', {}));
    let last = first;
    const put = (at, text, level = '') => {
      say(at === 0 || at === 2 ? cells[at].firstChild : cells[at], text);
      mark(cells[at], 'level', level);
    };
    return {
      node: el('tr', {}, ...cells),
      update(c) {
        last = c;
        const t = c.transport;
        put(0, visible(t.remote));
        put(1, c.protocol);
        put(2, c.agent ? visible(c.agent) : '–');
        put(3, clock(c.since));
        cells[2].title = c.agent ? visible(c.agent) : '';
        if (kind === 'publisher') {
          put(4, rate(rates.of(keyOf(c), t.bytes_received)));
          put(5, ms(t.rtt_ms));
          put(6, percent(lossOf(t)));
          put(7, transportText(t, c));
          return;
        }
        const play = c.plays.find((p) => p.stream === name);
        const lost = Object.entries(play?.frames.lost ?? {});
        const slow = lost.filter(([why]) => !own_wish.has(why)).reduce((all, [, n]) => all + n, 0);
        put(4, rate(rates.of(keyOf(c), t.bytes_sent)));
        put(5, ms(play?.delay_ms), levelOf('viewer_delay_ms', play?.delay_ms));
        put(6, ms(c.queued_age_ms), levelOf('queue_ms', c.queued_age_ms));
        put(7, ms(t.rtt_ms));
        put(8, percent(lossOf(t)));
        put(9, count(play?.frames.delivered) + (slow ? `, lost ${count(slow)}` : ''), play?.frames.jumps > 0 ? 'warn' : '');
        cells[9].title = lost.map(([why, n]) => `${why}: ${n}`).concat(play?.frames.jumps ? [`${play.frames.jumps} times too slow`] : []).join(', ');
        put(10, transportText(t, c));
      },
    };
  };

  const publisher = table('publisher', 'Publisher', row('publisher'));
  const viewers = table('viewer', 'Viewers', row('viewer'));
  const nobody = el('p', { class: 'note', text: 'Nobody publishes now. Viewers that stay get the stream again when somebody does.' });
  const alone = el('p', { class: 'note', text: 'Nobody plays it.' });
  const more = el('p', { class: 'note' });
  const head = el('h2', { text: 'Viewers' });
  const node = el('div', { class: 'body' },
    el('section', { class: 'panel', 'aria-label': 'Publisher' }, el('h2', { text: 'Publisher' }), nobody, publisher.node),
    el('section', { class: 'panel', 'aria-label': 'Viewers' }, head, alone, viewers.node, more), dialog.dialog);
  return {
    node,
    close: () => dialog.close(),
    update(stream) {
      const all = stream.viewer_connections ?? [];
      rates.keep(new Set([...all, stream.publisher].filter(Boolean).map(keyOf)));
      publisher.update(stream.publisher ? [stream.publisher] : []);
      show(nobody, !stream.publisher);
      show(publisher.node, Boolean(stream.publisher));
      // Of thousands only the worst are worth a row; the order of few stays as they came.
      const rows = all.length > shown_max ? [...all].sort((a, b) => wholeDelay(b, name) - wholeDelay(a, name)).slice(0, shown_max) : [...all].sort((a, b) => a.id - b.id);
      viewers.update(rows);
      show(alone, all.length === 0);
      show(viewers.node, all.length > 0);
      say(head, all.length ? `Viewers (${count(all.length)})` : 'Viewers');
      show(more, all.length > shown_max);
      say(more, `The ${shown_max} that are furthest behind; ${count(all.length - shown_max)} more are not shown.`);
    },
  };
}
