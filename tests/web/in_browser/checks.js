// Checks of accessibility in the manner of axe, run in the page; returns a list of problems in words.
const problems = [];
const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[aria-hidden="true"]');
const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
const words = (element) => `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ''}.${element.getAttribute('class') || ''} "${(element.textContent || '').trim().slice(0, 30)}"`;
const problem = (what, element) => problems.push(`${what}: ${words(element)}`);

// Names of what can be operated or has a role.
const nameOf = (element) => {
  const by = (element.getAttribute('aria-labelledby') || '').split(/\s+/).filter(Boolean)
    .map((id) => document.getElementById(id)?.textContent || '').join(' ').trim();
  const labels = [...(element.labels || [])].map((label) => label.textContent.trim()).join(' ');
  return by || element.getAttribute('aria-label') || labels || (element.matches('input, select, textarea, [role="meter"], [role="img"]') ? '' : element.textContent.trim());
};
for (const element of all('button, a[href], input, select, textarea, summary, [role="meter"], [role="img"], nav, table, form, dialog[open], [role="region"]')) {
  if (!nameOf(element) && !(element.tagName === 'FORM' && element.method === 'dialog') && !(element.tagName === 'TABLE' && element.caption)) problem('no name', element);
}
for (const list of ['aria-labelledby', 'aria-describedby', 'aria-controls']) {
  for (const element of document.querySelectorAll(`[${list}]`)) {
    for (const id of element.getAttribute(list).split(/\s+/)) if (!document.getElementById(id)) problem(`${list} names nothing`, element);
  }
}
const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) problems.push(`two elements have the id ${id}`);

// Landmarks, headings, language, tables.
for (const [selector, least, most] of [['main', 1, 1], ['h1', 1, 1], ['nav', 1, 9], ['body > header', 1, 1], ['body > footer', 1, 1]]) {
  const count = all(selector).length;
  if (count < least || count > most) problems.push(`${count} times ${selector}`);
}
if (!document.documentElement.lang || !document.title) problems.push('no language or title');
let level = 0;
for (const heading of all('h1, h2, h3, h4, h5, h6')) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) problem(`a heading of level ${own} after ${level}`, heading);
  level = own;
}
for (const header of all('th')) if (!header.getAttribute('scope')) problem('a header without scope', header);
for (const table of all('table')) {
  const columns = [...table.rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0));
  if (new Set(columns).size > 1) problem(`rows of ${[...new Set(columns)]} columns`, table);
}
const LISTS = { UL: 'LI', OL: 'LI' };
for (const list of all('ul, ol')) for (const child of list.children) if (child.tagName !== LISTS[list.tagName]) problem('in a list', child);
for (const meter of all('[role="meter"]')) if (!meter.getAttribute('aria-valuetext')) problem('a meter without words', meter);

// Contrast of texts (WCAG 2.2, 1.4.3) and of the edges of controls (1.4.11).
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
const groundOf = (element) => {
  const layers = [];
  for (let each = element; each; each = each.parentElement) {
    layers.push(rgba(getComputedStyle(each).backgroundColor));
    if (layers[layers.length - 1][3] === 1) break;
  }
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
};
const luminance = (color) => color.slice(0, 3).map((value) => value / 255)
  .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, n) => sum + value * [0.2126, 0.7152, 0.0722][n], 0);
const ratio = (a, b) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};
for (const fill of all('.meter .fill')) {
  const found = ratio(groundOf(fill), groundOf(fill.parentElement));
  if (fill.offsetWidth && found < 3) problem(`a fill's contrast ${found.toFixed(2)}`, fill.parentElement);
}
const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
for (const element of [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility() && hasText(each))) {
  const style = getComputedStyle(element);
  if (element.closest('title') || element.tagName === 'OPTION') continue;
  const color = element.namespaceURI.includes('svg') ? style.fill : style.color;
  const ground = groundOf(element);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
  const found = ratio(over(rgba(color), ground), ground);
  if (found < (large ? 3 : 4.5)) problem(`contrast ${found.toFixed(2)}`, element);
}
for (const field of all('input, select')) {
  const style = getComputedStyle(field, field.type === 'search' ? '::placeholder' : null);
  const found = ratio(over(rgba(style.color), groundOf(field)), groundOf(field));
  if (field.type !== 'checkbox' && found < 4.5) problem(`contrast ${found.toFixed(2)} in a field`, field);
  const edge = ratio(rgba(getComputedStyle(field).borderTopColor), groundOf(field.parentElement));
  if (field.type !== 'checkbox' && edge < 3) problem(`contrast ${edge.toFixed(2)} of an edge`, field);
}
for (const shape of all('#usage-chart rect, #quota-charts path')) {
  const style = getComputedStyle(shape);
  const found = ratio(rgba(shape.tagName === 'path' ? style.stroke : style.fill), groundOf(shape));
  if (found < 3) problem(`contrast ${found.toFixed(2)} of a shape`, shape);
}

// Sizes of targets (WCAG 2.2, 2.5.8), nothing that scrolls the page sideways.
for (const element of all('button, select, input:not([type="checkbox"])')) {
  const { width, height } = element.getBoundingClientRect();
  if (width < 24 || height < 23.5) problem(`a target of ${width.toFixed(0)}×${height.toFixed(0)}`, element);
}
if (document.documentElement.scrollWidth > window.innerWidth) problems.push(`the page is ${document.documentElement.scrollWidth} wide`);
return [...new Set(problems)];
