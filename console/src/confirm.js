// Asks before something is done that cannot be undone. A native dialog keeps focus and the keyboard in order.
import { explain } from './api.js';
import { el, say, show } from './dom.js';

/** @param {{id: string, title: string, note: string, yes: string, no: string, act: (subject: any) => Promise<void>}} how */
export function confirm({ id, title, note, yes, no, act }) {
  const what = el('p', {});
  const fault = el('p', { class: 'fault', role: 'alert' });
  const doIt = el('button', { class: 'danger', text: yes });
  const leave = el('button', { class: 'quiet', text: no, autofocus: true });
  const dialog = el('dialog', { 'aria-labelledby': id }, el('h2', { id, text: title }), what, el('p', { class: 'note', text: note }), fault, el('div', { class: 'buttons' }, leave, doIt));
  let subject;
  leave.addEventListener('click', () => dialog.close());
  doIt.addEventListener('click', async () => {
    doIt.disabled = true;
    try {
      await act(subject);
      dialog.close();
    } catch (error) {
      const { title: said, next } = explain(error);
      say(fault, error.status === 404 ? 'It has gone already.' : `${said} ${next}`);
      show(fault, true);
    } finally {
      doIt.disabled = false;
    }
  });
  return {
    dialog,
    ask(about, text) {
      subject = about;
      say(what, text);
      show(fault, false);
      dialog.showModal();
    },
    close: () => dialog.open && dialog.close(),
  };
}
