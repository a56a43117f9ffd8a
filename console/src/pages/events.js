// Why it stopped or stuttered: what happened to the stream, newest first, each with its sentence.
import { el, keyed, say, show } from '../dom.js';
import { clock, visible } from '../text.js';

const grave = new Set(['publish_refused', 'publisher_lost', 'publisher_silent', 'publisher_fault', 'allowance_spent', 'viewer_stuck', 'publisher_missing', 'codec_refused']);
const mild = new Set(['viewer_lost', 'viewer_too_slow', 'viewer_video_wait', 'viewer_overrun', 'play_refused', 'path_changed', 'fell_back', 'kicked', 'shutting_down', 'publish_taken_over', 'publish_resumed']);
export const levelOfReason = (reason) => (grave.has(reason) ? 'bad' : mild.has(reason) ? 'warn' : 'good');

export function events() {
  const list = el('ol', { class: 'events' });
  const only = el('input', { type: 'checkbox', on: { change: () => draw() } });
  const none = el('p', { class: 'note' });
  const node = el('section', { class: 'panel', 'aria-label': 'Events' },
    el('div', { class: 'head' }, el('h2', { text: 'Why did it stop or stutter?' }), el('label', { class: 'check' }, only, el('span', { text: 'Only trouble' }))), none, list);
  let all = [];
  let sentences = new Map();
  function draw() {
    const shown = all.filter((e) => !only.checked || levelOfReason(e.reason) !== 'good').reverse();
    show(none, shown.length === 0);
    say(none, all.length === 0 ? 'Nothing has happened to this stream since the server started. Its last 200 events are kept here.' : 'No trouble among the last events.');
    keyed(list, shown, (e) => e.number, (e) => ({
      node: el('li', { 'data-level': levelOfReason(e.reason) },
        el('time', { datetime: e.at, title: new Date(e.at).toString(), text: clock(e.at) }),
        el('div', {},
          el('p', { class: 'sentence', text: sentences.get(e.reason) ?? e.reason }),
          el('p', { class: 'note' }, el('code', { text: e.reason }), ` #${e.connection} `, el('bdi', { text: visible(e.remote) }), e.detail ? el('bdi', { text: ` ${visible(e.detail)}` }) : ''))),
    }));
  }
  return {
    node,
    sentences(reasons) {
      sentences = new Map(reasons.map((r) => [r.reason, r.sentence]));
    },
    update(events) {
      all = events;
      draw();
    },
  };
}
