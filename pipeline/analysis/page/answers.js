// How networks answer with some of their edges or channels alone: curves over the share, with errors, and a table.
import { Chart, axis, encode } from './charts.js';
import { choice, fill, h, table } from './dom.js';
import { figure, legend, legendRoom, nameAbove, orderColour, whiskers } from './figures.js';
import { colour } from './theme.js';

// Of a test: the order that the others are compared with, the share of a fraction that is gone, the axis of shares, and
// where on the line of the whole network no curves are.
const TESTS = {
  circuit: { first: 'flow', share: (gone) => 1 - gone, name: 'share of the edges that is kept', axis: { type: 'log', max: 1 }, label: 'insideStartBottom' },
  prune: { first: 'store', share: (gone) => gone, name: 'share of the channels that is dropped', axis: { type: 'value' }, label: 'insideEndBottom' },
};
const MEASURES = [['accuracy', 'accuracy', 'share of the images that is classified as labelled'],
  ['agreement', 'agreement', 'share that is classified as by the whole network'],
  ['p', 'p', 'mean p of the class that the whole network predicts'],
  ['margin', 'margin', 'mean logit of that class less that of the next']];

const percent = (share) => `${Number((100 * share).toPrecision(3))} %`;

function pointsOf(result, share, measure) {
  const { values, errors } = result.answers[measure];
  return result.fraction.map((gone, i) => [share(gone), values[i], errors[i]]).filter((point) => point[1] !== null);
}

function option(found, measure, width) {
  const { share, name, axis: shares, label } = TESTS[found.test];
  const names = found.orders.map((result) => result.order);
  const whole = found.whole.answers[measure].values[0];
  const line = (result, k) => {
    const points = pointsOf(result, share, measure);
    return [{
      name: result.order, type: 'line', symbol: 'circle', symbolSize: 6, data: points, encode: { x: 0, y: 1 },
      itemStyle: { color: orderColour(k) }, lineStyle: { color: orderColour(k), width: 2 },
      markLine: k || whole === null ? undefined : {
        silent: true, symbol: 'none', data: [{ yAxis: whole }], lineStyle: { color: colour('muted'), type: 'dashed' },
        label: { formatter: 'whole network', position: label, color: colour('muted') },
      },
    }, whiskers(points)];
  };
  const least = Math.min(...found.orders.flatMap((result) => result.fraction.map(share)));
  const formatter = ({ seriesName, data }) => `<b>${encode(seriesName)}</b><br>${encode(percent(data[0]))}: ${figure(data[1], data[2])}`;
  const labels = { color: colour('muted'), fontSize: 12, formatter: percent, hideOverlap: true };
  const top = legendRoom(names, width);
  return {
    height: 280 + top,
    grid: { left: 58, right: 24, top, bottom: 48 },
    legend: legend(names),
    tooltip: { trigger: 'item', formatter },
    xAxis: axis({ ...shares, min: shares.type === 'log' ? 0.8 * least : 0, name, nameLocation: 'middle', nameGap: 28,
      axisLabel: { ...labels, showMinLabel: shares.type !== 'log' } }),
    yAxis: axis({ type: 'value', scale: true, name: measure, ...nameAbove() }),
    series: found.orders.flatMap(line),
  };
}

function numbers(found, [measure, , meaning]) {
  const { share, first } = TESTS[found.test];
  const shares = [...new Set(found.orders.flatMap((result) => result.fraction))].sort((a, b) => share(a) - share(b));
  const cell = (result, gone, of) => {
    const i = result.fraction.indexOf(gone);
    return i < 0 || !result.answers[of].values ? '–' : figure(result.answers[of].values[i], (result.answers[of].errors || [])[i]);
  };
  const compared = measure === 'accuracy' ? found.orders.filter((result) => result.order !== first && result.answers.difference.values) : [];
  const heads = (results) => [{ name: 'share' }, ...results.map((result) => ({ name: result.order }))];
  const rows = (results, of) => shares.map((gone) => [percent(share(gone)), ...results.map((result) => cell(result, gone, of))]);
  const { values, errors } = found.whole.answers[measure];
  return [table(`${meaning}; of the whole network ${figure(values[0], errors[0])}`, heads(found.orders), rows(found.orders, measure)),
    compared.length ? table(`accuracy by ${first} less that by another order, paired by image`, heads(compared), rows(compared, 'difference')) : null];
}

// `results` are those of a test and a place; "whole" is the network as it is.
export function answers(test, results) {
  const others = results.filter((result) => result.order !== 'whole');
  const found = { test, whole: results.find((result) => result.order === 'whole'),
    orders: [...others.filter((result) => result.order === TESTS[test].first), ...others.filter((result) => result.order !== TESTS[test].first)] };
  const known = MEASURES.filter(([measure]) => found.whole.answers[measure].values[0] !== null);
  const element = h('div', { class: 'chart' });
  const below = h('details', {}, h('summary', {}, 'All numbers'));
  const body = h('div');
  let chart = null;
  const draw = (name) => {
    const measure = known.find(([one]) => one === name);
    if (chart) chart.end();
    chart = new Chart(element, (width) => option(found, measure[0], width));
    chart.draw();
    fill(below, h('summary', {}, 'All numbers'), numbers(found, measure));
  };
  fill(body, h('div', { class: 'controls' }, choice('Show', known, known[0][0], draw)), element,
    others.some((result) => result.order === 'own') ? h('p', { class: 'axis' }, 'own: of the first images alone, each by its own flows.') : null, below);
  requestAnimationFrame(() => draw(known[0][0]));
  return body;
}
