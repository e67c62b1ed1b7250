// The flow matrix of any pair of layers in the store.
import { choice, fill, h, number, select } from './dom.js';
import { Heatmap, legend } from './heatmap.js';
import { onTheme } from './theme.js';

// Positions of a matrix' rows or columns, strongest first or by number; at most so many.
function ordered(numbers, weight, sorted, most) {
  const strong = Array.from(numbers.keys()).sort((a, b) => weight[b] - weight[a] || a - b).slice(0, most);
  return sorted === 'strength' ? strong : strong.sort((a, b) => a - b);
}

function weights(matrix) {
  const rows = new Float64Array(matrix.nrows);
  const columns = new Float64Array(matrix.ncolumns);
  for (let i = 0; i < matrix.nrows; i++) {
    for (let j = 0; j < matrix.ncolumns; j++) {
      const size = Math.abs(matrix.at(i, j));
      if (!Number.isFinite(size)) continue;
      rows[i] += size;
      columns[j] += size;
    }
  }
  return { rows, columns };
}

function describe(data, flow, matrix) {
  const sampled = flow.method === 'sampled' ? ' These flows are sampled: each row is an unbiased estimate, and rows that were never drawn are zero.' : '';
  const partial = matrix.partial ? ` This report contains the strongest ${matrix.nrows} × ${matrix.ncolumns} channels only; the store has all.` : '';
  return `Column sums are the relevance of ${flow.lower}.${sampled}${partial}`;
}

export function flows(data, state) {
  const read = h('div', { class: 'read', 'aria-live': 'polite' });
  const map = new Heatmap(read);
  const body = h('div');
  const section = (...children) => h('section', { id: 'flows', 'aria-labelledby': 'h-flows' }, h('h2', { id: 'h-flows' }, 'Flow between two layers'), children);
  if (!data.flows.length) return section(h('p', { class: 'note' }, 'The store has no flows (', h('code', {}, 'measure.flows'), ').'));
  const now = { pair: (data.flows.find(({ upper }) => upper === state.layer) || data.flows[data.flows.length - 1]).name, sorted: 'strength', most: 128, slot: null };
  let mark = () => null;
  const draw = () => {
    const flow = data.flows.find(({ name }) => name === now.pair);
    const matrix = data.flowMatrix(now.pair, now.slot);
    const error = now.slot === null ? data.matrix(`flows/${now.pair}/std_error`) : null;
    const weight = weights(matrix);
    const rows = ordered(matrix.rows, weight.rows, now.sorted, now.most);
    const columns = ordered(matrix.columns, weight.columns, now.sorted, now.most);
    const up = (i) => matrix.rows[rows[i]];
    const low = (j) => matrix.columns[columns[j]];
    mark = () => {
      if (flow.upper === state.layer) return [rows.findIndex((_, i) => up(i) === state.channel), null];
      return flow.lower === state.layer ? [null, columns.findIndex((_, j) => low(j) === state.channel)] : null;
    };
    map.show({
      marked: mark(), rows: rows.length, columns: columns.length, value: (i, j) => matrix.at(rows[i], columns[j]),
      rowName: (i) => String(up(i)), columnName: (j) => String(low(j)),
      label: `Flow ${now.pair}: ${rows.length} upper and ${columns.length} lower channels`,
      idle: 'Point at an entry or move with the arrow keys; click to choose its upper channel.',
      say: (i, j) => `${data.channelName(flow.lower, low(j))} → ${data.channelName(flow.upper, up(i))}: ${number(matrix.at(rows[i], columns[j]), 3)}${error ? ` ± ${number(error.at(rows[i], columns[j]), 2)}` : ''}`,
      pick: (i) => state.set({ layer: flow.upper, channel: up(i) }),
    });
    read.textContent = map.options.idle;
    const sizes = [16, 32, 64, 128, 256, 512].filter((n) => n < Math.max(matrix.nrows, matrix.ncolumns));
    fill(body, h('div', { class: 'controls' },
      select('Pair', [...data.flows].reverse().map(({ name, method }) => [name, method === 'sampled' ? `${name} (sampled)` : name]), now.pair, (pair) => { now.pair = pair; draw(); }),
      data.flow_classes.length ? select('Images', [['', 'all'], ...data.flow_classes.map((k, slot) => [slot, data.className(k)])], now.slot === null ? '' : now.slot,
        (slot) => { now.slot = slot === '' ? null : Number(slot); draw(); }) : null,
      select('Strongest channels', [...sizes.map((n) => [n, `${n} of each layer`]), [1e9, 'all']], sizes.includes(now.most) ? now.most : 1e9, (most) => { now.most = Number(most); draw(); }),
      choice('Order', [['strength', 'by strength'], ['number', 'by number']], now.sorted, (sorted) => { now.sorted = sorted; draw(); })),
    h('p', { class: 'axis' }, `Rows: channels of ${flow.upper} (upper). Columns: channels of ${flow.lower} (lower).`),
    map.element, read, legend('Mean joint relevance', map.most, true), h('p', { class: 'hint' }, describe(data, flow, matrix)));
  };
  onTheme(draw);
  state.on(() => map.remark(mark()));
  draw();
  return section(h('p', { class: 'lead' }, 'The measure of the walks through both channels, arranged like a weight matrix. Colours follow the square root, so weak flows are visible.'), body);
}
