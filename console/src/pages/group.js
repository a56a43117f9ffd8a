// The newest group of pictures: how big its frames are and how they are spaced.
import { drawGroup } from '../chart.js';
import { el, figure, say, show } from '../dom.js';
import { describe } from '../group.js';
import { bytes, count, ms, percent } from '../text.js';

export function groupPanel(name) {
  const canvas = el('canvas', { class: 'group', role: 'img' });
  const f = {
    span: figure('Key frame every', { title: 'The longest group of the last half minute' }), pictures: figure('Pictures so far'), key: figure('Key frame'), other: figure('Other pictures, mean'),
    disposable: figure('Disposable', { title: 'Pictures that no other one needs: they are the first that a slow viewer goes without' }),
    gap: figure('Spacing', { title: 'Between the decoding times of two pictures' }), audio: figure('Sound'),
  };
  const none = el('p', { class: 'note', text: 'No pictures yet.' });
  const legend = el('p', { class: 'legend' }, ...[['key', 'key frame'], ['other', 'picture'], ['disposable', 'disposable picture'], ['audio', 'sound']].map(([id, text]) =>
    el('span', {}, el('i', { class: `swatch ${id}`, 'aria-hidden': 'true' }), text)));
  const node = el('section', { class: 'panel', 'aria-label': 'Group of pictures' }, el('h2', { text: 'Newest group of pictures' }), none, canvas, legend,
    el('dl', { class: 'figures group-figures' }, ...Object.values(f).map((one) => one.node)));
  let frames = [];
  let first; // when the group began that was seen last
  let whole = false; // a group was seen to end
  const spans = []; // of the last half minute: the newest group is still growing when it is looked at
  return {
    node,
    draw() {
      if (frames.length > 0 && canvas.isConnected) drawGroup(canvas, frames, Math.max(...spans, whole ? 200 : 2000));
    },
    update(list) {
      frames = list;
      const d = describe(list);
      show(none, !d);
      show(canvas, Boolean(d));
      show(legend, Boolean(d));
      if (!d) return;
      spans.push(d.span_ms);
      if (spans.length > 15) spans.shift();
      whole = whole || (first !== undefined && first !== list[0].dts_ms);
      first = list[0].dts_ms;
      f.span.set(`${whole ? '' : '≥ '}${(Math.max(...spans) / 1000).toFixed(2)} s`);
      f.pictures.set(count(d.pictures));
      f.key.set(bytes(d.key_bytes), { small: d.key_share === undefined ? '' : `${percent(d.key_share)} of the bytes` });
      f.other.set(bytes(d.other_bytes));
      f.disposable.set(count(d.disposable));
      f.gap.set(ms(d.gap_ms), { small: d.gap_ms === undefined ? '' : `${ms(d.gap_min_ms)} to ${ms(d.gap_max_ms)}` });
      f.audio.set(d.audio ? bytes(d.audio_bytes) : 'none');
      const text = `Group of pictures of ${name}: ${d.pictures} pictures, the biggest ${bytes(d.biggest)}`;
      if (canvas.getAttribute('aria-label') !== text) canvas.setAttribute('aria-label', text);
      this.draw();
    },
  };
}
