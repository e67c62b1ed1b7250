// Classes against the channels of a layer.
import { choice, fill, h, number, select, short } from './dom.js';
import { Heatmap, legend } from './heatmap.js';
import { onTheme } from './theme.js';

export function classes(data, state) {
  const read = h('div', { class: 'read', 'aria-live': 'polite' });
  const map = new Heatmap(read);
  const body = h('div');
  let mode = 'mean';
  const known = data.layers.filter((layer) => data.arrays[`layers/${layer.name}/class_mean`]);
  const section = (...children) => h('section', { id: 'classes', 'aria-labelledby': 'h-classes' }, h('h2', { id: 'h-classes' }, 'Classes and channels'), children);
  if (!known.length) return section(h('p', { class: 'note' }, 'The store has no means by class (', h('code', {}, 'store.classes'), ').'));
  const depth = data.class_depth;
  const draw = () => {
    const layer = data.arrays[`layers/${state.layer}/class_mean`] ? state.layer : known[known.length - 1].name;
    const matrix = data.matrix(`layers/${layer}/class_mean`);
    const mean = data.of(layer, 'mean');
    const rows = matrix.rows.filter((k) => data.classes[k] && data.classes[k].images > 0 && Number.isFinite(matrix.at(k, 0)));
    const order = data.order(layer).filter((c) => matrix.columnOf.has(c));
    const value = (i, j) => matrix.at(rows[i], matrix.columnOf.get(order[j])) - (mode === 'mean' ? 0 : mean[order[j]]);
    map.show({
      rows: rows.length, columns: order.length, value, left: Math.min(110, 12 + 6.6 * Math.max(...rows.map((k) => short(data.className(k)).length))),
      rowName: (i) => short(data.className(rows[i])), columnName: (j) => String(order[j]), mostHeight: 640, leastHeight: 20,
      marked: layer === state.layer && order.includes(state.channel) ? [null, order.indexOf(state.channel)] : null,
      label: `${layer}: ${rows.length} classes and ${order.length} channels`,
      idle: 'Point at an entry or move with the arrow keys; click to choose the channel.',
      say: (i, j) => `${data.className(rows[i])}, ${layer}[${order[j]}]: ${mode === 'mean' ? number(value(i, j), 3) : `${value(i, j) > 0 ? '+' : ''}${number(value(i, j), 3)} relative to all images`}`,
      pick: (i, j) => state.set({ layer, channel: order[j] }),
    });
    read.textContent = map.options.idle;
    fill(body, h('div', { class: 'controls' },
      select('Layer', [...known].reverse().map(({ name, channels }) => [name, `${name} (${channels})`]), layer, (name) => state.set({ layer: name, channel: data.order(name)[0] })),
      choice('Show', [['mean', 'mean relevance'], ['difference', 'difference from all images']], mode, (next) => { mode = next; draw(); })),
    h('p', { class: 'axis' }, `Rows: classes. Columns: channels of ${layer}, most relevant first.`),
    depth && depth.below.includes(layer) ? h('p', { class: 'note', id: 'class-depth' }, h('strong', {}, 'Hardly depends on the class: '), `${depth.text}.`) : null,
    map.element, read, legend(mode === 'mean' ? 'Mean relevance' : 'Difference', map.most, true),
    matrix.partial ? h('p', { class: 'hint' }, `This report contains the ${order.length} most relevant channels only; the store has all.`) : null);
  };
  state.on(draw);
  onTheme(draw);
  draw();
  return section(h('p', { class: 'lead' }, 'The relevance of each channel for each class. Red is relevance for the target, blue against it.'), body);
}
