// How a stream is, at a glance: the worst thing that is known of it, in words. Pure.
import { ms, percent } from './text.js';

const order = ['idle', 'good', 'warn', 'bad'];
const limits = [
  // figure, from where it is worth a look, from where viewers see it, what it means
  ['backlog_ms', 500, 2_000, (n) => `Media comes ${ms(n)} late: the publisher’s encoder or its link does not keep up.`],
  ['viewer_delay_ms', 500, 2_000, (n) => `The slowest viewer gets frames ${ms(n)} late: its link is slower than the stream.`],
  ['queue_ms', 500, 2_000, (n) => `Data waits ${ms(n)} for a viewer’s network.`],
  ['loss_per_cent', 2, 10, (n) => `${percent(n / 100)} of the packets to the publisher get lost.`],
];

/** @param {any} stream as the API has it @returns {{level: 'idle'|'good'|'warn'|'bad', word: string, causes: {level: string, text: string}[]}} */
export function health(stream) {
  if (!stream.published) {
    const waiting = stream.viewers > 0;
    return { level: 'idle', word: waiting ? 'Waiting' : 'Ended', causes: [{ level: 'idle', text: waiting ? 'Viewers wait, nobody publishes.' : 'Nobody publishes.' }] };
  }
  const causes = [];
  const now = stream.now;
  if (!now) return { level: 'good', word: 'Starting', causes };
  const age = Date.parse(stream.since ?? '') ? now.at - Date.parse(stream.since) / 1000 : Infinity;
  if (age > 2 && stream.video_codec && now.fps < 1 && now.kbps < 1) causes.push({ level: 'bad', text: 'The publisher sends nothing.' });
  for (const [key, look, seen, says] of limits) {
    if (now[key] >= look) causes.push({ level: now[key] >= seen ? 'bad' : 'warn', text: says(now[key]) });
  }
  if (stream.malformed > 0) causes.push({ level: 'warn', text: `${stream.malformed} messages with a faulty header.` });
  const level = causes.reduce((worst, c) => (order.indexOf(c.level) > order.indexOf(worst) ? c.level : worst), 'good');
  causes.sort((a, b) => order.indexOf(b.level) - order.indexOf(a.level));
  return { level, word: { good: 'Healthy', warn: 'Look', bad: 'Trouble' }[level], causes };
}

/** Of one figure, with the same limits. */
export function levelOf(key, value) {
  const limit = limits.find((l) => l[0] === key);
  if (!limit || !(value >= limit[1])) return '';
  return value >= limit[2] ? 'bad' : 'warn';
}
