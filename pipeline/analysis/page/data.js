// The numbers that the page carries: io/export/html_page.h says how.

function text(id) {
  return document.getElementById(id).textContent;
}

async function inflate(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Bytes are kept lowest first for all elements, then the next.
function words(bytes, offset, count) {
  const out = new Uint32Array(count);
  for (let plane = 0; plane < 4; plane++) {
    const from = offset + plane * count;
    for (let i = 0; i < count; i++) out[i] |= bytes[from + i] << (8 * plane);
  }
  return out;
}

// A matrix of two kinds of channels, or classes and channels; rows and columns are their numbers.
export class Matrix {
  constructor(values, shape, rows, columns) {
    this.values = values;
    [this.nrows, this.ncolumns] = shape;
    this.rows = rows || Array.from({ length: shape[0] }, (_, i) => i);
    this.columns = columns || Array.from({ length: shape[1] }, (_, i) => i);
    this.partial = Boolean(rows || columns);
    this.rowOf = new Map(this.rows.map((number, i) => [number, i]));
    this.columnOf = new Map(this.columns.map((number, i) => [number, i]));
  }

  at(row, column) {
    return this.values[row * this.ncolumns + column];
  }

  row(number) {
    const i = this.rowOf.get(number);
    return i === undefined ? null : this.values.subarray(i * this.ncolumns, (i + 1) * this.ncolumns);
  }

  column(number) {
    const j = this.columnOf.get(number);
    return j === undefined ? null : Float32Array.from(this.rows, (_, i) => this.at(i, j));
  }
}

export class Data {
  static async load() {
    return new Data(JSON.parse(text('page-json')), await inflate(text('page-data')));
  }

  constructor(json, bytes) {
    Object.assign(this, json);
    this.bytes = bytes;
    this.cache = new Map();
    // A pool hands relevance on within its channels, whose sums are those of the layer below; so do concatenations.
    const own = new Map(this.network.layers.map((layer) => [layer.name, layer]));
    this.layers = this.summary.layers.filter((layer) => layer.channels > 0 && own.has(layer.name)).map((layer) => ({ ...layer, cut: own.get(layer.name).cut }));
    this.flows = this.summary.flows.map((flow) => {
      const [lower, upper] = flow.name.split('-');
      return { name: flow.name, method: flow.method, lower, upper };
    });
  }

  // A typed array, or null if the store had none.
  array(name) {
    const entry = this.arrays[name];
    if (!entry) return null;
    if (!this.cache.has(name)) {
      const count = entry.shape.reduce((a, b) => a * b, 1);
      const bytes = entry.type === 'u8' ? this.bytes.subarray(entry.offset, entry.offset + count)
        : words(this.bytes, entry.offset, count);
      const kinds = { f32: Float32Array, i32: Int32Array };
      this.cache.set(name, kinds[entry.type] ? new kinds[entry.type](bytes.buffer) : bytes);
    }
    return this.cache.get(name);
  }

  shape(name) {
    return this.arrays[name] ? this.arrays[name].shape : null;
  }

  matrix(name) {
    const key = `matrix ${name}`;
    const entry = this.arrays[name];
    if (!entry) return null;
    if (!this.cache.has(key)) this.cache.set(key, new Matrix(this.array(name), entry.shape, entry.rows, entry.columns));
    return this.cache.get(key);
  }

  layer(name) {
    return this.layers.find((layer) => layer.name === name);
  }

  of(layer, name) {
    return this.array(`layers/${layer}/${name}`);
  }

  // Channels of a layer, most relevant first.
  order(layer) {
    const key = `order ${layer}`;
    if (!this.cache.has(key)) {
      const mean = this.of(layer, 'mean');
      this.cache.set(key, Array.from(mean.keys()).sort((a, b) => mean[b] - mean[a] || a - b));
    }
    return this.cache.get(key);
  }

  flow(lower, upper) {
    return this.flows.find((flow) => flow.lower === lower && flow.upper === upper);
  }

  // Mean flow of a pair over all images, or those of the class in row `slot` of the flows by class.
  flowMatrix(name, slot = null) {
    return this.matrix(`flows/${name}/${slot === null ? 'mean' : `class_mean/${slot}`}`);
  }

  className(k) {
    const known = this.classes[k];
    return known && known.name ? known.name : `class ${k}`;
  }

  // What a channel is called; those of the last layer are the classes.
  channelName(layer, channel) {
    const last = this.layers[this.layers.length - 1];
    return last && layer === last.name && this.classes.length ? this.className(channel) : `${layer}[${channel}]`;
  }
}
