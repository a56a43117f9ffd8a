// What to type into which program, for a name.
import { addresses, badName, ports } from '../addresses.js';
import { api } from '../api.js';
import { el, say, show } from '../dom.js';
import { streamLink } from '../router.js';

async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // a page over plain HTTP has no clipboard of its own
    const range = document.createRange();
    range.selectNodeContents(field);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand('copy');
  }
}

function line(label, text, note) {
  const field = el('code', { class: 'copied', text });
  const button = el('button', { class: 'small', text: 'Copy', 'aria-label': `Copy ${label}` });
  button.addEventListener('click', async () => {
    say(button, (await copy(text, field)) ? 'Copied' : 'Press Ctrl-C');
    setTimeout(() => say(button, 'Copy'), 1500);
  });
  return el('div', { class: 'line' }, el('span', { class: 'label', text: label }), field, button, note && el('span', { class: 'note', text: note }));
}

export function publishPage(name = 'live/studio') {
  const input = el('input', { id: 'name', type: 'text', value: name, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', maxlength: 512, 'aria-describedby': 'name-note', on: { input: () => draw() } });
  const host = el('input', { id: 'host', type: 'text', value: location.hostname, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', maxlength: 255, on: { input: () => draw() } });
  const note = el('p', { id: 'name-note', class: 'note', role: 'status' });
  const near = el('p', { class: 'note warn' });
  const publish = el('div', { class: 'methods' });
  const play = el('div', {});
  const watch = el('a', { class: 'button', text: 'Watch its page', href: streamLink(name) });
  const node = el('main', { id: 'main', tabindex: -1 },
    el('div', { class: 'head' }, el('h1', { text: 'Publish & play' })),
    el('section', { class: 'panel form' },
      el('div', {}, el('label', { for: 'name', text: 'Stream (application/name)' }), input),
      el('div', {}, el('label', { for: 'host', text: 'This server, as others reach it' }), host), watch, note, near),
    el('section', { 'aria-label': 'Publish' }, el('h2', { text: 'Publish' }),
      el('p', { class: 'note', text: 'From this server’s own machine everybody may publish. From elsewhere it takes a rule (publish.allow) or a key: NAME?key=SECRET in place of the stream key.' }), publish),
    // Keys that are made and withdrawn here get their place here.
    el('section', { class: 'panel', id: 'keys', 'aria-label': 'Publish keys' }, el('h2', { text: 'Publish keys' }),
      el('p', { class: 'note', text: 'Keys are lines of [publish.keys] in the server’s configuration: a pattern of names and a secret.' })),
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
    const key = JSON.stringify([wish, host.value, server.listen, server.pin]);
    if (!usable || key === drawn) return; // what somebody is about to copy stays where it is
    drawn = key;
    const all = addresses({ name: wish, host: host.value.trim() || location.hostname, listen: server.listen, pin: server.pin, origin: location.origin });
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
      return { server };
    },
    close() {},
  };
}
