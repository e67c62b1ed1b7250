// Residual blocks: which share of the measure takes the skip into each add, and which the branch.
import { Chart, axis, encode } from './charts.js';
import { h, number, table } from './dom.js';
import { colour } from './theme.js';

const NAMES = ['skip', 'branch', 'other branches'];
const COLOURS = ['rest', 'neurons', 'accent']; // what goes past the layers of a branch is grey, as in the ledger

// The shares of a block: of the way with fewest steps, of the one with most, and of those between.
function parts({ ways }) {
  const between = ways.slice(1, -1).reduce((sum, { share }) => sum + share, 0);
  return [ways[0].share, ways[ways.length - 1].share, between];
}

function tip(blocks) {
  return (points) => {
    const block = blocks[points[0].dataIndex];
    return `<b>${encode(block.name)}</b>${block.ways.map(({ from, share }) => `<br>from ${encode(from)}: ${number(share)}`).join('')}`;
  };
}

function option(blocks, width) {
  const shares = blocks.map(parts);
  const used = NAMES.map((_, k) => k).filter((k) => k < 2 || blocks.some(({ ways }) => ways.length > 2));
  const outside = shares.some((all) => all.some((share) => share < 0 || share > 1.05));
  const tall = 24 * blocks.length;
  return {
    height: tall + 78,
    legend: { left: 0, top: 0, itemHeight: 11, itemWidth: 16, itemGap: 18, selectedMode: false, textStyle: { color: colour('ink') }, data: used.map((k) => NAMES[k]) },
    tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, formatter: tip(blocks) },
    grid: { left: width < 560 ? 88 : 100, right: 24, top: 34, height: tall },
    xAxis: axis({ type: 'value', min: outside ? null : 0, max: outside ? null : 1 }),
    yAxis: axis({ type: 'category', data: blocks.map(({ name }) => name), splitLine: { show: false }, axisLabel: { color: colour('ink'), fontSize: 12, interval: 0, width: 84, overflow: 'truncate' } }),
    series: used.map((k) => ({
      name: NAMES[k], type: 'bar', stack: 'share', barWidth: 14, itemStyle: { color: colour(COLOURS[k]) }, data: shares.map((all) => all[k]),
    })),
  };
}

// Nothing if the network has no residual blocks, or the store no flows of them.
export function blocks(data) {
  const list = data.network.blocks || [];
  if (!list.length) return null;
  const chart = h('div', { class: 'chart', id: 'blocks-chart' });
  new Chart(chart, (width) => option(list, width));
  const which = { none: 'of all walks', input: 'of the walks that reach the input' }[data.summary.given] || 'of the walks that meet the condition';
  return h('div', { class: 'blocks' }, h('h3', {}, 'Skips and branches of residual blocks'),
    h('p', { class: 'hint' }, `The share ${which} that comes to each sum along its skip, the way with fewest layers, and along its branch. What is missing to one goes to biases, or is absorbed.`),
    chart, h('details', {}, h('summary', {}, 'The numbers'), table('Sums of the mean flows into each sum',
      [{ name: 'Sum', text: true }, { name: 'From', text: true }, { name: 'Layers' }, { name: 'Share' }],
      [...list].reverse().flatMap(({ name, ways }) => ways.map(({ from, steps, share }) => [name, from, String(steps), number(share)])))));
}
