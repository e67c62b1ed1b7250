// The page: sections from top to bottom, and a list of them that follows the reader.
import { channel } from './channel.js';
import { layerChart, strips } from './channels.js';
import { classes } from './classes.js';
import { Data } from './data.js';
import { fill, h } from './dom.js';
import { evaluation } from './evaluation.js';
import { flows } from './flows.js';
import { ledger } from './ledger.js';
import { banners, overview } from './overview.js';
import { paths } from './paths.js';
import { run } from './run.js';
import { State } from './state.js';
import { startTheme, theme, toggleTheme } from './theme.js';

const SECTIONS = [['overview', 'Overview'], ['ledger', 'Ledger'], ['channels', 'Channels'], ['classes', 'Classes'], ['flows', 'Flows'], ['paths', 'Input to logits'], ['run', 'The run']];

function head(data) {
  const { summary } = data;
  const button = h('button', { type: 'button', title: 'Switch between light and dark', onclick: toggleTheme }, theme() === 'dark' ? 'Light' : 'Dark');
  button.addEventListener('click', () => { button.textContent = theme() === 'dark' ? 'Light' : 'Dark'; });
  document.title = `${data.store} – nrmflow report`;
  return h('header', {}, h('div', {}, h('h1', {}, data.store),
    h('p', { class: 'lead' }, `Normalized relevance of ${summary.network || 'a network'}: how much its channels contribute, and how relevance flows between them`)), button);
}

// Those of the page: an evaluation is in few reports.
function sectionsOf(data) {
  return data.evaluation ? [SECTIONS[0], ['evaluation', 'How far to trust this'], ...SECTIONS.slice(1)] : SECTIONS;
}

function navigation(data) {
  const sections = sectionsOf(data);
  const links = new Map(sections.map(([id, name]) => [id, h('a', { href: `#${id}` }, name)]));
  const list = h('ul', {}, Array.from(links.values(), (link) => h('li', {}, link)));
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? 'add' : 'delete'](entry.target.id);
    const now = sections.map(([id]) => id).find((id) => seen.has(id));
    for (const [id, link] of links) {
      if (id === now) {
        link.setAttribute('aria-current', 'true');
        list.scrollTo({ left: link.offsetLeft - list.offsetLeft - 40 });
      } else link.removeAttribute('aria-current');
    }
  }, { rootMargin: '-25% 0px -65% 0px' });
  requestAnimationFrame(() => { for (const [id] of sections) observer.observe(document.getElementById(id)); });
  return h('nav', { 'aria-label': 'Sections' }, list);
}

// The most relevant channel of the last cut below the head, or else of the highest layer.
function firstChoice(data) {
  const layer = (data.layers.find(({ name }) => name === data.network.first) || data.layers[data.layers.length - 1]).name;
  return new State(layer, data.order(layer)[0]);
}

function channels(data, state) {
  return h('section', { id: 'channels', 'aria-labelledby': 'h-channels' }, h('h2', { id: 'h-channels' }, 'Channels by relevance'), strips(data, state), layerChart(data, state), channel(data, state));
}

function show(page, data) {
  const parts = [head(data), navigation(data), ...banners(data), overview(data), ...(data.evaluation ? [evaluation(data)] : []), ledger(data)];
  if (data.layers.length) {
    const state = firstChoice(data);
    parts.push(channels(data, state), classes(data, state), flows(data, state), paths(data, state));
  } else {
    parts.push(...SECTIONS.slice(2, -1).map(([id, name]) => h('section', { id }, h('h2', {}, name), h('p', { class: 'note' }, 'The store has no statistics yet.'))));
  }
  fill(page, parts, run(data));
  page.dataset.ready = 'true';
}

async function main() {
  const page = document.getElementById('page');
  startTheme();
  try {
    show(page, await Data.load());
  } catch (error) {
    fill(page, h('div', { class: 'banner bad', role: 'alert' }, h('strong', {}, 'This report cannot be shown'), h('p', {}, `${error.message}. It needs a browser from 2023 or later; the file may also be truncated.`)));
    throw error;
  }
}

main();
