// Text and numbers for people. Pure.

// What a stranger could use to make text look like other text: control characters, marks that turn the direction of writing, marks without a width.
const deceptive = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** Peer text as it is, with what would be invisible made visible. @param {unknown} text */
export function visible(text) {
  return String(text ?? '').replace(deceptive, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

const finite = (n) => typeof n === 'number' && Number.isFinite(n);
export const unknown = '–';

/** Three digits at most, so that columns do not dance. */
function digits(n) {
  const size = Math.abs(n);
  return n.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** @param {number|undefined} kbps */
export function rate(kbps) {
  if (!finite(kbps)) return unknown;
  if (kbps < 999.5) return `${Math.round(kbps)} kbit/s`;
  if (kbps < 999_500) return `${digits(kbps / 1000)} Mbit/s`;
  return `${digits(kbps / 1e6)} Gbit/s`;
}

/** @param {number|undefined} n */
export function bytes(n) {
  if (!finite(n)) return unknown;
  for (const [least, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) if (n >= least * 0.9995) return `${digits(n / least)} ${unit}`;
  return `${Math.round(n)} B`;
}

/** @param {number|undefined} n milliseconds */
export function ms(n) {
  if (!finite(n)) return unknown;
  if (n > 0 && n < 0.05) return '< 0.1 ms';
  if (n < 9.95) return `${n.toFixed(1)} ms`;
  if (n < 999.5) return `${Math.round(n)} ms`;
  return `${digits(n / 1000)} s`;
}

/** @param {number|undefined} share 0 to 1 */
export function percent(share) {
  if (!finite(share)) return unknown;
  const n = share * 100;
  return n < 9.95 ? `${n.toFixed(1)} %` : `${Math.round(n)} %`;
}

/** @param {number|undefined} n */
export function count(n) {
  return finite(n) ? String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f') : unknown;
}

/** @param {number|undefined} n frames in a second */
export const fps = (n) => (finite(n) ? `${n.toFixed(n < 9.95 ? 1 : 0)} fps` : unknown);

/** @param {number} seconds */
export function duration(seconds) {
  if (!finite(seconds)) return unknown;
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86400)} d ${two(Math.floor((s % 86400) / 3600))} h`;
}

/** "14:03:09" of an RFC 3339 time, by this browser's clock. @param {string|number} at */
export function clock(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? unknown : date.toTimeString().slice(0, 8);
}

export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

/** The path of a stream under the server's root: every segment encoded, so a name is never more than a name. @param {string} name */
export const streamPath = (name) => '/' + name.split('/').map(encodeURIComponent).join('/');

/** One word for a POSIX shell. @param {string} text */
export const shellWord = (text) => `'${text.replaceAll("'", "'\\''")}'`;
