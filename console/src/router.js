// Where in the console somebody is: the part of the address behind '#'. Pure.

/** @typedef {{page: 'overview'} | {page: 'stream', name: string} | {page: 'publish', name?: string} | {page: 'missing'}} Route */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const text = hash.replace(/^#?\/?/, '');
  if (text === '') return { page: 'overview' };
  const cut = text.indexOf('/');
  const [page, rest] = cut < 0 ? [text, ''] : [text.slice(0, cut), text.slice(cut + 1)];
  let name;
  try {
    name = decodeURIComponent(rest);
  } catch {
    return { page: 'missing' };
  }
  if (page === 'stream' && name) return { page, name };
  if (page === 'publish') return name ? { page, name } : { page };
  return { page: 'missing' };
}

/** One stream's page. A slash stays a slash, so that the address can be read. @param {string} name */
export const streamLink = (name) => '#/stream/' + name.split('/').map(encodeURIComponent).join('/');
/** @param {string} [name] */
export const publishLink = (name) => (name ? '#/publish/' + name.split('/').map(encodeURIComponent).join('/') : '#/publish');
