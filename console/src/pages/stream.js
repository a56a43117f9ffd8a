// One stream: its picture, its figures, who is connected, and why it stopped or stuttered.
import { api, ApiError } from '../api.js';
import { el, mark, say, show, unkey } from '../dom.js';
import { health } from '../health.js';
import { ChartGroup } from '../chart.js';
import { Player } from '../player.js';
import { publishLink } from '../router.js';
import { merge, wanted } from '../series.js';
import { count, duration, fps, ms, percent, rate, visible } from '../text.js';
import { connections } from './connections.js';
import { delayPanel } from './delay.js';
import { events } from './events.js';
import { groupPanel } from './group.js';

export function streamPage(name) {
  const player = new Player(name);
  const charts = new ChartGroup();
  const badge = el('span', { class: 'badge' });
  const facts = el('p', { class: 'facts' });
  const causes = el('ul', { class: 'causes' });
  const delay = delayPanel();
  const group = groupPanel(name);
  const peers = connections(name);
  const story = events(name);
  const chartBox = el('section', { class: 'panel', 'aria-label': 'The last ten minutes' }, el('h2', { text: 'The last ten minutes' }), el('div', { class: 'charts' },
    charts.add('Bit rate', 'Media taken in from the publisher', rate, { key: 'kbps' }, 100),
    charts.add('Frame rate', 'Pictures taken in, in a second', fps, { key: 'fps' }, 10),
    charts.add('Backlog', 'How late media comes by its own clock, against the best of the last half minute', ms, { key: 'backlog_ms', colour: '--key' }, 100),
    charts.add('RTT to the publisher', 'The transport’s smoothed round-trip time', ms, { key: 'rtt_ms' }, 10),
    charts.add('Loss to the publisher', 'Of the packets that the server sent to it; of those that it sends the server sees no loss', (n) => percent(n / 100), { key: 'loss_per_cent', colour: '--key' }, 1),
    charts.add('Viewers', 'Who plays, by whatever protocol', count, { key: 'viewers' }, 4),
    charts.add('Viewer delay', 'From a frame’s arrival to its hand-over to the transport: the worst viewer', ms, { key: 'viewer_delay_ms', colour: '--key' }, 100),
    charts.add('Queue age', 'The oldest byte that waits for a viewer’s network', ms, { key: 'queue_ms', colour: '--key' }, 100)));
  const gone = el('section', { class: 'panel empty' },
    el('h2', { text: 'This stream is not here' }),
    el('p', { text: 'Nobody publishes or plays it, nor did in the last ten minutes. It appears by itself when somebody publishes under this name.' }),
    el('p', {}, el('a', { class: 'button', href: publishLink(name), text: 'How to publish it' })));
  show(gone, false);
  const top = el('div', { class: 'top' }, el('div', { class: 'body' }, el('section', { class: 'panel' }, player.node), story.node), delay.node);
  const body = el('div', { class: 'body' }, top, chartBox, group.node, peers.node);
  const node = el('main', { id: 'main', tabindex: -1 },
    el('nav', { class: 'crumbs', 'aria-label': 'Where' }, el('a', { href: '#/', text: '← All streams' })),
    el('div', { class: 'head' }, el('h1', {}, el('bdi', { text: visible(name) })), badge, el('a', { class: 'button quiet', href: publishLink(name), text: 'Publish & play' })),
    facts, causes, gone, body);
  let samples = [];
  let tick = 0;
  let slow = 1; // thousands of viewers are looked at less often
  const redraw = () => {
    charts.draw();
    group.draw();
  };
  const sizes = new ResizeObserver(redraw);
  sizes.observe(chartBox);

  function tell(stream, server) {
    const h = health(stream);
    mark(node, 'level', h.level);
    say(badge, h.word);
    mark(badge, 'level', h.level);
    const now = stream.now;
    say(facts, [
      stream.since && `Published for ${duration((Date.parse(server.now) - Date.parse(stream.since)) / 1000)}`,
      stream.video_codec && visible(stream.video_codec), stream.audio_codec && visible(stream.audio_codec),
      now && rate(now.kbps), now && stream.video_codec && fps(now.fps),
      `${count(stream.viewers)} ${stream.viewers === 1 ? 'viewer' : 'viewers'}`,
      `keeps ${count(stream.kept_frames)} frames`,
      stream.malformed > 0 && `${count(stream.malformed)} malformed: ${visible(stream.malformed_text)}`,
    ].filter(Boolean).join(' · '));
    const texts = h.causes.map((c) => c.text).join('\n');
    if (causes.dataset.now !== texts) {
      causes.dataset.now = texts;
      causes.replaceChildren(...h.causes.map((c) => el('li', { class: 'cause', 'data-level': c.level, text: c.text })));
    }
    show(causes, h.causes.length > 0);
    player.update(stream);
    delay.update(stream, server, player.delay());
    peers.update(stream);
    slow = stream.viewers > 1000 ? 10 : stream.viewers > 200 ? 4 : 1;
  }

  return {
    title: visible(name),
    node,
    redraw,
    async poll(signal) {
      const turn = tick++;
      const [server, recent, ...rest] = await Promise.all([
        api.server(signal),
        api.history(name, wanted(samples, Date.now() / 1000), signal),
        turn % slow === 0 ? api.stream(name, signal).catch((e) => { if (e instanceof ApiError && e.status === 404) return null; throw e; }) : undefined,
        turn % 2 === 0 ? api.events(name, signal) : undefined,
        turn % 2 === 0 ? api.group(name, signal) : undefined,
      ]);
      const [stream, list, frames] = rest;
      samples = merge(samples, recent);
      charts.set(samples);
      if (stream) tell(stream, server);
      if (stream !== undefined) {
        show(gone, stream === null);
        for (const part of [top, chartBox, group.node, peers.node]) show(part, stream !== null);
        // What happened to it is worth reading when it is gone, too.
        if (stream === null) body.prepend(story.node); else if (story.node.parentNode === body) top.firstChild.append(story.node);
        if (stream === null) {
          mark(badge, 'level', 'idle');
          say(badge, 'Not here');
          say(facts, '');
          player.update({ name, published: false });
        }
      }
      if (list) story.update(list);
      if (frames) group.update(frames);
      return { server };
    },
    async start(signal) {
      story.sentences(await api.reasons(signal));
    },
    close() {
      sizes.disconnect();
      player.close();
      unkey(node);
      peers.close();
    },
  };
}
