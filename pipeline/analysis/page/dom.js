// Elements and numbers as text.

// h('p', { class: 'note', onclick: f }, 'text', element, ...). Text is never read as HTML.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// The keyboard's place stays: on the same element, on one of the same data-name, or on `element` if that can have it.
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  if (focused) {
    const next = element.contains(focused) ? focused : focused.dataset.name && element.querySelector(`[data-name="${CSS.escape(focused.dataset.name)}"]`);
    (next || element).focus({ preventScroll: true });
  }
  return element;
}

// Four significant digits; powers of ten where zeros would hide them.
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  const plain = size >= 1e-3 && size < 1e5 ? value.toPrecision(digits) : value.toExponential(digits - 1);
  return (plain.includes('e+') && size < 1e5 ? String(Math.round(value)) : plain).replace('-', '−').replace('e-', 'e−').replace('e+', 'e');
}

// On an axis: two digits, no zeros at the end.
export function tick(value) {
  return number(value, 2).replace(/(\.\d*?)0+(?=e|$)/, '$1').replace(/\.(?=e|$)/, '');
}

export function count(value) {
  return value.toLocaleString('en-US');
}

export function withError(value, error) {
  return error === null || error === undefined || Number.isNaN(error) ? number(value) : `${number(value)} ± ${number(error, 2)}`;
}

export function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)} %`;
}

export function bytes(size) {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = size;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

const LETTERS = 14;

export function short(name) {
  return name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name;
}

let labels = 0;

// A labelled select. `options` are [value, text].
export function select(label, options, value, onchange) {
  const id = `select-${labels++}`;
  const element = h('select', { id, 'data-name': label, onchange: () => onchange(element.value) },
    options.map(([key, name]) => h('option', { value: key, selected: String(key) === String(value) }, name)));
  return h('label', { for: id }, label, element);
}

// Buttons of which one is pressed. `options` are [value, text].
export function choice(label, options, value, onchange) {
  const buttons = options.map(([key, name]) => h('button', {
    type: 'button', 'aria-pressed': String(key === value), 'data-name': `${label} ${name}`,
    onclick: (event) => {
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === event.target));
      onchange(key);
    },
  }, name));
  return h('div', { class: 'field', role: 'group', 'aria-label': label }, label, h('span', { class: 'group' }, buttons));
}

export function table(caption, heads, rows) {
  const cell = (tag, value, i, scope) => h(tag, { class: heads[i].text ? 'text' : null, scope }, value);
  return h('div', { class: 'scroll' }, h('table', {}, h('caption', {}, caption),
    h('thead', {}, h('tr', {}, heads.map((head, i) => cell('th', head.name, i, 'col')))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((value, i) => cell(i ? 'td' : 'th', value, i, i ? null : 'row')))))));
}

// What a reader must know; `kind` is bad, warn or good.
export function banner(kind, title, ...text) {
  return h('div', { class: `banner ${kind}`, role: kind === 'good' ? null : 'alert' }, h('strong', {}, title), h('p', {}, text));
}

// A list of labelled bars; rows are {name, value, text, title, onclick}. The colour is that of the sign, or one for all.
export function bars(rows, { wide = false, colour = null, empty = 'Nothing to show.' } = {}) {
  const largest = rows.reduce((most, row) => Math.max(most, Math.abs(row.value) || 0), 0);
  if (!rows.length) return h('p', { class: 'note' }, empty);
  return h('ul', { class: wide ? 'bars wide' : 'bars' }, rows.map((row) => h('li', { title: row.title || row.name },
    row.onclick ? h('button', { type: 'button', class: 'link name', onclick: row.onclick }, row.name)
      : h('span', { class: 'name' }, row.name),
    h('span', { class: 'track' }, h('span', {
      class: 'fill',
      style: `width:${largest ? (100 * Math.abs(row.value)) / largest : 0}%;background:var(--${colour || (row.value < 0 ? 'negative' : 'positive')})`,
    })),
    h('span', { class: 'number' }, row.text || number(row.value)))));
}
