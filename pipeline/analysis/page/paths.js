// A Sankey diagram of the strongest flows from the input to the logits.
import { Chart, encode } from './charts.js';
import { choice, fill, h, number, percent, select, short } from './dom.js';
import { whatAdds } from './given.js';
import { colour } from './theme.js';

const REST = -1;
const BIAS = -2;

// Consecutive layers, from the input up, as far as the store has flows between them.
function chain(data) {
  const layers = [data.layers[0].name];
  for (let k = 1; k < data.layers.length; k++) {
    const next = data.layers[k].name;
    if (!data.flow(layers[layers.length - 1], next)) return { layers, missing: `${layers[layers.length - 1]}-${next}` };
    layers.push(next);
  }
  return { layers, missing: null };
}

// Positions of the largest `weight`s.
function heaviest(weight, most) {
  return Array.from(weight.keys()).sort((a, b) => weight[b] - weight[a] || a - b).slice(0, most);
}

// Channels to draw, layer by layer from the top: those that send most to the ones drawn above.
function keep(data, layers, slot, most) {
  const kept = new Array(layers.length);
  for (let k = layers.length - 1; k > 0; k--) {
    const matrix = data.flowMatrix(`${layers[k - 1]}-${layers[k]}`, slot);
    const into = (i) => matrix.columns.reduce((sum, _, j) => sum + (Math.abs(matrix.at(i, j)) || 0), 0);
    if (!kept[k]) kept[k] = new Set(heaviest(matrix.rows.map((_, i) => into(i)), most).map((i) => matrix.rows[i]));
    const above = Array.from(matrix.rows.keys()).filter((i) => kept[k].has(matrix.rows[i]));
    const sent = matrix.columns.map((_, j) => above.reduce((sum, i) => sum + (Math.abs(matrix.at(i, j)) || 0), 0));
    kept[k - 1] = new Set(heaviest(sent, most).map((j) => matrix.columns[j]));
  }
  return kept;
}

// Flows of one pair between the channels that are kept; all others are one node.
function pairLinks(data, lower, upper, keptLower, keptUpper, slot) {
  const matrix = data.flowMatrix(`${lower}-${upper}`, slot);
  const sums = new Map();
  matrix.rows.forEach((u, i) => matrix.columns.forEach((l, j) => {
    const key = `${keptLower.has(l) ? l : REST},${keptUpper.has(u) ? u : REST}`;
    sums.set(key, (sums.get(key) || 0) + (matrix.at(i, j) || 0));
  }));
  const links = Array.from(sums, ([key, value]) => ({ lower: Number(key.split(',')[0]), upper: Number(key.split(',')[1]), value }));
  const toBias = slot === null ? data.array(`flows/${lower}-${upper}/to_bias`) : null;
  if (toBias) {
    const bias = new Map();
    toBias.forEach((value, u) => { const key = keptUpper.has(u) ? u : REST; bias.set(key, (bias.get(key) || 0) + value); });
    for (const [u, value] of bias) links.push({ lower: BIAS, upper: u, value });
  }
  return links;
}

// Links that are drawn of one step, with the share of it that each is.
function stepLinks(data, layers, kept, k, now) {
  const all = pairLinks(data, layers[k], layers[k + 1], kept[k], kept[k + 1], now.slot).filter((link) => Math.abs(link.value) > 1e-12);
  const rest = (link) => link.lower === REST || link.upper === REST;
  const strong = all.filter((link) => !rest(link));
  const largest = strong.reduce((most, { value, lower }) => (lower === BIAS ? most : Math.max(most, Math.abs(value))), 0);
  const drawn = strong.filter(({ value }) => Math.abs(value) >= now.threshold * largest);
  const total = drawn.reduce((sum, { value }) => sum + Math.abs(value), 0);
  const of = (list) => list.map((link) => ({ ...link, layer: k, from: `${layers[k]}:${link.lower}`, to: `${layers[k + 1]}:${link.upper}`,
    width: now.whole ? Math.abs(link.value) : Math.abs(link.value) / total }));
  return { links: of(now.whole ? [...drawn, ...all.filter(rest)] : drawn), hidden: strong.length - drawn.length,
    bias: all.some(({ lower }) => lower === BIAS) };
}

function graph(data, now) {
  const { layers, missing } = chain(data);
  const kept = layers.length > 1 ? keep(data, layers, now.slot, now.most) : [];
  const steps = layers.slice(1).map((_, k) => stepLinks(data, layers, kept, k, now));
  return { layers, missing, links: steps.flatMap(({ links }) => links), hidden: steps.reduce((sum, { hidden }) => sum + hidden, 0), bias: steps.some(({ bias }) => bias) };
}

function nodeName(data, layer, channel) {
  if (channel === REST) return `other channels of ${layer}`;
  return channel === BIAS ? `bias of ${layer}’s link above` : data.channelName(layer, channel);
}

function linkColour(link) {
  if (link.lower === REST || link.upper === REST) return colour('rest');
  if (link.lower === BIAS) return colour('bias');
  return colour(link.value < 0 ? 'negative' : 'positive');
}

function label(data, layer, channel, last) {
  if (channel === REST) return '';
  if (channel === BIAS) return 'bias';
  if (data.layer(layer).channels === 1) return layer;
  return last ? short(data.channelName(layer, channel)) : String(channel);
}

function option(data, found, width) {
  const vertical = width < 640;
  const names = new Map();
  for (const link of found.links) {
    names.set(link.from, { layer: link.layer, channel: link.lower });
    names.set(link.to, { layer: link.layer + 1, channel: link.upper });
  }
  const depth = found.layers.length - 1;
  const classes = found.layers[depth] === data.layers[data.layers.length - 1].name;
  const nodes = Array.from(names, ([name, { layer, channel }]) => ({
    name, depth: layer, channel, layer: found.layers[layer],
    itemStyle: { color: channel === BIAS ? colour('bias') : channel === REST ? colour('rest') : colour('neurons'), borderWidth: 0 },
    // Names need room that there is not below a narrow chart.
    label: { formatter: label(data, found.layers[layer], channel, classes && layer === depth), ...(vertical && classes && layer === depth ? { rotate: 35, align: 'right' } : {}) },
  }));
  const right = vertical ? 24 : classes ? 96 : 40;
  const span = vertical ? null : (width - 16 - right - 12) / depth;
  const bottom = vertical ? (classes ? 66 : 30) : 12;
  const height = vertical ? 64 * depth + 30 + bottom : 560;
  return {
    height,
    title: found.layers.map((layer, k) => (vertical
      ? { text: layer, left: 0, top: 20 + ((height - bottom - 36) / depth) * k, textStyle: { fontSize: 11, fontWeight: 400, color: colour('muted') } }
      : { text: layer.replace('conv', ''), left: 16 + 6 + span * k, top: 4, textAlign: 'center', textStyle: { fontSize: 12, fontWeight: 400, color: colour('muted') } })),
    tooltip: { trigger: 'item', formatter: ({ dataType, data: item }) => (dataType === 'edge'
      ? `${encode(nodeName(data, found.layers[item.layer], item.lower))} → ${encode(nodeName(data, found.layers[item.layer + 1], item.upper))}<br><b>${number(item.signed, 3)}</b>`
      : encode(nodeName(data, item.layer, item.channel))) },
    series: [{
      type: 'sankey', orient: vertical ? 'vertical' : 'horizontal', left: vertical ? 56 : 16, right, top: vertical ? 24 : 30, bottom,
      nodeWidth: 12, nodeGap: vertical ? 5 : 9, layoutIterations: 24, draggable: false, emphasis: { focus: 'adjacency' },
      data: nodes, lineStyle: { opacity: 0.38, curveness: 0.5 },
      label: { color: colour('ink'), fontSize: 11, position: vertical ? 'bottom' : 'right', distance: 4 },
      links: found.links.map((link) => ({ source: link.from, target: link.to, value: link.width, signed: link.value, lower: link.lower, upper: link.upper, layer: link.layer,
        lineStyle: { color: linkColour(link) } })),
    }],
  };
}

function notes(data, found, now) {
  const list = [];
  if (found.missing) list.push(h('p', { class: 'note' }, `The diagram ends at ${found.layers[found.layers.length - 1]}: the store has no flows for ${found.missing}; `, ...whatAdds(found.missing)));
  if (now.slot !== null) list.push(h('p', { class: 'hint' }, 'The store has no bias flows by class.'));
  else if (!found.bias) list.push(h('p', { class: 'hint' }, data.summary.given === 'none' ? 'No relevance flows to biases.' : 'Only walks that fulfil the condition count here, and none of them enters a bias; the ledger shows the biases’ share of all walks.'));
  list.push(h('p', { class: 'hint' }, `${found.hidden} weaker flows between these channels are not drawn.`));
  return list;
}

export function paths(data, state) {
  const element = h('div', { class: 'chart', id: 'paths-chart' });
  const after = h('div');
  const now = { slot: null, most: 5, threshold: 0.1, whole: false };
  const section = (...children) => h('section', { id: 'paths', 'aria-labelledby': 'h-paths' }, h('h2', { id: 'h-paths' }, 'Strongest flows from input to logits'), children);
  if (chain(data).layers.length < 2) return section(h('p', { class: 'note' }, 'The store has no flows that start at the input (', h('code', {}, 'measure.flows = adjacent, dense'), ').'));
  let found = graph(data, now);
  const chart = new Chart(element, (width) => option(data, found, width), ({ dataType, data: item }) => {
    if (dataType === 'node' && item.channel >= 0) state.set({ layer: item.layer, channel: item.channel });
  });
  const draw = () => {
    found = graph(data, now);
    chart.draw();
    fill(after, notes(data, found, now));
  };
  const threshold = h('output', {}, percent(now.threshold, 0));
  const slider = (name, attributes, oninput) => h('label', {}, h('span', {}, name), h('input', { type: 'range', ...attributes, oninput }));
  const kept = h('output', {}, String(now.most));
  const controls = h('div', { class: 'controls' },
    data.flow_classes.length ? select('Images', [['', 'all'], ...data.flow_classes.map((k, slot) => [slot, data.className(k)])], '',
      (slot) => { now.slot = slot === '' ? null : Number(slot); draw(); }) : null,
    slider(['Channels of every layer: ', kept], { min: 1, max: 12, value: now.most }, (event) => { now.most = Number(event.target.value); kept.value = String(now.most); draw(); }),
    slider(['Hide below ', threshold, ' of a step’s largest'], { min: 0, max: 100, step: 5, value: 100 * now.threshold }, (event) => { now.threshold = Number(event.target.value) / 100; threshold.value = percent(now.threshold, 0); draw(); }),
    choice('Widths', [[false, 'shares of a step'], [true, 'of the whole measure']], now.whole, (whole) => { now.whole = whole; draw(); }));
  draw();
  return section(h('p', { class: 'lead' }, 'From the strongest channels at the end, step by step, to the channels below with the strongest flows. Red is relevance for the target, blue against it, amber comes from a bias, grey is all other channels. The flows into and out of a channel may belong to different walks: adjacent flows do not form one walk.'),
    controls, element, after);
}
