// Elements, lists by key, countdowns.  Texts of others get into the page as text nodes only.
'use strict';

const Dom = (() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const get = (id) => document.getElementById(id);

  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) element.removeAttribute(name);
      else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : value);
    }
    return element;
  };

  // make('p', {class: 'x'}, 'text', child): `tag` may carry classes, as in 'p.x.y'.
  const fill = (element, tag, attributes, children) => {
    const classes = tag.split('.').slice(1);
    if (classes.length) element.setAttribute('class', classes.join(' '));
    set(element, attributes || {});
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
    return element;
  };
  const make = (tag, attributes, ...children) => fill(document.createElement(tag.split('.')[0]), tag, attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag.split('.')[0]), tag, attributes, children);

  const write = (element, value) => {
    const words = String(value);
    if (element.textContent !== words) element.textContent = words;
    return element;
  };
  const title = (element, value) => set(element, { title: value || null });
  const show = (element, shown) => {
    if (element.hidden === shown) element.hidden = !shown;
  };

  // A time that changes by itself: `mode` is until (a countdown), since (an age) or ago (an age, coarse).
  const timed = (element, mode, ms, before = '', after = '') => {
    if (!Format.known(ms)) {
      set(element, { 'data-mode': null });
      return write(element, Format.DASH);
    }
    Object.assign(element.dataset, { mode, at: ms, before, after });
    return tick(element, Model.now());
  };
  const tick = (element, now) => {
    const { mode, at, before, after } = element.dataset;
    if (mode === 'ago') return write(element, now - Number(at) < 60000 ? 'just now' : `${Format.duration(now - Number(at)).replace(/ \d+s$/, '')} ago`);
    const left = mode === 'until' ? Number(at) - now : now - Number(at);
    return write(element, mode === 'until' && left <= 0 ? `${before}now` : `${before}${Format.duration(left)}${after}`);
  };
  const tickAll = (now) => {
    for (const element of document.querySelectorAll('[data-mode]')) tick(element, now);
  };

  // Children of `parent` by key, in the order of `keys`: what is there is kept and moved only when it must be,
  // and the focus stays where it is.  `hold` keeps the present order; what is new comes last.
  const keyed = (parent, keys, create, update, hold = false) => {
    const known = parent.rowsByKey || (parent.rowsByKey = new Map());
    const wanted = new Set(keys);
    const focused = document.activeElement;
    for (const [key, element] of known) {
      if (!wanted.has(key)) {
        element.remove();
        known.delete(key);
      }
    }
    const order = hold ? [...[...known.keys()], ...keys.filter((key) => !known.has(key))] : keys;
    let place = null;
    for (const key of order) {
      let element = known.get(key);
      if (!element) {
        element = create(key);
        known.set(key, element);
      }
      const next = place ? place.nextSibling : parent.firstChild;
      if (next !== element) parent.insertBefore(element, next);
      place = element;
      update(element, key);
    }
    if (!hold) parent.rowsByKey = new Map(keys.map((key) => [key, known.get(key)]));
    if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
  };

  // A list that a person reads or works in must not be re-sorted under them.
  // On a touch screen `hover` means what was touched last.
  const pointer = window.matchMedia('(hover: hover)');
  const isInUse = (element) => (pointer.matches && element.matches(':hover')) || element.contains(document.activeElement);

  const options = (select, values, first) => {
    const wanted = JSON.stringify([first, values]);
    if (select.filled === wanted) return;
    select.filled = wanted;
    const chosen = select.value;
    select.replaceChildren(...(first ? [make('option', { value: '' }, first)] : []),
      ...values.map(([value, label]) => make('option', { value }, label)));
    if (chosen && !values.some(([value]) => value === chosen)) select.append(make('option', { value: chosen }, chosen));
    if (chosen) select.value = chosen;
  };

  const toTable = (table, caption, heads, rows) => {
    const head = make('tr', {}, ...heads.map((name, n) => make('th', { scope: 'col', class: n ? 'num' : null }, name)));
    table.replaceChildren(make('caption', {}, caption), make('thead', {}, head),
      make('tbody', {}, ...rows.map((cells) => make('tr', {}, ...cells.map((cell, n) =>
        (n ? make('td', { class: 'num' }, cell) : make('th', { scope: 'row' }, cell)))))));
  };

  return { get, set, make, svg, write, title, show, timed, tickAll, keyed, isInUse, options, toTable };
})();
