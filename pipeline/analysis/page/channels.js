// All layers at a glance, a strip of channels each; and the channels of one layer with their spread.
import { Chart, axis, encode } from './charts.js';
import { choice, fill, h, number, select, withError } from './dom.js';
import { Heatmap, largest, legend } from './heatmap.js';
import { givenChannel, whatAdds, strongest } from './given.js';
import { colour, onTheme } from './theme.js';

const TOP = 3;
const IDLE = 'Point at a channel or move with the arrow keys; click to choose it.';

// What a strip shows: {numbers, values, above} in the order of overall relevance.
function stripOf(data, state, layer) {
  const mean = data.of(layer.name, 'mean');
  const order = data.order(layer.name);
  if (!state.given || layer.name === state.layer) return { numbers: order, values: order.map((c) => mean[c]) };
  const found = givenChannel(data, layer.name, state.layer, state.channel);
  if (!found.values) return { missing: found };
  const at = new Map(found.numbers.map((number_, i) => [number_, found.values[i]]));
  const numbers = order.filter((c) => at.has(c));
  return { numbers, values: numbers.map((c) => at.get(c)), found };
}

function missing(found) {
  if (found.partial) return 'this report does not contain the channel for this pair of layers';
  return ['No flows in the store; ', ...whatAdds(found.pair)];
}

function topOf(strip, mean) {
  const shown = strip.found ? strongest(strip.found, TOP)
    : strip.numbers.slice(0, TOP).map((channel) => ({ channel, value: mean[channel] }));
  return shown.map(({ channel, value }) => `#${channel} ${number(value, 3)}`).join('  ');
}

export function strips(data, state) {
  const body = h('div', { class: 'strips' });
  const read = h('div', { class: 'read', 'aria-live': 'polite' });
  const scale = h('div');
  const maps = new Map();
  const title = h('p', { class: 'lead', id: 'strips-title' });
  const toggle = choice('Show relevance', [[false, 'of all walks'], [true, 'given the chosen channel']], state.given, (given) => state.set({ given }));
  const draw = () => {
    const cells = [];
    const shown = [];
    let most = 0;
    for (const layer of [...data.layers].reverse()) {
      const strip = stripOf(data, state, layer);
      shown.push([layer, strip]);
      if (strip.values && layer.name !== (state.given ? state.layer : null)) most = Math.max(most, largest(strip.values));
    }
    for (const [layer, strip] of shown) {
      const now = layer.name === state.layer;
      cells.push(h('span', { class: now ? 'name now' : 'name' }, layer.name));
      if (strip.missing) {
        cells.push(h('span', { class: 'missing', 'data-pair': strip.missing.pair }, missing(strip.missing)));
        continue;
      }
      if (!maps.has(layer.name)) maps.set(layer.name, new Heatmap(read));
      const map = maps.get(layer.name);
      const marked = now ? [0, strip.numbers.indexOf(state.channel)] : null;
      const what = strip.found ? `given ${state.layer}[${state.channel}]` : 'mean relevance';
      cells.push(map.element, h('span', { class: 'top' }, topOf(strip, data.of(layer.name, 'mean'))));
      map.show({
        rows: 1, columns: strip.numbers.length, height: 20, value: (_, j) => strip.values[j], marked, most: Math.max(largest(strip.values), 1e-30),
        label: `${layer.name}, ${strip.numbers.length} ${strip.numbers.length === 1 ? 'channel' : 'channels by relevance'}`, idle: IDLE,
        say: (_, j) => `${data.channelName(layer.name, strip.numbers[j])}, rank ${data.order(layer.name).indexOf(strip.numbers[j]) + 1}: ${what} ${number(strip.values[j])}`,
        pick: (_, j) => state.set({ layer: layer.name, channel: strip.numbers[j] }),
      });
    }
    fill(body, cells);
    if (!body.contains(document.activeElement)) read.textContent = IDLE;
    fill(scale, legend('Colours are relative to each layer’s largest value:', 1, true));
    title.textContent = state.given
      ? `Share of the relevance of ${data.channelName(state.layer, state.channel)} that also passes through each channel. The order of the channels stays the same.`
      : 'Each strip shows the channels of one layer, most relevant first. Choose a channel to see it below; the numbers at the end are the three strongest channels.';
  };
  state.on(draw);
  onTheme(draw);
  requestAnimationFrame(draw);
  return h('div', {}, title, h('div', { class: 'controls' }, toggle), body, read, scale);
}

// ---- the channels of one layer

function whiskers(api, from, to, x) {
  const [centre, low] = api.coord([x, from]);
  const [, high] = api.coord([x, to]);
  const half = Math.min(4, api.size([1, 0])[0] * 0.3);
  const line = (x1, y1, x2, y2) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style: { stroke: colour('ink'), lineWidth: 1 } });
  return { type: 'group', silent: true, children: [line(centre, low, centre, high), line(centre - half, low, centre + half, low), line(centre - half, high, centre + half, high)] };
}

function layerOption(data, state, spread, order, width) {
  const of = (name) => data.of(state.layer, name);
  const [mean, error, std] = [of('mean'), of('std_error'), of('std')];
  const wing = spread === 'std' ? std : error;
  const shown = Math.min(order.length, Math.max(12, Math.floor(width / 16)));
  const place = order.indexOf(state.channel);
  const start = Math.max(0, Math.min(order.length - shown, place - Math.floor(shown / 2)));
  return {
    height: 320,
    grid: { left: 62, right: 16, top: 34, bottom: order.length > shown ? 84 : 48 },
    tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, formatter: (points) => {
      const c = order[points[0].dataIndex];
      return `<b>${encode(data.channelName(state.layer, c))}</b><br>mean ${withError(mean[c], error[c])}<br>std over images ${number(std[c])}`
        + `<br>positive part ${number(of('mean_positive')[c])}<br>negative part ${number(of('mean_negative')[c])}<br>range over images ${number(of('min')[c])} to ${number(of('max')[c])}`;
    } },
    dataZoom: order.length > shown ? [{ type: 'slider', startValue: start, endValue: start + shown - 1, height: 20, bottom: 12, borderColor: colour('line'),
      textStyle: { color: colour('muted') }, brushSelect: false, showDetail: false, minValueSpan: 8 }] : [],
    xAxis: axis({ type: 'category', data: order.map(String), name: 'channel', nameLocation: 'middle', nameGap: 26, splitLine: { show: false } }),
    yAxis: axis({ type: 'value', name: 'mean relevance', nameLocation: 'end', nameTextStyle: { align: 'left', color: colour('muted'), padding: [0, 0, 0, -54] } }),
    series: [{
      type: 'bar', barMaxWidth: 22, data: order.map((c) => ({ value: mean[c], itemStyle: {
        color: colour(mean[c] < 0 ? 'negative' : 'positive'), opacity: c === state.channel ? 1 : 0.62 } })),
    }, {
      type: 'custom', silent: true, tooltip: { show: false }, encode: { x: 0, y: [1, 2] }, data: order.map((c, i) => [i, mean[c] - wing[c], mean[c] + wing[c]]),
      renderItem: (_, api) => whiskers(api, api.value(1), api.value(2), api.value(0)),
    }],
  };
}

export function layerChart(data, state) {
  let spread = 'std_error';
  let sorted = 'relevance';
  const order = () => (sorted === 'relevance' ? data.order(state.layer) : Array.from(data.of(state.layer, 'mean').keys()));
  const element = h('div', { class: 'chart', id: 'layer-chart' });
  const chart = new Chart(element, (width) => layerOption(data, state, spread, order(), width), (event) => {
    if (event.componentType === 'series') state.set({ channel: order()[event.dataIndex] });
  });
  const picker = h('span');
  const heading = h('h3');
  const draw = () => {
    fill(picker, select('Layer', [...data.layers].reverse().map(({ name, channels }) => [name, `${name} (${channels})`]), state.layer,
      (layer) => state.set({ layer, channel: data.order(layer)[0] })));
    heading.textContent = `Channels of ${state.layer}`;
    chart.draw();
  };
  state.on(draw);
  draw();
  return h('div', { class: 'part' }, heading, h('div', { class: 'controls' }, picker,
    choice('Order', [['relevance', 'by relevance'], ['number', 'by number']], sorted, (value) => { sorted = value; chart.draw(); }),
    choice('Whiskers', [['std_error', '± standard error'], ['std', '± spread over images']], spread, (value) => { spread = value; chart.draw(); })), element);
}
