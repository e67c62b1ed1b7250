// Where the measure is, layer by layer: on neurons, on ways past the layer, in biases, absorbed; and how much of it cancels.
import { blocks } from './blocks.js';
import { Chart, axis, encode } from './charts.js';
import { h, number, table } from './dom.js';
import { colour } from './theme.js';

const TERMS = [
  { key: 'mass', name: 'neurons', colour: 'neurons' },
  { key: 'bias', name: 'bias', colour: 'bias' },
  { key: 'absorbed', name: 'absorbed', colour: 'absorbed' },
];
const PAST = { key: 'bypass', name: 'past the layer', colour: 'rest' };

// A chain has no ways past a layer.
function termsOf(layers) {
  return layers.some((layer) => layer.bypass) ? [TERMS[0], PAST, ...TERMS.slice(1)] : TERMS;
}

function tip(layers) {
  return (points) => {
    const layer = layers[points[0].dataIndex];
    const rows = [...termsOf(layers).map((term) => [term.name, layer[term.key]]), ['total variation', layer.variation], ['largest gap of an image', layer.gap]];
    return `<b>${encode(layer.name)}</b>${rows.map(([name, value]) => `<br>${name}: ${number(value)}`).join('')}`;
  };
}

function option(layers, width) {
  const narrow = width < 560;
  const terms = termsOf(layers);
  const names = layers.map((layer) => layer.name);
  const row = 19;
  const tall = layers.length * row;
  const signed = layers.some((layer) => Math.min(layer.mass, layer.bias, layer.absorbed, layer.bypass || 0) < -0.005 || layer.mass > 1.05);
  const most = Math.max(...layers.map((layer) => layer.variation || 1));
  const heads = narrow ? [0, 0] : [63, width * 0.6 + 29];
  const first = narrow ? { left: 62, right: 12, top: 58, height: tall } : { left: 68, width: width * 0.6 - 68, top: 58, height: tall };
  const second = narrow ? { left: 62, right: 12, top: tall + 138, height: tall } : { left: width * 0.6 + 34, right: 24, top: 58, height: tall };
  const categories = (grid, labelled) => axis({ type: 'category', gridIndex: grid, data: names, splitLine: { show: false },
    axisLabel: { show: labelled, color: colour('ink'), fontSize: 12, interval: 0 } });
  return {
    height: narrow ? 2 * tall + 190 : tall + 100,
    legend: { left: heads[0], top: 24, itemHeight: 11, itemWidth: 16, itemGap: 18, selectedMode: false, textStyle: { color: colour('ink') }, data: terms.map((term) => term.name) },
    title: [{ text: 'Share of the measure (mean over images)', left: heads[0], top: 0, textStyle: titleStyle() },
      { text: 'Total variation (1: nothing cancels)', left: heads[1], top: narrow ? tall + 108 : 0, textStyle: titleStyle() }],
    tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, formatter: tip(layers) },
    grid: [first, second],
    xAxis: [axis({ type: 'value', gridIndex: 0, min: signed ? null : 0, max: signed ? null : 1 }),
      axis({ type: most > 10 ? 'log' : 'value', gridIndex: 1, min: 1, max: most > 10 ? null : Math.ceil(most * 2 + 0.2) / 2 })],
    yAxis: [categories(0, true), categories(1, narrow)],
    series: [...terms.map((term) => ({
      name: term.name, type: 'bar', stack: 'share', xAxisIndex: 0, yAxisIndex: 0, barWidth: 13, itemStyle: { color: colour(term.colour) },
      data: layers.map((layer) => layer[term.key]),
    })), {
      name: 'total variation', type: 'scatter', xAxisIndex: 1, yAxisIndex: 1, symbolSize: 9, itemStyle: { color: colour('accent') },
      data: layers.map((layer) => layer.variation),
    }],
  };
}

function titleStyle() {
  return { color: colour('ink'), fontSize: 13, fontWeight: 600 };
}

export function ledger(data) {
  const layers = data.summary.layers.filter((layer) => layer.mass !== undefined);
  const body = [];
  if (layers.length) {
    const chart = h('div', { class: 'chart', id: 'ledger-chart' });
    new Chart(chart, (width) => option(layers, width));
    const past = termsOf(layers).includes(PAST);
    const columns = [['Neurons', 'mass'], ...(past ? [['Past', 'bypass']] : []), ['Bias', 'bias'], ['Absorbed', 'absorbed'], ['Variation', 'variation'], ['Gap', 'gap']];
    body.push(chart, h('details', {}, h('summary', {}, 'The numbers'), table(`Means over the images; gap: largest |neurons ${past ? '+ past ' : ''}+ bias + absorbed − 1| of an image`,
      [{ name: 'Layer', text: true }, ...columns.map(([name]) => ({ name }))],
      [...layers].reverse().map((layer) => [layer.name, ...columns.map(([, key]) => number(layer[key]))]))));
  } else body.push(h('p', { class: 'note' }, 'No image has been measured yet.'));
  return h('section', { id: 'ledger', 'aria-labelledby': 'h-ledger' }, h('h2', { id: 'h-ledger' }, 'Ledger by layer'),
    h('p', { class: 'lead' }, 'From the logits (top) to the input (bottom). A bias counts as a neuron: walks that enter it never reach a pixel. The ledger is always that of the measure without condition.'), body, blocks(data));
}
