// How old media is at each place on its way, out of what the server measures. Pure.

/**
 * @typedef {{label: string, ms: number|undefined, how: string}} Part
 * @typedef {{id: string, from: string, to: string, ms: number|undefined, parts: Part[], note?: string}} Hop
 */

const half = (rtt) => (rtt > 0 ? rtt / 2 : undefined);
// Backlog and queue are two looks at the same wait: the longer one counts.
const inbound = (queue, backlog, way) => ([queue, backlog, way].every((n) => n === undefined) ? undefined : Math.max(queue ?? 0, backlog ?? 0) + (way ?? 0));
const sum = (parts) => (parts.every((p) => p.ms === undefined) ? undefined : parts.reduce((all, p) => all + (p.ms ?? 0), 0));

/** How late one viewer is behind the server's input. @param {any} connection @param {string} stream */
export function viewerDelay(connection, stream) {
  const play = connection.plays?.find((p) => p.stream === stream);
  return { server: play?.delay_ms ?? 0, queue: connection.queued_age_ms ?? 0, way: half(connection.transport?.rtt_ms) };
}

/** @param {any} connection @param {string} stream */
export function wholeDelay(connection, stream) {
  const d = viewerDelay(connection, stream);
  return d.server + d.queue + (d.way ?? 0);
}

/** The one that is furthest behind. @param {any} stream */
export function worstViewer(stream) {
  let worst;
  for (const one of stream.viewer_connections ?? []) if (!worst || wholeDelay(one, stream.name) > wholeDelay(worst, stream.name)) worst = one;
  return worst;
}

/** @param {any} stream of /api/v1/stream @param {any} [server] of /api/v1/server @returns {{hops: Hop[], total: number|undefined}} */
export function hops(stream, server) {
  /** @type {Hop[]} */
  const out = [];
  const publisher = stream.publisher;
  /** @type {Part[]} */
  const queue = publisher?.publisher_queue_ms, backlog = stream.published ? stream.now?.backlog_ms : undefined;
  let parts = [
    { label: 'Publisher’s queue', ms: queue,
      how: 'Age of the oldest that its network has not taken, as millrace push and bridge say of themselves. Other encoders do not say.' },
    { label: 'Backlog', ms: backlog,
      how: 'How late frames arrive by their own timestamps, against the best of the last half minute: what queues in the encoder and on its link. It sees a queue that grows, not one that stands.' },
    { label: 'Half the round trip', ms: half(publisher?.transport?.rtt_ms), how: 'The transport’s smoothed round-trip time, halved: the way itself.' },
  ];
  out.push({ id: 'in', from: 'Publisher', to: 'Server', parts, ms: stream.published ? inbound(queue, backlog, half(publisher?.transport?.rtt_ms)) : undefined });

  const worst = worstViewer(stream);
  const shards = new Set((stream.viewer_connections ?? []).map((c) => c.shard));
  const windows = (server?.shards ?? []).filter((s) => shards.size === 0 || shards.has(s.index)).map((s) => s.gather_window_ms);
  const gather = windows.length ? Math.max(...windows) : undefined;
  const late = worst ? viewerDelay(worst, stream.name) : undefined;
  parts = [{ label: 'Worst viewer’s wait', ms: late?.server,
    how: 'From a frame’s arrival here to its hand-over to the transport, the worst of the last second or two; it grows when a viewer’s link is full.' }];
  out.push({ id: 'server', from: 'Server', to: '', parts, ms: sum(parts), gather });

  parts = [
    { label: 'Queue', ms: late?.queue, how: 'Age of the oldest byte that its network has not taken yet.' },
    { label: 'Half the round trip', ms: late?.way, how: 'Of that viewer’s transport, halved.' },
  ];
  out.push({ id: 'out', from: 'Server', to: 'Worst viewer', parts, ms: sum(parts), worst });
  const known = out.filter((h) => h.ms !== undefined);
  return { hops: out, total: known.length ? known.reduce((all, h) => all + h.ms, 0) : undefined };
}
