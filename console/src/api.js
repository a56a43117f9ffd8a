// The server's API, as promises. Errors say what to do.

export class ApiError extends Error {
  /** @param {number} status 0: no answer @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const answer_ms = 8_000;

/** @param {string} path @param {Record<string, string|number>} [parameters] */
async function call(method, path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, String(v)])).toString();
  const late = AbortSignal.timeout(answer_ms);
  const stop = new AbortController();
  const end = () => stop.abort();
  signal?.addEventListener('abort', end);
  late.addEventListener('abort', end);
  try {
    const response = await fetch(query ? `${path}?${query}` : path, { method, signal: stop.signal, cache: 'no-store' });
    const text = await response.text();
    let value;
    try { value = JSON.parse(text); } catch { value = undefined; }
    if (!response.ok) throw new ApiError(response.status, typeof value?.error === 'string' ? value.error : `the server answers ${response.status}`);
    if (value === undefined) throw new ApiError(response.status, 'the server answers something that is no JSON');
    return value;
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError(0, late.aborted ? `no answer within ${answer_ms / 1000} s` : 'no connection');
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

export const api = {
  server: (signal) => call('GET', '/api/v1/server', {}, signal),
  streams: async (signal) => (await call('GET', '/api/v1/streams', {}, signal)).streams,
  stream: (name, signal) => call('GET', '/api/v1/stream', { name }, signal),
  history: async (name, seconds, signal) => (await call('GET', '/api/v1/stream/history', { name, seconds }, signal)).seconds,
  events: async (name, signal) => (await call('GET', '/api/v1/stream/events', { name }, signal)).events,
  group: async (name, signal) => (await call('GET', '/api/v1/stream/group', { name }, signal)).frames,
  reasons: async (signal) => (await call('GET', '/api/v1/reasons', {}, signal)).reasons,
  keys: (signal) => call('GET', '/api/v1/keys', {}, signal),
  makeKey: (streams, note, lasts_s, limits) => call('POST', '/api/v1/keys', { streams, ...(note && { note }), ...(lasts_s > 0 && { lasts_s }), ...limits }),
  withdrawKey: (id) => call('DELETE', '/api/v1/keys', { id }),
  close: (id) => call('DELETE', '/api/v1/connections', { id }),
};

/** What happened and what to do next. @param {unknown} error @returns {{title: string, next: string}} */
export function explain(error) {
  if (error instanceof ApiError) {
    if (error.status === 0) {
      return { title: `The server does not answer: ${error.message}.`,
        next: 'It may be restarting, or your way to it is cut. Look whether the process runs and what its log says last. This page keeps asking; the figures below are old.' };
    }
    if (error.status === 403) {
      return { title: `The server refuses: ${error.message}.`,
        next: 'Add your address to http.admin_allow, or the name in the address bar to http.admin_hosts, and restart; or come through an SSH tunnel to loopback.' };
    }
    if (error.status === 503) return { title: 'The server is stopping.', next: 'This page keeps asking until it is back.' };
    return { title: `The server answers with an error: ${error.message}.`, next: 'This page keeps asking. If it stays, look into the server’s log.' };
  }
  return { title: `This page has a fault: ${error instanceof Error ? error.message : String(error)}.`, next: 'Load it again; if it comes back, please report it.' };
}
