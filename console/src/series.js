// The last ten minutes of a stream, a sample a second, put together from answers that overlap. Pure.

export const seconds_max = 600;

/** @param {any[]} known oldest first @param {any[]} newer oldest first @returns {any[]} */
export function merge(known, newer) {
  if (newer.length === 0) return known;
  const first = newer[0].at;
  let keep = known.length;
  while (keep > 0 && known[keep - 1].at >= first) --keep;
  const all = known.slice(0, keep).concat(newer);
  const oldest = all[all.length - 1].at - seconds_max;
  return all.filter((s) => s.at > oldest);
}

/** How many seconds to ask for, so that none is missed. @param {any[]} known @param {number} now Unix time of the server */
export function wanted(known, now) {
  if (known.length === 0) return seconds_max;
  return Math.min(seconds_max, Math.max(3, Math.ceil(now - known[known.length - 1].at) + 2));
}

/** A round number not below `n`, for the top of an axis. */
export function niceTop(n) {
  if (!(n > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(n));
  for (const step of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (step * power >= n * 0.999999) return Number((step * power).toPrecision(3));
  return 10 * power;
}
