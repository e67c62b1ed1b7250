// Apache ECharts, with what this page uses of it, in the page's colours. Charts are SVG: sharp on paper, and text is text.
import * as echarts from 'echarts/core';
import { BarChart, CustomChart, LineChart, SankeyChart, ScatterChart } from 'echarts/charts';
import { AriaComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { tick } from './dom.js';
import { colour, onTheme } from './theme.js';

echarts.use([BarChart, CustomChart, LineChart, SankeyChart, ScatterChart, AriaComponent, DataZoomComponent, GridComponent,
  LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent, SVGRenderer]);

// ECharts measures text, and must know with what.
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif';

export const encode = (text) => echarts.format.encodeHTML(String(text));

export function axis(extra = {}) {
  return {
    axisLine: { lineStyle: { color: colour('line') } }, axisTick: { show: false },
    axisLabel: { color: colour('muted'), fontSize: 12, formatter: extra.type === 'category' ? null : tick }, splitLine: { lineStyle: { color: colour('grid') } },
    nameTextStyle: { color: colour('muted'), fontSize: 12 }, ...extra,
  };
}

function common() {
  return {
    animation: false, textStyle: { color: colour('ink'), fontFamily: FONT },
    aria: { enabled: true },
    tooltip: {
      confine: true, backgroundColor: colour('raised'), borderColor: colour('line'), textStyle: { color: colour('ink'), fontSize: 13 },
    },
  };
}

// A chart in `element`. `option(width)` gives ECharts' option, and a key `height`; it is asked again when colours or width
// change. `onclick` gets ECharts' event.
export class Chart {
  constructor(element, option, onclick = null) {
    this.element = element;
    this.option = option;
    this.onclick = onclick;
    this.width = 0;
    this.stop = onTheme(() => this.draw());
    this.observer = new ResizeObserver(() => {
      if (element.clientWidth !== this.width) this.draw();
    });
    this.observer.observe(element);
  }

  // The element is about to go.
  end() {
    this.stop();
    this.observer.disconnect();
    if (this.chart) this.chart.dispose();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width) return;
    const { height, ...option } = this.option(width);
    const shared = common();
    this.width = width;
    this.element.style.height = `${height}px`;
    if (!this.chart) {
      this.chart = echarts.init(this.element, null, { renderer: 'svg', width, height });
      if (this.onclick) this.chart.on('click', (event) => this.onclick(event));
    }
    this.chart.resize({ width, height });
    this.chart.setOption({ ...shared, ...option, tooltip: { ...shared.tooltip, ...option.tooltip } }, { notMerge: true });
  }
}
