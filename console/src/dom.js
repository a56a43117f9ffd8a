// Making and changing elements. Text goes in as text only: nothing here, nor anywhere in the console, takes markup.

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `text`, `class`, `on: {event: f}`, others as attributes; false and undefined leave one out
 * @param {...(Node|string|null|undefined|false)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || value === null) continue;
    if (name === 'text') node.textContent = value;
    else if (name === 'class') node.className = value;
    else if (name === 'on') for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    else attribute(node, name, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Sets an attribute that cannot run anything. */
export function attribute(node, name, value) {
  if (/^on|^style$|^srcdoc$/i.test(name)) throw new Error(`no attribute for text: ${name}`);
  if (/^(href|src|action|formaction)$/i.test(name) && !/^(#|\/(?!\/)|https?:\/\/)/.test(value)) throw new Error(`no address: ${value}`);
  node.setAttribute(name, value === true ? '' : String(value));
}

/** Changes only what is different: a page that is told the same every second stays selectable and still. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (node.dataset[name] !== String(value)) node.dataset[name] = String(value);
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

const lists = new WeakMap();

/**
 * Children of `parent` for `items`, in order; those that stay are the same nodes.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string|number} keyOf
 * @param {(item: T) => {node: Element, update?: (item: T) => void, close?: () => void}} make
 */
export function keyed(parent, items, keyOf, make) {
  let known = lists.get(parent);
  if (!known) lists.set(parent, (known = new Map()));
  const wanted = new Map(items.map((item) => [keyOf(item), item]));
  for (const [key, one] of known) {
    if (wanted.has(key)) continue;
    one.close?.();
    one.node.remove();
    known.delete(key);
  }
  let place = parent.firstElementChild;
  for (const [key, item] of wanted) {
    let one = known.get(key);
    if (!one) known.set(key, (one = make(item)));
    one.update?.(item);
    if (one.node === place) place = place.nextElementSibling;
    else parent.insertBefore(one.node, place);
  }
}

/** Closes what `keyed` made. */
export function unkey(parent) {
  for (const one of lists.get(parent)?.values() ?? []) one.close?.();
  lists.delete(parent);
}

/** A figure with its name: the value changes, the place does not. */
export function figure(label, { wide = false, title } = {}) {
  const value = el('dd', { class: 'value', text: '–' });
  const note = el('dd', { class: 'note' });
  const node = el('div', { class: wide ? 'figure wide' : 'figure', title }, el('dt', { text: label }), value, note);
  return {
    node,
    set(text, { level = '', small = '' } = {}) {
      say(value, text);
      say(note, small);
      mark(node, 'level', level);
    },
  };
}
