// What to type into which program, for a name.
import { addresses, badName, matches, ports } from '../addresses.js';
import { api } from '../api.js';
import { line } from '../copy.js';
import { el, say, show } from '../dom.js';
import { streamLink } from '../router.js';
import { visible } from '../text.js';
import { keysPanel } from './keys.js';

export function publishPage(name = 'live/studio') {
  const input = el('input', { id: 'name', type: 'text', value: name, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', maxlength: 512, 'aria-describedby': 'name-note', on: { input: () => draw() } });
  const host = el('input', { id: 'host', type: 'text', value: location.hostname, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', maxlength: 255, on: { input: () => draw() } });
  const note = el('p', { id: 'name-note', class: 'note', role: 'status' });
  const near = el('p', { class: 'note warn' });
  const publish = el('div', { class: 'methods' });
  const play = el('div', {});
  /** The key that was made last. It is in the lines below while the name is one that it is for. */
  let key;
  const shown = el('p', { class: 'note told', role: 'status', id: 'key-shown' });
  show(shown, false);
  const keys = keysPanel({
    name: () => input.value.trim(),
    onMade(made) {
      key = made;
      if (!made.streams.includes('*')) input.value = made.streams;
      draw();
      shown.scrollIntoView({ block: 'center' });
    },
    onWithdrawn(id) {
      if (key?.id === id) key = undefined;
      draw();
    },
  });
  const watch = el('a', { class: 'button', text: 'Watch its page', href: streamLink(name) });
  const node = el('main', { id: 'main', tabindex: -1 },
    el('div', { class: 'head' }, el('h1', { text: 'Publish & play' })),
    el('section', { class: 'panel form' },
      el('div', {}, el('label', { for: 'name', text: 'Stream (application/name)' }), input),
      el('div', {}, el('label', { for: 'host', text: 'This server, as others reach it' }), host), watch, note, near),
    el('section', { 'aria-label': 'Publish' }, el('h2', { text: 'Publish' }),
      el('p', { class: 'note', text: 'From this server’s own machine everybody may publish. From elsewhere it takes a rule (publish.allow) or a key.' }), shown, publish),
    keys.node,
    el('section', { class: 'panel', 'aria-label': 'Play' }, el('h2', { text: 'Play' }), play));
  let server;
  let drawn = '';
  function draw() {
    if (!server) return;
    const wish = input.value.trim();
    const bad = badName(wish);
    const soft = bad?.startsWith('It may be so');
    say(note, bad ?? '');
    input.setAttribute('aria-invalid', String(Boolean(bad) && !soft));
    const usable = !bad || soft;
    show(publish, usable);
    show(play, usable);
    show(watch, usable);
    const at = ports(server.listen);
    const only = at.rtmp?.loopback && !/^(localhost|127\.|\[?::1)/.test(host.value);
    say(near, only ? 'RTMP listens on loopback only: no other machine reaches it. See --listen.' : '');
    show(near, Boolean(only));
    const secret = key && matches(key.streams, wish) ? key.secret : undefined;
    const state = JSON.stringify([wish, host.value, server.listen, server.pin, key?.id, Boolean(secret)]);
    if (!usable || state === drawn) return; // what somebody is about to copy stays where it is
    drawn = state;
    show(shown, Boolean(key));
    if (key) say(shown, secret ? `With the key ${key.id} for ${visible(key.streams)}. It is shown until you leave this page, and never again.`
      : `The key ${key.id} is for ${visible(key.streams)}. Of it the secret, until you leave this page: ${key.secret}`);
    const all = addresses({ name: wish, host: host.value.trim() || location.hostname, listen: server.listen, pin: server.pin, key: secret, origin: location.origin });
    watch.setAttribute('href', streamLink(wish));
    publish.replaceChildren(...all.publish.map((m) => el('section', { class: 'panel method' }, el('h3', { text: m.title }), el('p', { class: 'note', text: m.how }), ...m.rows.map(([l, t]) => line(l, t)))));
    play.replaceChildren(...all.play.map(([l, t, n]) => line(l, t, n)));
  }
  return {
    title: 'Publish & play',
    node,
    async poll(signal) {
      server = await api.server(signal);
      draw();
      await keys.look(signal).catch((error) => { if (error.status !== 501) throw error; });
      return { server };
    },
    close: () => keys.close(),
  };
}
