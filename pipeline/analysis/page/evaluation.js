// How far to trust this: an evaluation's figures, where the report has one.
import { Chart, axis, encode } from './charts.js';
import { count, fill, h, select, table } from './dom.js';
import { colour } from './theme.js';

// The value that stands for a test: its place among those of a result, and its name.
const ABOUT = {
  targets: { value: 0, name: '|cosine|', title: 'Does relevance depend on the class?', text: 'Likeness of the relevance for the predicted class and for the runner-up; near 1, it is the same but for a factor.' },
  damage: { value: 1, name: 'Pearson’s r', title: 'Does it predict what one channel is worth?', text: 'Correlation with what the logit loses if a channel is replaced alone.' },
  channels: { value: 0, name: 'gain of p', title: 'Does it order the channels of a layer?', text: 'Area between the curves below; 0 at random.' },
  layers: { value: 0, name: 'gain of p', title: 'Does it order the channels of all convolutions together?', text: 'Whether layers can be compared.' },
  flows: { value: 0, name: 'gain of p', title: 'Do flows order the edges of a link?', text: 'The same for edges that are cut.' },
  pixels: { value: 0, name: 'gain of p', title: 'Does it order the pixels?', text: 'Squares of pixels become zero after preprocessing. What is put in their place decides the result more than the order does.' },
  randomised: { value: 0, name: '|cosine|', title: 'Does it depend on the weights?', text: 'Likeness of the relevance before and after weights are permuted, from the logits down. No ranking of methods.' },
};
const COLOURS = ['positive', 'negative', 'neurons', 'bias', 'absorbed', 'rest', 'muted'];
const HALVES = ['all images', 'less confident half', 'more confident half'];

function places(results) {
  return [...new Set(results.map((result) => result.place))];
}

function orders(results) {
  return [...new Set(results.map((result) => result.order))];
}

function at(results, place, order) {
  return results.find((result) => result.place === place && result.order === order);
}

// Three decimals: errors are of the order of 0.01.
function figure(value, error) {
  return `${value.toFixed(3)} ± ${(error || 0).toFixed(3)}`.replace('-', '−');
}

// ---- figures by place and order, with error bars

function whisker(api, from, to, x, shift) {
  const [centre, low] = api.coord([x, from]);
  const [, high] = api.coord([x, to]);
  return { type: 'line', shape: { x1: centre + shift, y1: low, x2: centre + shift, y2: high }, style: { stroke: colour('ink'), lineWidth: 1 } };
}

function figuresOption(test, results, width) {
  const { value, name } = ABOUT[test];
  const shown = places(results);
  const kinds = orders(results);
  const band = (width - 80) / shown.length;
  const shift = (k) => (k - (kinds.length - 1) / 2) * Math.min(12, band / (kinds.length + 1));
  const points = (order) => shown.map((place, i) => {
    const result = at(results, place, order);
    return result && result.mean.length && result.mean[0][value] !== null ? [i, result.mean[0][value], result.error[0][value] || 0] : null;
  }).filter(Boolean);
  return {
    height: 300,
    grid: { left: 58, right: 16, top: 54, bottom: 64 },
    legend: { top: 4, left: 0, textStyle: { color: colour('ink') }, data: kinds, selectedMode: false },
    tooltip: { trigger: 'item', formatter: ({ seriesName, data }) => `<b>${encode(shown[data[0]])}</b><br>${encode(seriesName)}: ${figure(data[1], data[2])}` },
    xAxis: axis({ type: 'category', data: shown, splitLine: { show: false }, axisLabel: { color: colour('muted'), interval: 0, rotate: band < 60 ? 40 : 0 } }),
    yAxis: axis({ type: 'value', name, nameLocation: 'end', nameTextStyle: { align: 'left', color: colour('muted'), padding: [0, 0, 0, -50] } }),
    series: kinds.flatMap((order, k) => [{
      name: order, type: 'scatter', symbolSize: 8, symbolOffset: [shift(k), 0], itemStyle: { color: colour(COLOURS[k % COLOURS.length]) }, data: points(order),
    }, {
      type: 'custom', silent: true, tooltip: { show: false }, encode: { x: 0, y: 1 }, data: points(order),
      renderItem: (_, api) => whisker(api, api.value(1) - api.value(2), api.value(1) + api.value(2), api.value(0), shift(k)),
    }]),
  };
}

function figures(test, results) {
  const element = h('div', { class: 'chart' });
  new Chart(element, (width) => figuresOption(test, results, width));
  return element;
}

// ---- curves of one place

function curvesOption(results, place) {
  const known = results.filter((result) => result.place === place && result.curve_morf);
  const line = (result, k, curve, dashed) => ({
    name: result.order, type: 'line', showSymbol: false, data: result.fraction.map((f, s) => [f, result[curve][s]]),
    lineStyle: { color: colour(COLOURS[k % COLOURS.length]), width: 2, type: dashed ? 'dashed' : 'solid' }, itemStyle: { color: colour(COLOURS[k % COLOURS.length]) },
  });
  return {
    height: 320,
    grid: { left: 58, right: 16, top: 54, bottom: 48 },
    legend: { top: 4, left: 0, textStyle: { color: colour('ink') }, data: known.map((result) => result.order), selectedMode: false },
    tooltip: { trigger: 'item' },
    xAxis: axis({ type: 'value', min: 0, max: 1, name: 'share replaced', nameLocation: 'middle', nameGap: 28 }),
    yAxis: axis({ type: 'value', min: 0, max: 1, name: 'mean p of the target', nameLocation: 'end', nameTextStyle: { align: 'left', color: colour('muted'), padding: [0, 0, 0, -50] } }),
    series: known.flatMap((result, k) => [line(result, k, 'curve_morf', false), line(result, k, 'curve_lerf', true)]),
  };
}

function curves(results) {
  const known = places(results.filter((result) => result.curve_morf));
  let place = known[known.length - 1];
  let chart = null;
  const element = h('div', { class: 'chart' });
  const body = h('div');
  const draw = () => {
    if (chart) chart.end();
    chart = new Chart(element, () => curvesOption(results, place));
    chart.draw();
  };
  fill(body, known.length > 1 ? h('div', { class: 'controls' }, select('Layer', known.map((name) => [name, name]), place, (name) => { place = name; draw(); })) : null,
    h('p', { class: 'axis' }, 'Solid: the first units of the order are replaced. Dashed: the last ones. The further apart, the better the order.'), element);
  requestAnimationFrame(draw);
  return body;
}

// ---- a test

function differences(test, results) {
  const { value, name } = ABOUT[test];
  const place = places(results).includes('all') ? 'all' : places(results)[0];
  const known = results.filter((result) => result.place === place && result.mean.length);
  const cell = (list, errors, half) => (list.length && list[half][value] !== null ? figure(list[half][value], errors[half][value]) : '–');
  return table(`${name}, and its difference to relevance`, [{ name: 'order', text: true }, ...HALVES.flatMap((half) => [{ name: half }, { name: 'difference' }])],
    known.map((result) => [result.order, ...HALVES.flatMap((_, half) => [cell(result.mean, result.error, half), cell(result.difference, result.difference_error, half)])]));
}

function part(test, results) {
  const { title, text } = ABOUT[test];
  const compared = results.some((result) => result.difference.length);
  return h('div', { class: 'test', id: `evaluation-${test}` }, h('h3', {}, title), h('p', { class: 'note' }, text), places(results).length > 1 ? figures(test, results) : null,
    results.some((result) => result.curve_morf) ? curves(results) : null, compared && test !== 'targets' ? differences(test, results) : null);
}

export function evaluation(data) {
  const { evaluation: found } = data;
  const tests = Object.keys(ABOUT).filter((test) => found.results.some((result) => result.test === test));
  return h('section', { id: 'evaluation', 'aria-labelledby': 'h-evaluation' }, h('h2', { id: 'h-evaluation' }, 'How far to trust this'),
    h('p', { class: 'lead' }, `Units were replaced in ${count(found.images)} images, in the order of relevance and of others, and the network was asked again.`),
    h('ul', { id: 'verdicts' }, found.verdicts.map((verdict) => h('li', {}, verdict))),
    tests.map((test) => part(test, found.results.filter((result) => result.test === test))),
    h('p', { class: 'hint' }, `nrmflow evaluate: ${found.settings}`));
}
