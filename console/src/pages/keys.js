// Publish keys: which there are, one more, one less. A secret is shown once, to who makes its key.
import { api, explain } from '../api.js';
import { confirm } from '../confirm.js';
import { el, keyed, say, show } from '../dom.js';
import { clock, visible } from '../text.js';

const day = 86_400;
const lifetimes = [['never', 'Never', 0], ['day', 'In a day', day], ['week', 'In a week', 7 * day], ['month', 'In 30 days', 30 * day]];

/** Of each publication that a key is for: the API's name, what it is called here, what a unit of that is in the API's, its step. */
const limits = [['at_once', 'Streams at a time', 1, 1], ['kbps', 'Mbit/s of each', 1000, 0.1], ['session_s', 'Hours of each', 3600, 0.25]];
const limitTexts = { at_once: (n) => `${n} at a time`, kbps: (n) => `${n / 1000} Mbit/s`, session_s: (n) => `${n >= 3600 ? `${+(n / 3600).toFixed(2)} h` : `${+(n / 60).toFixed(1)} min`} each` };
const limitsText = (key) => limits.filter(([name]) => key[name]).map(([name]) => limitTexts[name](key[name])).join(', ') || 'None';

const columns = ['For', 'Note', 'Limits', 'Made', 'Expires', 'Last used', ''];

/** @param {{name: () => string, onMade: (key: any) => void, onWithdrawn: (id: string) => void}} page */
export function keysPanel({ name, onMade, onWithdrawn }) {
  const streams = el('input', { id: 'key-streams', type: 'text', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', maxlength: 512, placeholder: 'live/studio or live/*' });
  const note = el('input', { id: 'key-note', type: 'text', autocomplete: 'off', maxlength: 60, placeholder: 'for whom' });
  const lasts = el('select', { id: 'key-lasts' }, ...lifetimes.map(([value, text]) => el('option', { value, text })));
  const most = limits.map(([name, , , step]) => el('input', { id: `key-${name}`, type: 'number', min: 0, step, inputmode: 'decimal', placeholder: 'no limit' }));
  const make = el('button', { text: 'Make a key', type: 'submit' });
  const fault = el('p', { class: 'fault', role: 'alert' });
  const form = el('form', { class: 'form' },
    el('div', {}, el('label', { for: 'key-streams', text: 'For stream (* for any characters)' }), streams),
    el('div', {}, el('label', { for: 'key-note', text: 'Note' }), note),
    el('div', {}, el('label', { for: 'key-lasts', text: 'Expires' }), lasts),
    ...limits.map(([name, text], i) => el('div', {}, el('label', { for: `key-${name}`, text }), most[i])), el('div', {}, make), fault);
  const body = el('tbody', {});
  const table = el('div', { class: 'table', role: 'region', 'aria-label': 'Keys', tabindex: 0 },
    el('table', {}, el('thead', {}, el('tr', {}, ...columns.map((c) => el('th', { scope: 'col', text: c })))), body));
  const configured = el('p', { class: 'note' });
  const dialog = confirm({
    id: 'withdrawing', title: 'Withdraw this key?', yes: 'Withdraw it', no: 'Keep it',
    note: 'Nobody can begin with it any more. Who publishes with it now goes on until that connection ends: close it on the stream’s page.',
    act: async (id) => {
      await api.withdrawKey(id);
      onWithdrawn(id);
      look();
    },
  });
  const node = el('section', { class: 'panel body', id: 'keys', 'aria-label': 'Publish keys' }, el('h2', { text: 'Publish keys' }),
    el('p', { class: 'note', text: 'Who shows a stream’s key may publish it from anywhere. The server keeps no key that could be read again: copy it when it is made.' }), form, table, configured, dialog.dialog);
  show(fault, false);
  show(table, false);

  const row = (first) => {
    const cells = columns.map((c) => el('td', { 'data-label': c }));
    for (const place of [0, 1]) cells[place].append(el('bdi', {}));
    cells.at(-1).append(el('button', { class: 'small', text: 'Withdraw', 'aria-label': `Withdraw key ${first.id}`, on: { click: () => dialog.ask(first.id, `${first.id}, for ${visible(first.streams)}${first.note ? `, “${visible(first.note)}”` : ''}.`) } }));
    return {
      node: el('tr', {}, ...cells),
      update(key) {
        say(cells[0].firstChild, visible(key.streams));
        say(cells[1].firstChild, key.note ? visible(key.note) : '–');
        say(cells[2], limitsText(key));
        say(cells[3], clock(key.made));
        say(cells[4], key.expires ? (Date.parse(key.expires) <= Date.now() ? 'Expired' : clock(key.expires)) : 'Never');
        say(cells[5], key.used ? clock(key.used) : '–');
      },
    };
  };

  async function look(signal) {
    const all = await api.keys(signal);
    keyed(body, all.keys, (k) => k.id, row);
    show(table, all.keys.length > 0);
    show(configured, all.configured.length > 0);
    say(configured, `In the server’s configuration, to be changed there: keys for ${all.configured.map(visible).join(', ')}.`);
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    make.disabled = true;
    show(fault, false);
    try {
      const made = await api.makeKey(streams.value.trim() || name(), note.value.trim(), lifetimes.find(([value]) => value === lasts.value)[2],
        Object.fromEntries(limits.map(([field, , unit], i) => [field, Math.round(Number(most[i].value) * unit)]).filter(([, value]) => value > 0)));
      for (const field of [note, ...most]) field.value = '';
      onMade(made);
      await look();
    } catch (error) {
      const { title, next } = explain(error);
      say(fault, error.status === 400 || error.status === 409 || error.status === 501 ? error.message : `${title} ${next}`);
      show(fault, true);
    } finally {
      make.disabled = false;
    }
  });
  return { node, look, close: () => dialog.close() };
}
