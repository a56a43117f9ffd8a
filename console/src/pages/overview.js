// All streams at a glance, and how the server is.
import { api } from '../api.js';
import { el, figure, keyed, mark, say, show, unkey } from '../dom.js';
import { health, levelOf } from '../health.js';
import { Previews } from '../preview.js';
import { publishLink, streamLink } from '../router.js';
import { bytes, count, duration, fps, ms, percent, plural, rate, visible } from '../text.js';

function card(first, previews) {
  const canvas = el('canvas', { width: 320, height: 180, 'aria-hidden': 'true' });
  const nothing = el('span', { class: 'no-picture' });
  const badge = el('span', { class: 'badge' });
  const link = streamLink(first.name);
  const why = el('p', { class: 'why' });
  const rateOf = figure('Bit rate'), frames = figure('Frames'), viewers = figure('Viewers');
  const codecs = figure('Codecs'), backlog = figure('Backlog'), delay = figure('Delay');
  backlog.node.title = 'How late media arrives here, against the best of the last half minute';
  delay.node.title = 'Viewer delay: from a frame’s arrival to its hand-over to the network: the worst viewer';
  const node = el('article', { class: 'card' },
    el('a', { class: 'picture', href: link, tabindex: -1, 'aria-hidden': 'true' }, canvas, nothing),
    el('h3', {}, el('a', { href: link }, el('bdi', { text: visible(first.name) })), badge),
    el('dl', { class: 'figures' }, rateOf.node, frames.node, viewers.node, codecs.node, backlog.node, delay.node), why);
  let drawn = false;
  let unread = false;
  let last = first;
  const tellPicture = () => say(nothing, drawn && last.published ? '' : !last.published ? 'Not published' : !last.video_codec ? 'Sound only' : unread ? 'No preview' : '');
  previews.watch(canvas, first.name, (ok) => {
    drawn = drawn || ok;
    unread = !ok;
    tellPicture();
  });
  return {
    node,
    close: () => previews.unwatch(canvas),
    update(stream) {
      last = stream;
      const h = health(stream);
      const now = stream.published ? stream.now : undefined;
      mark(node, 'level', h.level);
      say(badge, h.word);
      say(why, h.causes.length ? h.causes[0].text + (h.causes.length > 1 ? ` And ${h.causes.length - 1} more.` : '') : '');
      rateOf.set(rate(now?.kbps));
      frames.set(fps(stream.video_codec ? now?.fps : undefined));
      viewers.set(count(stream.viewers));
      codecs.set([stream.video_codec, stream.audio_codec].filter(Boolean).map(visible).join(' + ') || '–');
      backlog.set(ms(now?.backlog_ms), { level: levelOf('backlog_ms', now?.backlog_ms) });
      delay.set(stream.viewers > 0 ? ms(now?.viewer_delay_ms) : '–', { level: levelOf('viewer_delay_ms', now?.viewer_delay_ms) });
      previews.want(canvas, stream);
      tellPicture();
    },
  };
}

function serverStrip() {
  const f = {
    streams: figure('Streams'), viewers: figure('Viewers'), in: figure('In'), out: figure('Out'),
    gather: figure('Gather window', { title: 'For how long frames are gathered before viewers get them: the delay that load adds' }),
    memory: figure('Memory', { title: 'Resident memory of the server' }),
    room: figure('Room for', { wide: true, title: 'Viewers like those that are here that would fit beside them' }), up: figure('Up'),
  };
  const shards = el('ol', { class: 'shards', 'aria-label': 'CPU per thread' });
  const node = el('section', { class: 'panel strip', 'aria-label': 'Server' },
    el('dl', { class: 'figures' }, f.streams.node, f.viewers.node, f.in.node, f.out.node, f.gather.node, f.memory.node, f.room.node, f.up.node),
    el('div', { class: 'cpu' }, el('span', { class: 'label', text: 'CPU per thread' }), shards));
  let before;
  return {
    node,
    update(server, streams) {
      const live = streams.filter((s) => s.published).length;
      f.streams.set(count(live));
      f.viewers.set(count(Object.values(server.protocols).reduce((all, p) => all + p.viewers, 0)));
      const now = Date.parse(server.now);
      const seconds = before && before.started === server.started ? (now - Date.parse(before.now)) / 1000 : 0;
      if (seconds > 0.2) {
        f.in.set(rate(((server.bytes_in - before.bytes_in) * 8) / 1000 / seconds));
        f.out.set(rate(((server.bytes_out - before.bytes_out) * 8) / 1000 / seconds));
      }
      if (!before || seconds > 0.2 || seconds < 0 || before.started !== server.started) before = server;
      f.gather.set(ms(Math.max(0, ...server.shards.map((s) => s.gather_window_ms))));
      f.memory.set(bytes(server.resident_bytes));
      f.room.set(server.capacity.viewers_left === undefined ? '–' : `≈ ${plural(server.capacity.viewers_left, 'viewer')}`, { small: server.capacity.bound_by });
      f.up.set(duration((now - Date.parse(server.started)) / 1000), { small: `Version ${server.version}` });
      keyed(shards, server.shards, (s) => s.index, (s) => {
        const fill = el('i', {});
        const value = el('span', { class: 'value' });
        return {
          node: el('li', { title: `Thread ${s.index}` }, el('span', { class: 'bar', 'aria-hidden': 'true' }, fill), value),
          update(one) {
            fill.style.width = `${Math.round(Math.min(1, one.busy) * 100)}%`; // by the object model: no style attribute
            mark(fill, 'level', one.busy > 0.9 ? 'bad' : one.busy > 0.7 ? 'warn' : 'good');
            say(value, percent(one.busy));
          },
        };
      });
    },
  };
}

export function overview() {
  const previews = new Previews();
  const strip = serverStrip();
  const cards = el('div', { class: 'cards' });
  const filter = el('input', { type: 'search', placeholder: 'Find a stream', 'aria-label': 'Find a stream', on: { input: () => draw() } });
  const sum = el('p', { class: 'sum', role: 'status' });
  const none = el('section', { class: 'panel empty' },
    el('h2', { text: 'No stream yet' }),
    el('p', { text: 'When somebody publishes, the stream appears here by itself. To try it now, send a test picture from this server’s machine:' }),
    el('pre', { tabindex: 0 }, el('code', { class: 'example' })),
    el('p', {}, el('a', { class: 'button', href: publishLink(), text: 'How to publish with OBS, FFmpeg or millrace push' })));
  const lost = el('p', { class: 'panel', text: 'No stream has this in its name.' });
  show(none, false);
  show(lost, false);
  const head = el('div', { class: 'head' }, el('h1', { text: 'Streams' }), sum, filter);
  show(filter, false);
  const node = el('main', { id: 'main', tabindex: -1 }, strip.node, head, none, lost, cards);
  let streams = [];
  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const shown = wanted ? streams.filter((s) => s.name.toLowerCase().includes(wanted)) : streams;
    keyed(cards, shown, (s) => s.name, (s) => card(s, previews));
    show(lost, streams.length > 0 && shown.length === 0);
  }
  return {
    title: 'Streams',
    node,
    async poll(signal) {
      const [server, all] = await Promise.all([api.server(signal), api.streams(signal)]);
      streams = all;
      strip.update(server, streams);
      show(none, streams.length === 0);
      show(filter, streams.length > 6 || filter.value !== '');
      const port = server.listen?.find((a) => a.startsWith('rtmp://'))?.match(/:(\d+)$/)?.[1] ?? '1935';
      say(none.querySelector('.example'),
        `ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine \\\n  -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p -c:a aac \\\n  -f flv rtmp://127.0.0.1${port === '1935' ? '' : `:${port}`}/live/test`);
      const trouble = streams.filter((s) => ['warn', 'bad'].includes(health(s).level)).length;
      say(sum, streams.length === 0 ? '' : trouble === 0 ? 'All well' : `${trouble} of ${streams.length} want a look`);
      mark(sum, 'level', trouble ? 'warn' : 'good');
      draw();
      return { server };
    },
    close() {
      unkey(cards);
      previews.close();
    },
  };
}
