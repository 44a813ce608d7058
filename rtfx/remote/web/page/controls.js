// Controls of one parameter each: a knob to turn, a list to choose from, a switch.

const TRAVEL = 220;  // pixels of a drag from one end to the other
const NOTCH = 60;  // pixels of the wheel for one step
const SEMITONE = 2 ** (1 / 12);
const FINE = 10;
const SETTLE = 200;  // ms after an answer, in which what it changed arrives too

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function set(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Returns the control of a parameter. `turn(address, value)` sends a value and returns the number of its command.
export function control(about, turn) {
  const kind = isSwitch(about) ? Switch : about.choices.length ? Choice : Knob;
  return new kind(about, turn);
}

// Knobs stand before lists, and these before switches.
export function rank({element}) {
  return ["knob", "choice"].indexOf(element.classList[0]) + 1 || 3;
}

export function isSwitch(about) {
  return about.kind === "switch" || about.choices.join() === "off,on";
}

// The value that a double-click returns to.
function written(about) {
  return about.written ?? (about.choices.length ? about.choices[0] : Math.min(Math.max(0, about.min), about.max));
}

function title(about) {
  return `${about.block} ${label(about)}`;
}

function label(about) {
  return about.name.replace(/_(db|hz|ms|s)$/, "").replaceAll("_", " ");
}

// What all controls do: while the hand is on one, or its last value is on the way, values from elsewhere wait.
class Control {
  constructor(about, turn) {
    Object.assign(this, {about, turn, held: false, sent: 0, wanted: undefined});
  }

  get busy() {
    return this.held || this.sent !== 0 || this.wanted !== undefined || this.resting !== undefined;
  }

  // A value from the player.
  receive(value) {
    this.latest = value;
    if (!this.busy) this.show(value);
  }

  // A value from the hand: the next one is sent when the last one was answered.
  send(value) {
    this.show(value);
    this.wanted = value;
    this.flush();
  }

  flush() {
    if (this.sent || this.wanted === undefined) return;
    const value = this.wanted;
    this.wanted = undefined;
    this.sent = this.turn(this.about.address, value);
    if (!this.sent) this.settle();
  }

  answered(number) {
    if (number !== this.sent) return;
    this.sent = 0;
    this.rest();
    this.flush();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.resting = undefined;
      this.settle();
    }, SETTLE);
  }

  settle() {
    if (!this.busy && this.latest !== undefined) this.show(this.latest);
  }

  // The connection was lost: nothing is on the way any more.
  forget() {
    clearTimeout(this.resting);
    this.resting = undefined;
    this.held = false;
    this.sent = 0;
    this.wanted = undefined;
  }
}

class Knob extends Control {
  constructor(about, turn) {
    super(about, turn);
    this.dial = make("span", {className: "dial"});
    this.value = make("span", {className: "value"});
    this.element = make("div", {
      className: "knob", role: "slider", tabIndex: 0, "aria-label": title(about),
      "aria-valuemin": about.min, "aria-valuemax": about.max, "data-address": about.address,
      title: `${about.summary || label(about)}: drag, arrow keys or wheel; double-click for the written value`,
    }, this.dial, make("span", {className: "name", textContent: label(about)}), this.value);
    const element = this.element;
    element.addEventListener("pointerdown", (event) => this.grab(event));
    element.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(end, () => this.drop());
    element.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("dblclick", () => this.send(written(about)));
    this.turned = 0;
  }

  get structural() {
    return this.about.kind === "structural";
  }

  // The value as a number; the length of a note, such as 1/8, where it lies in the range.
  get number() {
    return typeof this.now === "string" ? this.at(this.about.norm ?? 0) : this.now;
  }

  place(value) {
    if (typeof value === "string") return this.about.norm ?? 0;
    const {min: low, max: high, step} = this.about;
    return step === null ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }

  at(place) {
    const {min: low, max: high, step} = this.about;
    const inside = Math.min(Math.max(place, 0), 1);
    return this.rounded(step === null ? low * (high / low) ** inside : low + (high - low) * inside);
  }

  rounded(value) {
    const {min: low, max: high, whole, step} = this.about;
    const grid = whole ? 1 : step / FINE;
    const near = step === null ? Number(value.toPrecision(4)) : Number((Math.round(value / grid) * grid).toFixed(9));
    return Math.min(Math.max(near, low), high);
  }

  stepped(steps, fine) {
    const {whole, step} = this.about, size = fine && !whole ? 1 / FINE : 1;
    const now = this.number;
    this.send(this.rounded(step === null ? now * SEMITONE ** (steps * size) : now + steps * step * size));
  }

  grab(event) {
    if (event.button) return;
    this.element.setPointerCapture(event.pointerId);
    this.element.focus({preventScroll: true});
    this.held = true;
    this.from = {x: event.clientX, y: event.clientY, place: this.place(this.now)};
    event.preventDefault();
  }

  drag(event) {
    if (!this.held) return;
    const moved = event.clientX - this.from.x - (event.clientY - this.from.y);
    const place = Math.min(Math.max(this.from.place + moved / TRAVEL / (event.shiftKey ? FINE : 1), 0), 1);
    this.from = {x: event.clientX, y: event.clientY, place};
    const value = this.at(place);
    if (value === this.now) return;
    if (this.structural) this.show(value);
    else this.send(value);
  }

  drop() {
    if (!this.held) return;
    this.held = false;
    if (this.structural && this.now !== this.latest) this.send(this.now);
    this.settle();
  }

  wheel(event) {
    event.preventDefault();
    this.turned -= event.deltaY;
    const steps = Math.trunc(this.turned / NOTCH);
    this.turned -= steps * NOTCH;
    if (steps) this.stepped(steps, event.shiftKey);
  }

  key(event) {
    const steps = {ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10}[event.key];
    const ends = {Home: this.about.min, End: this.about.max, Delete: written(this.about), 0: written(this.about)};
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (steps) this.stepped(steps, event.shiftKey);
    else if (event.key in ends) this.send(ends[event.key]);
    else return;
    event.preventDefault();
  }

  show(value) {
    if (value === this.now) return;
    this.now = value;
    const text = worded(this.about, value);
    this.dial.style.setProperty("--place", this.place(value).toFixed(4));
    write(this.value, text);
    set(this.element, "aria-valuenow", this.number);
    set(this.element, "aria-valuetext", text);
    this.element.classList.toggle("turned", value !== written(this.about));
  }
}

export function worded(about, value) {
  if (typeof value === "string") return value;
  if (about.unit === "dB") return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} dB`;
  return `${about.whole ? value : Number(value.toPrecision(4))} ${about.unit}`.trim();
}

class Choice extends Control {
  constructor(about, turn) {
    super(about, turn);
    this.list = make("select", {"aria-label": title(about)});
    for (const choice of about.choices) this.list.append(make("option", {value: choice, textContent: choice}));
    this.list.addEventListener("change", () => this.send(this.list.value));
    this.element = make("label", {className: "choice", "data-address": about.address, title: about.summary || ""},
      this.list, make("span", {className: "name", textContent: label(about)}));
  }

  show(value) {
    this.list.value = value;
    this.element.classList.toggle("turned", value !== written(this.about));
  }
}

class Switch extends Control {
  constructor(about, turn) {
    super(about, turn);
    this.ends = about.choices.length ? about.choices : [0, 1];
    this.element = make("button", {
      type: "button", className: "switch", "data-address": about.address, title: about.summary || "",
      textContent: about.name === "on" ? about.block : label(about),
      "aria-label": about.name === "on" ? `${about.block} on` : title(about),
    });
    this.element.addEventListener("click", () => this.send(this.ends[this.on ? 0 : 1]));
  }

  show(value) {
    this.on = value === this.ends[1];
    set(this.element, "aria-pressed", this.on);
  }
}
