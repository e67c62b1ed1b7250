// How the numbers were computed: queries, times, the configuration.
import { bars, h, number, table, withError } from './dom.js';

function queries(data) {
  const list = data.summary.queries;
  if (!list.length) return null;
  return [h('h3', {}, 'Queries'), table('Ratio of the means of numerator and condition over the images',
    [{ name: 'Name', text: true }, { name: 'Mean' }, { name: 'Expression', text: true }],
    list.map((query) => [query.name, withError(query.mean, query.std_error), h('code', {}, query.expression || '')]))];
}

function stages(data) {
  const list = Object.entries(data.summary.seconds);
  if (!list.length) return null;
  return h('div', {}, h('h3', {}, 'Time by stage'), bars(list.map(([name, value]) => ({ name, value, text: `${number(value, 3)} s` })), { colour: 'neurons' }), h('p', { class: 'hint' }, 'Summed over all ranks.'));
}

function accuracy(data) {
  const rows = data.classes.filter((row) => row.labelled);
  if (!rows.length) return null;
  const listed = rows.map((row) => ({ name: row.name, value: row.correct / row.labelled, text: `${((100 * row.correct) / row.labelled).toFixed(1)} %`, title: `${row.correct} of ${row.labelled}` }))
    .sort((a, b) => a.value - b.value).slice(0, 12);
  return h('div', {}, h('h3', {}, rows.length > 12 ? 'Accuracy of the twelve hardest classes' : 'Accuracy by class'), bars(listed, { wide: true, colour: 'neurons' }));
}

function checksums(data) {
  const names = ['program_version', 'isa', 'blas_core', 'seed', 'model_sha256', 'dataset_sha256'];
  return h('dl', {}, names.filter((name) => data.summary[name] !== undefined).flatMap((name) => [h('dt', {}, name), h('dd', {}, h('code', {}, String(data.summary[name])))]));
}

export function run(data) {
  return h('section', { id: 'run', 'aria-labelledby': 'h-run' }, h('h2', { id: 'h-run' }, 'The run'), queries(data),
    h('div', { class: 'columns' }, accuracy(data), stages(data)), h('h3', {}, 'Reproducing the run'), checksums(data),
    data.summary.config ? h('details', {}, h('summary', {}, 'The whole configuration'), h('pre', { tabindex: 0 }, data.summary.config)) : null);
}
