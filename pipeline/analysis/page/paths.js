// A Sankey diagram of the strongest flows from the input to the logits.
import { Chart, encode } from './charts.js';
import { choice, fill, h, number, percent, select, short } from './dom.js';
import { whatAdds } from './given.js';
import { colour } from './theme.js';

const REST = -1;
const BIAS = -2;
const MOST_NAMES = 20;

// Layers from the input up as far as the store has flows along their connections, and these: { lower, upper } are places
// of layers. In a chain they are consecutive; the connections of a branch or a skip have steps of their own.
function ways(data) {
  const names = data.layers.map(({ name }) => name);
  const along = data.flows.filter(({ name }) => data.array(`flows/${name}/to_bias`))
    .map((flow) => ({ lower: names.indexOf(flow.lower), upper: names.indexOf(flow.upper) }))
    .filter(({ lower, upper }) => lower >= 0 && upper >= 0).sort((p, q) => p.upper - q.upper || p.lower - q.lower);
  const reached = new Set([0]);
  for (const { lower, upper } of along) if (reached.has(lower)) reached.add(upper);
  const top = Math.max(...reached);
  const leads = new Set([top]);
  for (const { lower, upper } of [...along].reverse()) if (reached.has(lower) && leads.has(upper)) leads.add(lower);
  const places = Array.from(leads).sort((p, q) => p - q);
  return {
    layers: places.map((k) => names[k]),
    steps: along.filter(({ lower, upper }) => leads.has(lower) && leads.has(upper))
      .map(({ lower, upper }) => ({ lower: places.indexOf(lower), upper: places.indexOf(upper) })),
    missing: top + 1 < names.length ? `${names[top]}-${names[top + 1]}` : null,
  };
}

// Positions of the largest `weight`s.
function heaviest(weight, most) {
  return Array.from(weight.keys()).sort((a, b) => weight[b] - weight[a] || a - b).slice(0, most);
}

// Channels to draw, layer by layer from the top: those that send most to the ones drawn above.
function keep(data, { layers, steps }, slot, most) {
  const kept = new Array(layers.length);
  const matrices = steps.map(({ lower, upper }) => ({ lower, upper, matrix: data.flowMatrix(`${layers[lower]}-${layers[upper]}`, slot) }));
  for (let k = layers.length - 1; k >= 0; k--) {
    const weight = new Map();
    const add = (channel, value) => weight.set(channel, (weight.get(channel) || 0) + (Math.abs(value) || 0));
    for (const { lower, upper, matrix } of matrices)
      matrix.rows.forEach((u, i) => matrix.columns.forEach((l, j) => {
        if (k === layers.length - 1 && upper === k) add(u, matrix.at(i, j));
        else if (lower === k && kept[upper].has(u)) add(l, matrix.at(i, j));
      }));
    const channels = Array.from(weight.keys()).sort((p, q) => p - q);
    kept[k] = new Set(heaviest(channels.map((channel) => weight.get(channel)), most).map((i) => channels[i]));
  }
  return kept;
}

// Flows of one pair between the channels that are kept; all others are one node.
function pairLinks(data, lower, upper, keptLower, keptUpper, slot, withBias) {
  const matrix = data.flowMatrix(`${lower}-${upper}`, slot);
  const sums = new Map();
  matrix.rows.forEach((u, i) => matrix.columns.forEach((l, j) => {
    const key = `${keptLower.has(l) ? l : REST},${keptUpper.has(u) ? u : REST}`;
    sums.set(key, (sums.get(key) || 0) + (matrix.at(i, j) || 0));
  }));
  const links = Array.from(sums, ([key, value]) => ({ lower: Number(key.split(',')[0]), upper: Number(key.split(',')[1]), value }));
  const toBias = slot === null && withBias ? data.array(`flows/${lower}-${upper}/to_bias`) : null;
  if (toBias) {
    const bias = new Map();
    toBias.forEach((value, u) => { const key = keptUpper.has(u) ? u : REST; bias.set(key, (bias.get(key) || 0) + value); });
    for (const [u, value] of bias) links.push({ lower: BIAS, upper: u, value });
  }
  return links;
}

// Links that are drawn of the steps down from one layer, with the share of them that each is.
function layerLinks(data, { layers, steps }, kept, k, now) {
  const down = steps.filter(({ upper }) => upper === k);
  const all = down.flatMap(({ lower }, i) => pairLinks(data, layers[lower], layers[k], kept[lower], kept[k], now.slot, i === 0).map((link) => ({ ...link, below: lower })))
    .filter((link) => Math.abs(link.value) > 1e-12);
  const rest = (link) => link.lower === REST || link.upper === REST;
  const strong = all.filter((link) => !rest(link));
  const largest = strong.reduce((most, { value, lower }) => (lower === BIAS ? most : Math.max(most, Math.abs(value))), 0);
  const drawn = strong.filter(({ value }) => Math.abs(value) >= now.threshold * largest);
  const total = drawn.reduce((sum, { value }) => sum + Math.abs(value), 0);
  const of = (list) => list.map((link) => ({ ...link, above: k, from: `${layers[link.below]}:${link.lower}`, to: `${layers[k]}:${link.upper}`,
    width: now.whole ? Math.abs(link.value) : Math.abs(link.value) / total }));
  return { links: of(now.whole ? [...drawn, ...all.filter(rest)] : drawn), hidden: strong.length - drawn.length,
    bias: all.some(({ lower }) => lower === BIAS) };
}

function graph(data, now) {
  const way = ways(data);
  const kept = way.layers.length > 1 ? keep(data, way, now.slot, now.most) : [];
  const drawn = way.layers.slice(1).map((_, k) => layerLinks(data, way, kept, k + 1, now));
  return { ...way, links: drawn.flatMap(({ links }) => links), hidden: drawn.reduce((sum, { hidden }) => sum + hidden, 0), bias: drawn.some(({ bias }) => bias) };
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

// Above a wide chart there is room for the names of cuts only, if the network has branches.
function shortName(data, found, layer) {
  const deep = found.layers.length > MOST_NAMES && !data.layer(layer).cut;
  return deep ? '' : layer.replace(/^(conv|layer)|\.add$/g, '');
}

function option(data, found, width) {
  const vertical = width < 640;
  const names = new Map();
  for (const link of found.links) {
    names.set(link.from, { layer: link.below, channel: link.lower });
    names.set(link.to, { layer: link.above, channel: link.upper });
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
      : { text: shortName(data, found, layer), left: 16 + 6 + span * k, top: 4, textAlign: 'center', textStyle: { fontSize: 12, fontWeight: 400, color: colour('muted') } })),
    tooltip: { trigger: 'item', formatter: ({ dataType, data: item }) => (dataType === 'edge'
      ? `${encode(nodeName(data, found.layers[item.below], item.lower))} → ${encode(nodeName(data, found.layers[item.above], item.upper))}<br><b>${number(item.signed, 3)}</b>`
      : encode(nodeName(data, item.layer, item.channel))) },
    series: [{
      type: 'sankey', orient: vertical ? 'vertical' : 'horizontal', left: vertical ? 56 : 16, right, top: vertical ? 24 : 30, bottom,
      nodeWidth: 12, nodeGap: vertical ? 5 : 9, layoutIterations: 24, draggable: false, emphasis: { focus: 'adjacency' },
      data: nodes, lineStyle: { opacity: 0.38, curveness: 0.5 },
      label: { color: colour('ink'), fontSize: 11, position: vertical ? 'bottom' : 'right', distance: 4 },
      links: found.links.map((link) => ({ source: link.from, target: link.to, value: link.width, signed: link.value, lower: link.lower, upper: link.upper, below: link.below, above: link.above,
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
  if (ways(data).layers.length < 2) return section(h('p', { class: 'note' }, 'The store has no flows that start at the input (', h('code', {}, 'measure.flows = adjacent, dense'), ').'));
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
