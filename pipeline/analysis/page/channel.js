// One channel: its numbers, where it comes from and goes to, its classes and its images.
import { Chart, axis, encode } from './charts.js';
import { bars, count, fill, h, number, select, tick } from './dom.js';
import { givenChannel, whatAdds, strongest } from './given.js';
import { thumbnails } from './images.js';
import { colour } from './theme.js';

const LISTED = 8;

function tile(label, value, more, key) {
  return h('div', { class: 'tile' }, h('div', { class: 'label' }, label), h('div', { class: 'value', 'data-key': key }, value), h('div', { class: 'more' }, more));
}

function tiles(data, layer, c) {
  const of = (name) => data.of(layer, name)[c];
  const rank = data.order(layer).indexOf(c) + 1;
  return h('div', { class: 'tiles small' },
    tile('Mean relevance', number(of('mean')), `± ${number(of('std_error'), 2)}`, 'mean'),
    tile('Rank in its layer', `${rank}`, `of ${data.layer(layer).channels}`, 'rank'),
    tile('Spread over images', number(of('std')), 'standard deviation', 'std'),
    tile('Positive part', number(of('mean_positive')), `negative ${number(of('mean_negative'))}`, 'mean_positive'),
    tile('Range over images', `${number(of('min'), 2)} … ${number(of('max'), 2)}`, data.summary.given === 'none' ? 'lowest and highest of an image' : 'not divided by the condition', 'range'));
}

// Neighbours of a channel in the nearest layer of one side that the store has weighted neighbours for.
function neighbours(data, state, side) {
  const names = data.layers.map((layer) => layer.name);
  const at = names.indexOf(state.layer);
  const other = names[side === 'up' ? at + 1 : at - 1];
  const heading = side === 'up' ? 'Downstream: where it goes' : 'Upstream: where it comes from';
  if (!other) return h('div', {}, h('h3', {}, heading), h('p', { class: 'note' }, side === 'up' ? 'These are the logits.' : 'This is the input.'));
  const found = givenChannel(data, other, state.layer, state.channel);
  const title = h('h3', {}, `${heading} (${other})`);
  if (!found.values) {
    return h('div', {}, title, h('p', { class: 'note' }, found.partial ? 'This report does not contain the channel for this pair of layers.'
      : ['The store has no flows for ', found.pair, '; ', ...whatAdds(found.pair)]));
  }
  return h('div', {}, title, bars(strongest(found, LISTED).map(({ channel, value, joint }) => ({
    name: data.channelName(other, channel), value, text: number(value, 3), title: `flow ${number(joint, 3)}, ${number(value, 3)} of this channel's relevance`,
    onclick: () => state.set({ layer: other, channel }),
  }))), h('p', { class: 'hint' }, 'Share of this channel’s relevance.'));
}

function classesOf(data, layer, c) {
  const matrix = data.matrix(`layers/${layer}/class_mean`);
  const title = h('h3', {}, 'Classes');
  const values = matrix && matrix.column(c);
  if (!values) return h('div', {}, title, h('p', { class: 'note' }, matrix ? 'This report does not contain the channel’s means by class.' : 'The store has no means by class.'));
  const rows = Array.from(values.keys()).filter((k) => Number.isFinite(values[k])).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a])).slice(0, LISTED);
  return h('div', {}, title, bars(rows.map((k) => ({ name: data.className(k), value: values[k], text: number(values[k], 3) })), { wide: true }),
    h('p', { class: 'hint' }, 'Mean relevance over the images of a class.'));
}

function histogramOption(counts, edges, width) {
  // Only where there are images, and a bin on either side.
  const used = Array.from(counts.keys()).filter((i) => counts[i]);
  const first = Math.max(0, (used[0] || 0) - 1);
  const last = Math.min(counts.length - 1, (used[used.length - 1] || 0) + 1);
  const bins = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return {
    height: 190, grid: { left: 52, right: 14, top: 14, bottom: 44 },
    tooltip: { trigger: 'axis', formatter: ([point]) => `${number(edges[bins[point.dataIndex]], 3)} to ${number(edges[bins[point.dataIndex] + 1], 3)}<br>${encode(count(counts[bins[point.dataIndex]]))} images` },
    xAxis: axis({ type: 'category', data: bins.map((i) => tick(edges[i])), name: 'relevance of an image (signed logarithmic)', nameLocation: 'middle', nameGap: 28, splitLine: { show: false },
      axisLabel: { color: colour('muted'), fontSize: 11, interval: Math.max(0, Math.ceil(bins.length / (width / 70)) - 1) } }),
    yAxis: axis({ type: 'value', name: '' }),
    series: [{ type: 'bar', barCategoryGap: '8%', data: bins.map((i) => ({ value: counts[i], itemStyle: { color: colour(edges[i + 1] < 0 ? 'negative' : edges[i] > 0 ? 'positive' : 'rest') } })) }],
  };
}

function histogram(data, layer, c) {
  const shape = data.shape(`layers/${layer}/histogram`);
  const element = h('div', { class: 'chart' });
  if (!shape) return h('div', {}, h('h3', {}, 'Images by relevance'), h('p', { class: 'note' }, 'The store has no histograms (store.histogram_bins = 0).'));
  const counts = data.of(layer, 'histogram').subarray(c * shape[1], (c + 1) * shape[1]);
  const chart = new Chart(element, (width) => histogramOption(counts, data.of(layer, 'histogram_edges'), width));
  return [h('div', {}, h('h3', {}, 'Images by relevance'), element), chart];
}

export function channel(data, state) {
  const body = h('div', { class: 'detail', id: 'channel', 'aria-live': 'polite', tabindex: -1 });
  let ends = [];
  const draw = () => {
    const { layer, channel: c } = state;
    const [hist, chart] = [].concat(histogram(data, layer, c));
    const [images, stop] = thumbnails(data, layer, c);
    for (const end of ends) end();
    ends = [chart ? () => chart.end() : null, stop].filter(Boolean);
    const pick = select('Channel', data.order(layer).map((i, rank) => [i, `${rank + 1}. ${data.channelName(layer, i)}`]), c, (value) => state.set({ channel: Number(value) }));
    fill(body, h('h2', { 'data-key': 'channel-name' }, data.channelName(layer, c)), h('div', { class: 'controls' }, pick,
      h('button', { type: 'button', 'aria-pressed': String(state.given), 'data-name': 'given', onclick: () => state.set({ given: !state.given }) }, 'Show all layers given this channel')),
      tiles(data, layer, c),
      h('div', { class: 'columns' }, neighbours(data, state, 'down'), neighbours(data, state, 'up'), classesOf(data, layer, c)),
      h('div', { class: 'columns' }, hist, images));
  };
  state.on(draw);
  draw();
  return body;
}

