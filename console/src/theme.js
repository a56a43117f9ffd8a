// Dark, light, or as the system has it. What was chosen is kept in this browser.
import { el, say } from './dom.js';

const choices = ['auto', 'light', 'dark'];
const words = { auto: 'Auto', light: 'Light', dark: 'Dark' };

const kept = () => {
  try { return localStorage.getItem('millrace.theme'); } catch { return null; }
};

/** @param {() => void} changed @returns a button that goes through the three */
export function themeSwitch(changed) {
  let at = Math.max(0, choices.indexOf(kept() ?? 'auto'));
  const word = el('span');
  const button = el('button', { class: 'quiet theme', title: 'Colours: as the system has them, light, or dark' },
    el('span', { class: 'theme-mark', 'aria-hidden': 'true' }), word);
  const apply = () => {
    if (choices[at] === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choices[at];
    say(word, words[choices[at]]);
    button.setAttribute('aria-label', `Colours: ${words[choices[at]]}`);
    changed();
  };
  button.addEventListener('click', () => {
    at = (at + 1) % choices.length;
    try { localStorage.setItem('millrace.theme', choices[at]); } catch { /* a browser that keeps nothing */ }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  apply();
  return button;
}
