// A line of text that is there to be copied.
import { el, say } from './dom.js';

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

export function line(label, text, note) {
  const field = el('code', { class: 'copied', text });
  const button = el('button', { class: 'small', text: 'Copy', 'aria-label': `Copy ${label}` });
  button.addEventListener('click', async () => {
    say(button, (await copy(text, field)) ? 'Copied' : 'Press Ctrl-C');
    setTimeout(() => say(button, 'Copy'), 1500);
  });
  return el('div', { class: 'line' }, el('span', { class: 'label', text: label }), field, button, note && el('span', { class: 'note', text: note }));
}
