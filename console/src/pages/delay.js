// How old the media is at each hop, drawn as its way.
import { el, mark, say, show } from '../dom.js';
import { hops } from '../delay.js';
import { ms, visible } from '../text.js';

const says = {
  in: ['Publisher to server', 'How late media gets here.'],
  server: ['In the server', 'How long the worst viewer’s frames stay here.'],
  out: ['Server to viewer', 'What waits for that viewer’s network, and the way to it.'],
  page: ['In this page', 'What the player above has in its buffer. Other players have other buffers.'],
};

function box(id) {
  const value = el('output', { class: 'value' });
  const list = el('dl', { class: 'parts' });
  const extra = el('p', { class: 'note' });
  const node = el('li', { class: `hop ${id}` },
    el('h3', {}, el('span', { class: 'swatch', 'aria-hidden': 'true' }), el('span', { text: says[id][0] }), value), el('p', { class: 'note', text: says[id][1] }), list, extra);
  const rows = new Map();
  return {
    node,
    update(hop) {
      say(value, ms(hop.ms));
      for (const part of hop.parts) {
        let row = rows.get(part.label);
        if (!row) {
          row = el('dd', { class: 'value' });
          rows.set(part.label, row);
          list.append(el('div', {}, el('dt', { text: part.label }), row, el('dd', { class: 'how', text: part.how })));
        }
        say(row, ms(part.ms));
      }
      say(extra, hop.note ?? '');
      show(extra, Boolean(hop.note));
    },
  };
}

export function delayPanel() {
  const total = el('output', { class: 'value total' });
  const bar = el('div', { class: 'delay-bar', role: 'img' });
  const pieces = {};
  for (const id of ['in', 'server', 'out', 'page']) bar.append((pieces[id] = el('i', { class: id })));
  const boxes = { in: box('in'), server: box('server'), out: box('out'), page: box('page') };
  const way = el('ol', { class: 'hops' }, ...Object.values(boxes).map((b) => b.node));
  const node = el('section', { class: 'panel delay', 'aria-label': 'Delay per hop' },
    el('h2', {}, el('span', { text: 'Delay per hop' }), total), bar, way,
    el('p', { class: 'note', text: 'What the encoder holds back before it sends, and what a player holds after it received, cannot be seen from the server.' }));
  return {
    node,
    update(stream, server, buffer) {
      const { hops: all, total: sum } = hops(stream, server);
      for (const hop of all) {
        if (hop.id === 'server') hop.note = hop.gather === undefined ? '' : `Of it, up to ${ms(hop.gather)} of gathering: while a core is busy, frames wait so that many viewers are served in one go.`;
        if (hop.id === 'out') hop.note = hop.worst ? `${visible(hop.worst.transport.remote)} over ${hop.worst.protocol}` : 'No viewer';
        boxes[hop.id].update(hop);
      }
      show(boxes.page.node, buffer !== undefined);
      if (buffer !== undefined) boxes.page.update({ ms: buffer * 1000, parts: [] });
      const known = { in: all[0].ms ?? 0, server: all[1].ms ?? 0, out: all[2].ms ?? 0, page: (buffer ?? 0) * 1000 };
      const whole = Object.values(known).reduce((a, b) => a + b, 0) || 1;
      for (const [id, piece] of Object.entries(pieces)) piece.style.flexGrow = String(Math.round((known[id] / whole) * 1000));
      bar.setAttribute('aria-label', Object.entries(known).map(([id, n]) => `${says[id][0]} ${ms(n)}`).join(', '));
      say(total, sum === undefined ? '–' : `${ms(sum)} to the worst viewer`);
      mark(node, 'level', sum > 3000 ? 'bad' : sum > 1000 ? 'warn' : '');
    },
  };
}
