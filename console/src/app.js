// The console: one page that asks the server once a second and shows what it says.
import { ApiError, explain } from './api.js';
import { el, mark, say, show } from './dom.js';
import { overview } from './pages/overview.js';
import { publishPage } from './pages/publish.js';
import { streamPage } from './pages/stream.js';
import { parse } from './router.js';
import { themeSwitch } from './theme.js';

const every_ms = 1_000;

const bannerTitle = el('strong', {});
const bannerNext = el('span', {});
const banner = el('div', { class: 'banner', role: 'alert' }, bannerTitle, ' ', bannerNext);
show(banner, false);
const links = { overview: el('a', { href: '#/', text: 'Streams' }), publish: el('a', { href: '#/publish', text: 'Publish & play' }) };
const pulse = el('span', { class: 'pulse', 'data-level': 'idle', title: 'Whether the server answers' }, el('span', { class: 'unseen', text: 'Connecting' }));
const place = el('div', { class: 'place' });
let page;
const theme = themeSwitch(() => page?.redraw?.());

document.body.append(
  el('a', { class: 'skip', href: '#main', text: 'Skip to content', on: { click: (e) => { e.preventDefault(); document.getElementById('main')?.focus(); } } }),
  el('header', { class: 'bar' }, el('a', { class: 'brand', href: '#/' }, el('span', { text: 'millrace' }), pulse), el('nav', { 'aria-label': 'Pages' }, links.overview, links.publish), theme),
  banner, place,
  el('footer', { class: 'foot' }, el('a', { href: '/metrics', text: 'Metrics' }), el('a', { href: '/api/v1/openapi.json', text: 'API' }), el('a', { href: '/console/licences.txt', text: 'Licences' })));

let stop = new AbortController();
let timer;
let begun = false;

function open() {
  const route = parse(location.hash);
  stop.abort();
  stop = new AbortController();
  clearTimeout(timer);
  page?.close();
  page = { overview, stream: () => streamPage(route.name), publish: () => publishPage(route.name), missing }[route.page]();
  begun = false;
  document.title = `${page.title} · millrace`;
  place.replaceChildren(page.node);
  for (const [name, link] of Object.entries(links)) {
    if (route.page === name || (name === 'overview' && route.page === 'stream')) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  scrollTo(0, 0);
  turn();
}

function missing() {
  return {
    title: 'Not found', close() {}, poll: async () => ({}),
    node: el('main', { id: 'main', tabindex: -1 }, el('section', { class: 'panel empty' }, el('h1', { text: 'There is no such page' }), el('p', {}, el('a', { class: 'button', href: '#/', text: 'All streams' })))),
  };
}

// One question after the other: a slow server is not asked twice at the same time.
async function turn() {
  clearTimeout(timer);
  const mine = stop;
  if (document.hidden || mine.signal.aborted) return; // goes on when the page is seen again
  const began = performance.now();
  try {
    if (!begun) await page.start?.(mine.signal);
    begun = true;
    await page.poll(mine.signal);
    if (mine.signal.aborted) return;
    tell(undefined);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof ApiError)) console.error(error);
    tell(error);
  }
  clearTimeout(timer);
  timer = setTimeout(turn, Math.max(200, every_ms - (performance.now() - began)));
}

function tell(error) {
  mark(document.body, 'stale', Boolean(error));
  mark(pulse, 'level', error ? 'bad' : 'good');
  say(pulse.firstChild, error ? 'The server does not answer as it should' : 'The server answers');
  show(banner, Boolean(error));
  if (!error) return;
  const { title, next } = explain(error);
  say(bannerTitle, title);
  say(bannerNext, next);
}

addEventListener('hashchange', open);
// A browser may keep a page that was left as it is, to come back to: with a player whose connection nobody reads from.
addEventListener('pagehide', () => {
  stop.abort();
  clearTimeout(timer);
  page?.close();
});
addEventListener('pageshow', (e) => { if (e.persisted) open(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) turn(); });
open();
