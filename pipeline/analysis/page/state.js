// What the reader has chosen: a channel, and whether everything is shown given that channel.
export class State {
  constructor(layer, channel) {
    Object.assign(this, { layer, channel, given: false });
    this.listeners = [];
  }

  on(listener) {
    this.listeners.push(listener);
  }

  set(changes) {
    Object.assign(this, changes);
    for (const listener of this.listeners) listener(this);
  }
}
