'use strict';
// Whatever comes from a sweep enters the page as text, here and nowhere else.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== '') node.append(child);
  }
  return node;
}
const element = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const drawn = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Plotly reads a few tags in its texts; there are none in ours. Long ones are cut.
function label(text, most = 60) {
  const cut = text.length > most ? text.slice(0, most - 1) + '…' : text;
  return cut.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/[\n\r]+/g, ' ')
    .replace(/\$/g, '&#36;');
}

// Labels side by side: those that differ are never cut to the same text. Words that all have are left out
// first where that would happen; then they are numbered.
function labels(texts, most = 60) {
  const different = new Set(texts);
  const apart = (found) => new Set(found).size >= different.size;
  const cut = texts.map((text) => label(text, most));
  if (apart(cut)) return cut;
  const words = texts.map((text) => text.split(/\s+/));
  const common = new Set(words[0].filter((word) => words.every((line) => line.includes(word))));
  const kept = words.map((line, index) => line.filter((word) => !common.has(word)).join(' ') || texts[index]);
  const short = kept.map((text) => label(text, most));
  if (apart(short)) return short;
  const numbers = new Map([...different].map((text, index) => [text, ` (${index + 1})`]));
  return texts.map((text, index) => label(kept[index], most - numbers.get(text).length) + numbers.get(text));
}

function number(value, digits = 3) {
  if (value === null || value === undefined) return '';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e5) return String(value);
  if (size >= 1e12) return value.toExponential(2);
  for (const [unit, name] of [[1e9, ' G'], [1e6, ' M'], [1e4, ' k']]) {
    if (size >= unit) return (value / (unit === 1e4 ? 1e3 : unit)).toPrecision(3) + name;
  }
  return String(Number(value.toPrecision(digits)));
}
// Numbers side by side: short, unless two that differ would read alike.
function numbers(values) {
  const short = values.map((value) => (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : number(value, 4)));
  return new Set(short).size < new Set(values).size ? values.map(String) : short;
}
// The order of values: numbers by size, also within texts.
const inOrder = (a, b) => a.localeCompare(b, undefined, { numeric: true });

const interval = (found) => (found ? found.text : '');

function chooser(name, choices, chosen, onchange) {
  const select = element('select', { 'aria-label': name, onchange: () => onchange(Number(select.value)) },
    choices.map((choice, index) => element('option', { value: index, selected: index === chosen }, choice)));
  return element('label', {}, name, select);
}

function section(id, title, explanation, ...children) {
  return element('section', { id },
    element('h2', {}, title), explanation ? element('p', { class: 'explain' }, explanation) : null, ...children);
}

const cell = (text) => element('div', { class: 'cell' }, text);

// A table that scrolls in itself where the window is too narrow, and shows that there is more.
function scrolled(...children) {
  const inner = element('div', { class: 'scroll', tabindex: 0, onscroll: look }, element('table', {}, ...children));
  const frame = element('div', { class: 'frame' }, inner);
  function look() {
    frame.classList.toggle('more-left', inner.scrollLeft > 1);
    frame.classList.toggle('more-right', inner.scrollLeft + inner.clientWidth < inner.scrollWidth - 1);
  }
  const watcher = new ResizeObserver(look);
  watcher.observe(inner);
  watcher.observe(inner.firstChild);
  return [frame, element('p', { class: 'explain sideways' }, 'Scroll sideways to see all columns.')];
}

const listed = (names) => [names.slice(0, -1).join(', '), names[names.length - 1]].filter(Boolean).join(' and ');

const read = (id) => JSON.parse(document.getElementById(id).textContent);
async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}
